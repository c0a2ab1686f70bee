#include "core/rules/consequence.h"
#include "core/rules/gradient.h"
#include "core/rules/through_time.h"

#include <math.h>
#include <string.h>

enum { GRADIENT_NORM, FALL, THROUGH_TIME, GATES };
static const struct stability_threshold thresholds[] = {
    [GRADIENT_NORM] = {"gradient_norm", 1e-6, "the smallest L2 norm of a gradient that is not a finding"},
    [FALL] = {"fall", 0.1, "its least ratio to the norm at the loss that is only information"},
    [THROUGH_TIME] =
        {"through_time", 1e-10,
         "the least predicted factor from the last to the first step of an RNN that is not a finding"},
    [GATES] = {"gates", 0.4,
               "the least factor of one step of an LSTM or a GRU that is not a finding: half-open gates pass "
               "about a half"},
    {0},
};

/* How the gradient got lost, seen from where it starts. */
static const char *cause_of(struct rule_context *context, int first, double least, double at_loss)
{
    const struct stability_layer_report *layer = &context->report->layers[first];
    int single = single_element_norm_behind(context, first);
    if (least == 0 && single >= 0)
        return rule_text(
            context,
            "'%s' normalises a batch of one in train mode: each channel is a single element, whose "
            "deviation from its own mean is 0, so that its output is its bias and no gradient passes; "
            "use a larger batch, eval mode, or a normalisation over features",
            context->report->layers[single].name);
    int dead = dead_layer_behind(context, first);
    if (dead >= 0)
        return rule_text(
            context,
            "the units of '%s' are dead for this batch, and pass no gradient to '%s': see dead-units",
            context->report->layers[dead].name, layer->name);
    if (least == 0)
        return rule_text(
            context,
            "no gradient at all reaches '%s': every path from it to the loss has a derivative of 0 for "
            "this batch (dead units, a zero weight, or underflow)",
            layer->name);
    int norm = shrinking_norm_behind(context, first);
    if (norm >= 0)
        return rule_text(
            context,
            "'%s' divides the gradient by the size of the numbers that it normalises, which are large: see "
            "exploding-activation",
            context->report->layers[norm].name);
    double steps = (double)(context->report->layer_count - 1) - first;
    double factor = steps > 0 ? pow(least / at_loss, 1 / steps) : 1;
    return rule_text(
        context,
        "the gradient has norm %.3g at the loss and %.3g at '%s': over the %d layers between them each "
        "multiplies it by %.2g on average; keep each layer's factor near 1 (initialisation for the "
        "activation in use, normalisation, residual additions)",
        at_loss, least, layer->name, (int)steps, factor);
}

static bool add(struct rule_context *context, const int *nodes, size_t count, double least, int worst)
{
    double threshold = context->thresholds[GRADIENT_NORM];
    double at_loss = gradient_norm_at_loss(context);
    bool from_loss = least >= context->thresholds[FALL] * at_loss || at_loss < threshold;
    bool folded = least == 0 && dead_layer_behind(context, worst) >= 0 &&
                  single_element_norm_behind(context, worst) < 0;
    struct stability_evidence evidence[] = {
        {"gradient_norm", least}, {"threshold", threshold}, {"gradient_norm_at_loss", at_loss}};
    const char *name = context->report->layers[worst].name;
    struct finding finding = {
        .severity = from_loss || folded ? STABILITY_INFO : STABILITY_ERROR_SEVERITY,
        .nodes = nodes,
        .node_count = count,
        .message =
            rule_text(context,
                      "the gradient norm falls to %.3g at layer '%s', below %.3g; %zu of %zu layers are "
                      "below it",
                      least, name, threshold, count, context->report->layer_count),
        .cause = from_loss
                     ? rule_text(context,
                                 "the loss itself starts with a gradient of norm %.3g: on this batch it "
                                 "is at a minimum, or its input is saturated",
                                 at_loss)
                     : cause_of(context, worst, least, at_loss),
        .evidence = evidence,
        .evidence_count = sizeof(evidence) / sizeof(evidence[0]),
    };
    return rule_add(context, &finding);
}

/* What happens between the steps of a layer is not seen in its gradients, to which the last steps give
 * enough. */
static bool add_between_steps(struct rule_context *context, int node,
                              const struct stability_evidence evidence[4], const char *message,
                              const char *cause)
{
    struct finding finding = {
        .severity = STABILITY_WARNING,
        .nodes = &node,
        .node_count = 1,
        .message = message,
        .cause = cause,
        .evidence = evidence,
        .evidence_count = 4,
    };
    return rule_add(context, &finding);
}

