#include "core/rules/consequence.h"

enum { FRACTION, FRACTION_ERROR };
static const struct stability_threshold thresholds[] = {
    [FRACTION] = {"fraction", 0.5,
                  "the greatest fraction of saturated elements in a layer that is not a finding"},
    [FRACTION_ERROR] = {"fraction_error", 0.9, "the same, from which on it is an error"},
    {0},
};

static bool check(struct rule_context *context)
{
    bool complete = true;
    for (size_t i = 0; complete && i < context->report->layer_count; i++) {
        const struct stability_layer_report *layer = &context->report->layers[i];
        const struct layer_activation *activation = context->graph->nodes[i].ops->activation;
        if (!activation || !activation->saturates || is_poisoned(layer) ||
            !(layer->saturated_fraction > context->thresholds[FRACTION]))
            continue;
        bool error = layer->saturated_fraction > context->thresholds[FRACTION_ERROR];
        struct stability_evidence evidence[] = {
            {"saturated_fraction", layer->saturated_fraction},
            {"threshold", context->thresholds[error ? FRACTION_ERROR : FRACTION]},
        };
        int node = (int)i;
        struct finding finding = {
            .severity = error ? STABILITY_ERROR_SEVERITY : STABILITY_WARNING,
            .nodes = &node,
            .node_count = 1,
            .message = rule_text(
                context,
                "%.3g %% of the elements of '%s' (%s) are saturated: their derivative is below a "
                "twentieth of its greatest value, %.3g",
                100 * layer->saturated_fraction, layer->name, layer->type, activation->greatest_derivative),
            .cause =
                rule_text(context,
                          "what '%s' reads is too large for it: weights or inputs of too great a scale push "
                          "it onto its flat ends, where almost no gradient passes",
                          layer->name),
            .evidence = evidence,
            .evidence_count = 2,
        };
        complete = rule_add(context, &finding);
    }
    return complete;
}

RULE_OPS(saturated_units) = {
    .type = {.name = "saturated-units",
             .severity = STABILITY_ERROR_SEVERITY,
             .criterion =
                 "the fraction of elements whose derivative is below a twentieth of the activation's "
                 "greatest one "
                 "is above fraction (warning) or fraction_error (error), for activations with two flat ends",
             .documentation =
                 "On its flat ends a sigmoid or tanh passes almost no gradient, and what lies before it "
                 "stops learning.",
             .source = "Glorot, Bengio 2010, Understanding the difficulty of training deep feedforward "
                       "neural networks, "
                       "section 3.1",
             .thresholds = thresholds},
    .check = check,
};
