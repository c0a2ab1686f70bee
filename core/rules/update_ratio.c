#include "core/rate_test.h"
#include "core/rules/consequence.h"

#include <math.h>

enum { RATIO };
static const struct stability_threshold thresholds[] = {
    [RATIO] = {"ratio", 1,
               "the greatest length of a step over the length of the weight that is not a finding"},
    {0},
};

/* Of the step that the analysis learning_rate took. */
static double greatest_measured(const struct rule_context *context, int node)
{
    const struct rate_result *rates = context->observations->rates;
    double greatest = 0;
    for (int i = 0; i < rates->ratio_count; i++) {
        const struct rate_ratio *ratio = &rates->ratios[i];
        if (ratio->node == node && ratio->ratio > greatest &&
            context->graph->nodes[node].parameters[ratio->parameter].shape.rank >= 2)
            greatest = ratio->ratio;
    }
    return greatest;
}

/* Of a plain step of gradient descent. */
static double greatest_expected(const struct stability_layer_report *layer)
{
    double greatest = 0;
    for (size_t k = 0; k < layer->parameter_count; k++)
        if (layer->parameters[k].shape.rank >= 2 && layer->parameters[k].update_ratio > greatest)
            greatest = layer->parameters[k].update_ratio;
    return greatest;
}

static bool check(struct rule_context *context)
{
    const struct rate_result *rates = context->observations->rates;
    size_t count = 0;
    double greatest = 0;
    int worst = -1, *nodes = arena_array(context->arena, context->report->layer_count, sizeof(*nodes));
    if (!nodes)
        return stability_fail(context->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for findings");
    for (size_t i = 0; i < context->report->layer_count; i++) {
        double ratio =
            rates ? greatest_measured(context, (int)i) : greatest_expected(&context->report->layers[i]);
        if (!(ratio > context->thresholds[RATIO]) || is_poisoned(&context->report->layers[i]))
            continue;
        nodes[count++] = (int)i;
        worst = ratio > greatest ? (int)i : worst;
        greatest = fmax(greatest, ratio);
    }
    if (count == 0)
        return true;
    const struct stability_options *options = &context->graph->request->options;
    double rate = rates ? rates->given : options->learning_rate;
    bool given = rates ? rates->is_given : options->learning_rate_given;
    struct stability_evidence evidence[] = {
        {"update_ratio", greatest}, {"threshold", context->thresholds[RATIO]}, {"learning_rate", rate}};
    struct finding finding = {
        .severity = given ? STABILITY_WARNING : STABILITY_INFO,
        .nodes = nodes,
        .node_count = count,
        .message = rule_text(
            context,
            "a step of %s with learning rate %.3g would move a weight of '%s' by %.3g times its own length",
            rates ? rates->optimizer : "gradient descent", rate, context->report->layers[worst].name,
            greatest),
        .cause = "its gradient is too large for its values: one step replaces what the weight holds; about a "
                 "thousandth is usual",
        .evidence = evidence,
        .evidence_count = 3,
    };
    return rule_add(context, &finding);
}

RULE_OPS(update_ratio) = {
    .type =
        {.name = "update-ratio",
         .severity = STABILITY_WARNING,
         .criterion =
             "learning_rate * |gradient| / |weight|, L2 norms, of a weight with two or more dimensions is "
             "above ratio; where the analysis learning_rate runs, of the step that it took with its "
             "optimizer; info where no rate is given",
         .documentation =
             "A step as long as the weight itself throws away what the initialisation, or training so "
             "far, has put there.",
         .source = "Karpathy 2017, CS231n notes, Neural networks part 3: ratio of weights to updates",
         .thresholds = thresholds},
    .check = check,
};