static bool add_through_time(struct rule_context *context, int node, const struct through_time *time)
{
    const struct stability_evidence evidence[4] = {{"factor", time->factor},
                                                   {"threshold", context->thresholds[THROUGH_TIME]},
                                                   {"factor_per_step", time->per_step},
                                                   {"steps", (double)time->steps}};
    return add_between_steps(
        context, node, evidence,
        rule_text(
            context,
            "from the last to the first of the %lld steps of '%s' the gradient falls by a factor of %.3g",
            (long long)time->steps, context->report->layers[node].name, time->factor),
        rule_text(context,
                  "each step multiplies it by about %.3g: what the first steps read is not learned; "
                  "use an LSTM or a GRU, an orthogonal weight_hh, or shorter sequences",
                  time->per_step));
}

static bool add_through_gates(struct rule_context *context, int node, const struct through_time *time)
{
    const struct stability_evidence evidence[4] = {{"factor_per_step", time->per_step},
                                                   {"threshold", context->thresholds[GATES]},
                                                   {"factor", time->factor},
                                                   {"steps", (double)time->steps}};
    bool gru = strcmp(context->report->layers[node].type, "GRU") == 0;
    return add_between_steps(
        context, node, evidence,
        rule_text(
            context,
            "each of the %lld steps of '%s' passes %.2g of the gradient: %.3g from the last to the first",
            (long long)time->steps, context->report->layers[node].name, time->per_step, time->factor),
        rule_text(context,
                  "the %s gate is mostly closed, so that the state is forgotten within a few steps and what "
                  "the first ones read is not learned; half open it passes about a half: start its biases, "
                  "the second %s of bias_ih and bias_hh, at a sum of 0 or 1",
                  gru ? "update" : "forget", gru ? "third" : "quarter"));
}

static bool check_through_time(struct rule_context *context)
{
    for (int i = 0; i < context->graph->node_count; i++) {
        struct through_time time = through_time_of(context, i), gates = through_gates_of(context, i);
        if (time.applies && time.factor < context->thresholds[THROUGH_TIME] &&
            !add_through_time(context, i, &time))
            return false;
        if (gates.applies && gates.per_step < context->thresholds[GATES] &&
            !add_through_gates(context, i, &gates))
            return false;
    }
    return true;
}

static bool check(struct rule_context *context)
{
    size_t count = 0;
    int worst = -1;
    double least = INFINITY;
    int *nodes = arena_array(context->arena, context->report->layer_count, sizeof(*nodes));
    const bool *silenced = silenced_values(context);
    if (!nodes || !silenced)
        return stability_fail(context->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for findings");
    for (size_t i = 0; i < context->report->layer_count; i++) {
        struct gradient_norms norms = gradient_norms_of(&context->report->layers[i]);
        if (!norms.any || !norms.finite || silenced[context->graph->nodes[i].first_output] ||
            norms.least >= context->thresholds[GRADIENT_NORM])
            continue;
        nodes[count++] = (int)i;
        if (norms.least < least) {
            least = norms.least;
            worst = (int)i;
        }
    }
    return (count == 0 || add(context, nodes, count, least, worst)) && check_through_time(context);
}

RULE_OPS(vanishing_gradient) = {
    .type =
        {.name = "vanishing-gradient",
         .severity = STABILITY_ERROR_SEVERITY,
         .criterion =
             "the L2 norm of the gradient of a layer's output, or of a weight with two or more dimensions, "
             "is below gradient_norm; info where it is no less than fall times that at the loss, or where "
             "dead units that have a finding of their own stop it; not counted are gradients that are "
             "exactly 0 by construction: behind weights that are all 0, and of weights whose input or "
             "output is invariant; also an RNN of whose steps the loss reads the last alone, where the "
             "predicted factor through all steps is below through_time, and an LSTM or a GRU of at least 16 "
             "steps "
             "and 8 units, read so, whose measured factor of one step is below gates (warning)",
         .documentation =
             "Layers that get almost no gradient do not learn: a product of factors below 1 over "
             "depth, saturated or dead units, or underflow.",
         .source =
             "Bengio, Simard, Frasconi 1994, Learning long-term dependencies with gradient descent is "
             "difficult; Glorot, Bengio 2010, Understanding the difficulty of training deep feedforward "
             "neural networks; Gers, Schmidhuber, Cummins 2000, Learning to forget; Jozefowicz, Zaremba, "
             "Sutskever 2015, An empirical exploration of recurrent network architectures",
         .thresholds = thresholds},
    .least = 1u << GRADIENT_NORM | 1u << THROUGH_TIME | 1u << GATES,
    .check = check,
};
