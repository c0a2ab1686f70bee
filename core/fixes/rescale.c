/* Weights that the request gives, rescaled without being sent again by a Scale layer before each; and such
 * layers that are too strong. */
#include "core/fix.h"

#include "core/scheme.h"

#include <math.h>
#include <string.h>

/* By how much the weights of a layer are to be multiplied; 1: they are near what is asked for. */
static double factor_of(const struct fix_context *context, int node)
{
    const struct graph_node *layer = &context->graph->nodes[node];
    const struct stability_layer_report *report = &context->report->layers[node];
    if (!context->observations->forecast.layers[node].affine || !layer->parameters[0].given ||
        !report->parameters[0].value)
        return 1;
    int activation = context->observations->forecast.layers[node].activation;
    struct fans fans = fans_of(&layer->parameters[0].shape);
    double asked = scheme_wanted(activation < 0 ? NULL : &context->graph->nodes[activation], &fans).variance;
    double scale = context->observations->forecast.layers[node].scale;
    double factor = fix_rounded(sqrt(asked / report->parameters[0].value->all.variance) / fabs(scale), 3);
    return isfinite(factor) && factor > 0 && (factor > 1.2 || factor < 0.8) ? factor : 1;
}

/* Scale layers whose factor is far from 1. */
static void try_factors(const struct fix_context *context)
{
    struct revision revision = fix_begin(context);
    const struct stability_value one = revision_real(1);
    for (int i = 0; i < context->graph->node_count; i++) {
        const struct stability_members *attributes = &context->graph->nodes[i].source->attributes;
        for (size_t k = 0; fix_is_type(context->graph, i, "Scale") && k < attributes->count; k++) {
            const struct stability_value *value = &attributes->items[k].value;
            double factor = value->kind == STABILITY_REAL      ? value->real
                            : value->kind == STABILITY_INTEGER ? (double)value->integer
                                                               : 1;
            if (strcmp(attributes->items[k].name, "factor") == 0 && fabs(log10(fabs(factor))) >= 1)
                revision_set_attribute(&revision, context->graph->nodes[i].name, "factor", &one);
        }
    }
    fix_offer(context, &revision, "leave the scale of signals to the weights: Scale by 1");
}

static void propose(const struct fix_context *context)
{
    try_factors(context);
    struct revision revision = fix_begin(context);
    for (int i = 0; i < context->graph->node_count; i++) {
        double factor = factor_of(context, i);
        const char *name = context->graph->nodes[i].name;
        struct stability_member *attribute = arena_array(context->arena, 1, sizeof(*attribute));
        if (factor == 1 || !attribute)
            continue;
        *attribute = (struct stability_member){"factor", revision_real(factor)};
        struct stability_layer scale = {
            .name = revision_name(&revision, name, "scale"), .type = "Scale", .attributes = {1, attribute}};
        revision_insert_before(&revision, name, 0, &scale);
    }
    fix_offer(context, &revision,
              "multiply what each layer reads by the factor that brings the variance of its weights to what "
              "its activation asks for");
}

static const char *const rules[] = {"poor-initialization",
                                    "vanishing-gradient",
                                    "exploding-gradient",
                                    "vanishing-activation",
                                    "exploding-activation",
                                    "saturated-units",
                                    "low-precision-overflow",
                                    "low-precision-underflow",
                                    "non-finite",
                                    "rank-collapse",
                                    NULL};

FIX_OPS(rescale) = {
    .type = {.name = "rescale",
             .documentation =
                 "What layers read whose weights the request gives goes through a Scale: their directions "
                 "stay, their scale becomes the one that is asked for. A Scale that multiplies by "
                 "10 or more, or by 0.1 or less, multiplies by 1.",
             .source = "Schoenholz et al. 2017, Deep information propagation",
             .rules = rules},
    .propose = propose,
};
