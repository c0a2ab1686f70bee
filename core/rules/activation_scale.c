/* Activations that are too large or too small: two rules with one shape. */
#include "core/rules/consequence.h"

#include <math.h>

static bool out_of_memory(struct rule_context *context)
{
    return stability_fail(context->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for findings");
}

/* Root mean square of a layer's output; NaN where it says nothing. */
static double rms_of(const struct stability_layer_report *layer)
{
    const struct stability_statistics *value = layer->outputs[0].value;
    return value && value->all.count > 0 && isfinite(value->all.rms) ? value->all.rms : NAN;
}

/* Root mean square of the layer's first input; NaN where it is an integer, or says nothing. */
static double rms_before(const struct rule_context *context, int node)
{
    const struct graph_node *source = &context->graph->nodes[node];
    if (source->input_count == 0)
        return NAN;
    const struct graph_value *value = &context->graph->values[source->inputs[0]];
    if (value->producer < 0)
        return sqrt(context->observations->probes.input_squares[source->inputs[0]]);
    return rms_of(&context->report->layers[value->producer]);
}

/* Of the layers up to `node`, the one that multiplies the root mean square by most, or by least; -1: none. */
static int steepest(const struct rule_context *context, int node, bool grows, double *factor)
{
    int found = -1;
    for (int i = 0; i <= node; i++) {
        double step = rms_of(&context->report->layers[i]) / rms_before(context, i);
        if (!(step > 0) || isinf(step) || (found >= 0 && (grows ? step <= *factor : step >= *factor)))
            continue;
        found = i;
        *factor = step;
    }
    return found;
}

/* Where the root mean square comes from: one layer that alone makes most of it, or all up to `node`. */
static const char *growth(struct rule_context *context, int node, const char *advice)
{
    double first = rms_of(&context->report->layers[0]), last = rms_of(&context->report->layers[node]);
    double step = 1, factor = node > 0 && first > 0 ? pow(last / first, 1.0 / node) : NAN;
    int single = steepest(context, node, last > 1, &step);
    if (single >= 0 && fabs(log(step)) > 0.5 * fabs(log(last)))
        return rule_text(
            context,
            "'%s' alone multiplies the root mean square by %.3g, from %.3g to %.3g: look at the scale "
            "of its weights, or normalise",
            context->report->layers[single].name, step, rms_before(context, single),
            rms_of(&context->report->layers[single]));
    if (isnan(factor) || (factor > 0.95 && factor < 1.05))
        return rule_text(
            context,
            "the output of '%s' has a root mean square of %.3g already: look at the scale of the "
            "data and of its weights",
            context->report->layers[node].name, last);
    return rule_text(context,
                     "the root mean square is %.3g after '%s' and %.3g after '%s': over these %d layers each "
                     "multiplies it by %.3g on average; %s",
                     first, context->report->layers[0].name, last, context->report->layers[node].name, node,
                     factor, advice);
}

enum { EXPLODING_RMS, EXPLODING_RMS_ERROR };
static const struct stability_threshold exploding_thresholds[] = {
    [EXPLODING_RMS] = {"rms", 1e3, "the greatest root mean square of an output that is not a finding"},
    [EXPLODING_RMS_ERROR] = {"rms_error", 1e6, "the same, from which on it is an error"},
    {0},
};

static bool check_exploding(struct rule_context *context)
{
    size_t layers = context->report->layer_count, count = 0;
    int *nodes = arena_array(context->arena, layers, sizeof(*nodes));
    if (!nodes)
        return out_of_memory(context);
    int worst = -1;
    double greatest = context->thresholds[EXPLODING_RMS];
    for (size_t i = 0; i < layers; i++) {
        double rms = rms_of(&context->report->layers[i]);
        if (!(rms > context->thresholds[EXPLODING_RMS]))
            continue;
        nodes[count++] = (int)i;
        if (rms > greatest) {
            greatest = rms;
            worst = (int)i;
        }
    }
    if (count == 0)
        return true;
    bool error = greatest > context->thresholds[EXPLODING_RMS_ERROR], starved = false;
    for (size_t i = 0; i < count; i++)
        starved |= is_starved(context, nodes[i]);
    struct stability_evidence evidence[] = {
        {"rms", greatest},
        {"threshold", context->thresholds[error ? EXPLODING_RMS_ERROR : EXPLODING_RMS]},
    };
    struct finding finding = {
        .severity = error || starved ? STABILITY_ERROR_SEVERITY : STABILITY_WARNING,
        .nodes = nodes,
        .node_count = count,
        .message = rule_text(context, "activations reach a root mean square of %.3g in '%s', above %.3g",
                             greatest, context->report->layers[worst].name, evidence[1].value),
        .cause = growth(context, worst, "lower the gain of the initialisation, or normalise"),
        .evidence = evidence,
        .evidence_count = 2,
    };
    return rule_add(context, &finding);
}

RULE_OPS(exploding_activation) = {
    .type =
        {.name = "exploding-activation",
         .severity = STABILITY_ERROR_SEVERITY,
         .criterion =
             "the root mean square of a layer's output is above rms (warning) or rms_error (error); an error "
             "too where a normalisation that reads such numbers, and divides gradients by their size, leaves "
             "a gradient "
             "below 1e-6",
         .documentation =
             "Activations that grow from layer to layer saturate what comes next, overflow sixteen-bit "
             "floats at 65504, and make the loss jump.",
         .source = "He, Zhang, Ren, Sun 2015, Delving deep into rectifiers, section 2.2",
         .thresholds = exploding_thresholds},
    .check = check_exploding,
};

enum { VANISHING_RMS };
static const struct stability_threshold vanishing_thresholds[] = {
    [VANISHING_RMS] = {"rms", 1e-6, "the smallest root mean square of an output that is not a finding"},
    {0},
};

static bool check_vanishing(struct rule_context *context)
{
    size_t layers = context->report->layer_count, count = 0;
    int *nodes = arena_array(context->arena, layers, sizeof(*nodes));
    if (!nodes)
        return out_of_memory(context);
    int worst = -1;
    double least = INFINITY;
    for (size_t i = 0; i < layers; i++) {
        double rms = rms_of(&context->report->layers[i]);
        if (!(rms > 0 && rms < context->thresholds[VANISHING_RMS]))
            continue;
        nodes[count++] = (int)i;
        if (rms < least) {
            least = rms;
            worst = (int)i;
        }
    }
    if (count == 0)
        return true;
    struct stability_evidence evidence[] = {{"rms", least},
                                            {"threshold", context->thresholds[VANISHING_RMS]}};
    struct finding finding = {
        .severity = STABILITY_WARNING,
        .nodes = nodes,
        .node_count = count,
        .message = rule_text(context, "activations fall to a root mean square of %.3g in '%s', below %.3g",
                             least, context->report->layers[worst].name, evidence[1].value),
        .cause = growth(context, worst, "raise the gain of the initialisation, or normalise"),
        .evidence = evidence,
        .evidence_count = 2,
    };
    return rule_add(context, &finding);
}

RULE_OPS(vanishing_activation) = {
    .type = {.name = "vanishing-activation",
             .severity = STABILITY_WARNING,
             .criterion = "the root mean square of a layer's output is below rms, but not 0: that is how "
                          "residual branches start, or has a cause that another rule names",
             .documentation =
                 "Activations that shrink from layer to layer carry no information on the input, and the "
                 "gradients of the weights that they are multiplied with vanish too.",
             .source = "Glorot, Bengio 2010, Understanding the difficulty of training deep feedforward "
                       "neural networks, section 4.2",
             .thresholds = vanishing_thresholds},
    .least = 1u << VANISHING_RMS,
    .check = check_vanishing,
};
