#include "core/rules/consequence.h"
#include "core/rules/units.h"

#include <math.h>
#include <string.h>

enum { CONCENTRATION = FRACTION_ERROR + 1 };
static const struct stability_threshold thresholds[] = {
    [FRACTION] = {"fraction", 0.5,
                  "the greatest fraction of saturated elements in a layer that is not a finding"},
    [FRACTION_ERROR] = {"fraction_error", 0.9, "the same, from which on it is an error"},
    [CONCENTRATION] =
        {"concentration", 0.95,
         "the greatest mean of the sum of squares of a Softmax's rows, 1 for all on one element, "
         "that is not a finding"},
    {0},
};

/* Mean over its rows of the sum of squares of a Softmax, NaN for other layers. Its elements
 * sum to 1 in each row, so their mean is 1 over the row's length. */
static double concentration_of(const struct stability_layer_report *layer)
{
    const struct stability_statistics *value = layer->outputs[0].value;
    bool softmax = strcmp(layer->type, "Softmax") == 0 || strcmp(layer->type, "Softmin") == 0;
    if (!softmax || !value || is_poisoned(layer) || !(value->all.mean > 0 && value->all.mean < 0.75))
        return NAN;
    return value->all.rms * value->all.rms / value->all.mean;
}

static bool check_softmax(struct rule_context *context)
{
    const bool *inside = read_by_weights(context);
    bool complete = inside != NULL;
    for (size_t i = 0; complete && i < context->report->layer_count; i++) {
        const struct stability_layer_report *layer = &context->report->layers[i];
        double concentration = concentration_of(layer);
        if (!(concentration > context->thresholds[CONCENTRATION]) ||
            !inside[context->graph->nodes[i].first_output])
            continue;
        struct measured measured = {"concentration", concentration, context->thresholds[CONCENTRATION]};
        complete = rule_add_measured(
            context, (int)i, STABILITY_WARNING, &measured,
            rule_text(context,
                      "'%s' (%s) puts nearly all of each row on one element: the sum of squares is %.3g on "
                      "average, where 1 is all",
                      layer->name, layer->type, concentration),
            rule_text(context,
                      "the scores that '%s' reads differ too much, so that almost no gradient passes: "
                      "divide the scores of an attention by the square root of the size of its heads, or "
                      "make the weights before them smaller",
                      layer->name));
    }
    return complete;
}

static bool check_activations(struct rule_context *context)
{
    bool complete = true;
    for (size_t i = 0; complete && i < context->report->layer_count; i++) {
        const struct stability_layer_report *layer = &context->report->layers[i];
        const struct layer_activation *activation = context->graph->nodes[i].ops->activation;
        if (!activation || !activation->saturates || is_poisoned(layer) ||
            !(layer->saturated_fraction > context->thresholds[FRACTION]))
            continue;
        complete = add_units(
            context, i, "saturated_fraction", layer->saturated_fraction,
            rule_text(context,
                      "%.3g %% of the elements of '%s' (%s) are saturated: their derivative is below a "
                      "twentieth of its greatest value, %.3g",
                      100 * layer->saturated_fraction, layer->name, layer->type,
                      activation->greatest_derivative),
            rule_text(context,
                      "what '%s' reads is too large for it: weights or inputs of too great a scale push "
                      "it onto its flat ends, where almost no gradient passes",
                      layer->name));
    }
    return complete;
}

static bool check(struct rule_context *context)
{
    return check_activations(context) && check_softmax(context);
}

RULE_OPS(saturated_units) = {
    .type =
        {.name = "saturated-units",
         .severity = STABILITY_ERROR_SEVERITY,
         .criterion =
             "the fraction of elements whose derivative is below a twentieth of the activation's greatest "
             "one is above fraction (warning) or fraction_error (error), for activations with two flat "
             "ends; or the mean over its rows of the sum of squares of a Softmax that layers with weights "
             "come behind is above concentration (warning)",
         .documentation =
             "On its flat ends a sigmoid or tanh passes almost no gradient, and what lies before it "
             "stops learning.",
         .source = "Glorot, Bengio 2010, Understanding the difficulty of training deep feedforward "
                   "neural networks, section 3.1",
         .thresholds = thresholds},
    .check = check,
};
