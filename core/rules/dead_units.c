#include "core/rules/consequence.h"
#include "core/rules/units.h"

#include <math.h>

static const struct stability_threshold thresholds[] = {
    [FRACTION] = {"fraction", 0.5, "the greatest fraction of dead units in a layer that is not a finding"},
    [FRACTION_ERROR] = {"fraction_error", 0.9, "the same, from which on it is an error"},
    {0},
};

/* Over few samples, and in a layer of few units, healthy ones are often silent by chance. */
static bool is_no_chance(const struct rule_context *context, size_t index, double fraction)
{
    const struct graph_value *value = &context->graph->values[context->graph->nodes[index].first_output];
    int64_t units = value->shape.rank > 0 ? value->shape.sizes[value->feature_dim] : 1;
    int64_t samples = units > 0 ? value->count / units : 0;
    bool enough_samples = samples >= 8 || (fraction >= 1 && value->count >= 16);
    return enough_samples &&
           (fraction * (double)units >= 8 || fraction > context->thresholds[FRACTION_ERROR]);
}

/* Zeros that a batch of one made: vanishing-gradient has told of it. */
static bool reads_single_element_norm(const struct rule_context *context, size_t node)
{
    int producer = context->graph->values[context->graph->nodes[node].inputs[0]].producer;
    return producer >= 0 && is_single_element_norm(context, producer);
}

static bool check(struct rule_context *context)
{
    bool complete = true;
    for (size_t i = 0; complete && i < context->report->layer_count; i++) {
        const struct stability_layer_report *layer = &context->report->layers[i];
        const struct layer_activation *activation = context->graph->nodes[i].ops->activation;
        if (!activation || !activation->dies || is_poisoned(layer) ||
            !(layer->dead_fraction > context->thresholds[FRACTION]) ||
            !is_no_chance(context, i, layer->dead_fraction) || reads_single_element_norm(context, i))
            continue;
        complete = add_units(
            context, i, "dead_fraction", layer->dead_fraction,
            rule_text(context,
                      "%.3g %% of the units of '%s' (%s) are dead: their derivative is 0 for every "
                      "sample of the batch",
                      100 * layer->dead_fraction, layer->name, layer->type),
            rule_text(context,
                      "what '%s' reads lies on its flat side for the whole batch: a bias or a mean that "
                      "is too low, or a step that was too large; such units get no gradient and stay "
                      "dead",
                      layer->name));
    }
    return complete;
}

RULE_OPS(dead_units) = {
    .type =
        {.name = "dead-units",
         .severity = STABILITY_ERROR_SEVERITY,
         .criterion =
             "the fraction of units whose derivative is exactly 0 for the whole batch is above fraction "
             "(warning, of at least 8 such units) or fraction_error (error), for activations with a flat "
             "side; at least 8 samples a unit, or all units dead over at least 16 elements",
         .documentation = "A unit that is silent for every sample passes no gradient: it cannot recover.",
         .source =
             "Lu, Shin, Su, Karniadakis 2020, Dying ReLU and initialization: theory and numerical examples",
         .thresholds = thresholds},
    .check = check,
};
