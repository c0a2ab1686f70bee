#include "core/rules/consequence.h"

#include <math.h>

enum { RATIO };
static const struct stability_threshold thresholds[] = {
    [RATIO] = {"ratio", 1,
               "the greatest length of a step over the length of the weight that is not a finding"},
    {0},
};

static double greatest_ratio(const struct stability_layer_report *layer)
{
    double greatest = 0;
    for (size_t k = 0; k < layer->parameter_count; k++)
        if (layer->parameters[k].shape.rank >= 2 && layer->parameters[k].update_ratio > greatest)
            greatest = layer->parameters[k].update_ratio;
    return greatest;
}

static bool check(struct rule_context *context)
{
    size_t count = 0;
    double greatest = 0;
    int worst = -1, *nodes = arena_array(context->arena, context->report->layer_count, sizeof(*nodes));
    if (!nodes)
        return stability_fail(context->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for findings");
    for (size_t i = 0; i < context->report->layer_count; i++) {
        double ratio = greatest_ratio(&context->report->layers[i]);
        if (!(ratio > context->thresholds[RATIO]) || is_poisoned(&context->report->layers[i]))
            continue;
        nodes[count++] = (int)i;
        worst = ratio > greatest ? (int)i : worst;
        greatest = fmax(greatest, ratio);
    }
    if (count == 0)
        return true;
    double rate = context->graph->request->options.learning_rate;
    struct stability_evidence evidence[] = {
        {"update_ratio", greatest}, {"threshold", context->thresholds[RATIO]}, {"learning_rate", rate}};
    struct finding finding = {
        .severity = context->graph->request->options.learning_rate_given ? STABILITY_WARNING : STABILITY_INFO,
        .nodes = nodes,
        .node_count = count,
        .message = rule_text(
            context,
            "a step of gradient descent with learning rate %.3g would move a weight of '%s' by %.3g times "
            "its own length",
            rate, context->report->layers[worst].name, greatest),
        .cause = "its gradient is too large for its values: one step replaces what the weight holds; about a "
                 "thousandth is "
                 "usual",
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
             "above ratio; info where the rate is not given, and 0.01 is taken",
         .documentation =
             "A step as long as the weight itself throws away what the initialisation, or training so "
             "far, has put there.",
         .source = "Karpathy 2017, CS231n notes, Neural networks part 3: ratio of weights to updates",
         .thresholds = thresholds},
    .check = check,
};
