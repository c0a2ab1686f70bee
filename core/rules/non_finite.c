#include "core/rule.h"

#include <math.h>

static bool holds_non_finite(const struct stability_statistics *statistics)
{
    return statistics && (statistics->nan_count > 0 || statistics->inf_count > 0);
}

static bool is_affected(const struct stability_layer_report *layer)
{
    bool affected = false;
    for (int k = 0; k < layer->output_count; k++)
        affected |= holds_non_finite(layer->outputs[k].value) || holds_non_finite(layer->outputs[k].gradient);
    for (size_t k = 0; k < layer->parameter_count; k++)
        affected |=
            holds_non_finite(layer->parameters[k].value) || holds_non_finite(layer->parameters[k].gradient);
    return affected;
}

static const char *name_of(double value)
{
    return isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

static bool check(struct rule_context *context)
{
    const struct non_finite_origin *origin = &context->observations->non_finite;
    if (!origin->found)
        return true;
    int *nodes = arena_array(context->arena, context->report->layer_count, sizeof(*nodes));
    size_t count = 0;
    if (!nodes)
        return stability_fail(context->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for findings");
    if (origin->node >= 0)
        nodes[count++] = origin->node;
    for (size_t i = 0; i < context->report->layer_count; i++)
        if ((int)i != origin->node && is_affected(&context->report->layers[i]))
            nodes[count++] = (int)i;
    const char *layer = origin->node < 0 ? "" : context->report->layers[origin->node].name;
    const char *pass = origin->backward ? "backward" : "forward";
    const char *of = origin->node < 0 ? ""
                                      : rule_text(context, " of layer '%s' (%s)", layer,
                                                  context->report->layers[origin->node].type);
    struct stability_evidence evidence[] = {{"element", (double)origin->element}, {"value", origin->value}};
    struct finding finding = {
        .severity = STABILITY_ERROR_SEVERITY,
        .nodes = nodes,
        .node_count = count,
        .message =
            of ? rule_text(context,
                           "the first %s of the run is element %lld of %s%s, in the %s pass; %zu of %zu "
                           "layers have non-finite numbers",
                           name_of(origin->value), (long long)origin->element, origin->where, of, pass, count,
                           context->report->layer_count)
               : NULL,
        .cause = origin->how,
        .evidence = evidence,
        .evidence_count = 2,
    };
    return rule_add(context, &finding);
}

RULE_OPS(non_finite) = {
    .type =
        {.name = "non-finite",
         .severity = STABILITY_ERROR_SEVERITY,
         .criterion =
             "an output, a gradient, a parameter, the data or the loss holds NaN or an infinity; named "
             "is the first element in the order of the run whose operands were finite; its layer comes first",
         .documentation =
             "A NaN spreads to everything that depends on it; only where it first arises can it be "
             "mended.",
         .source = "IEEE 754-2019, sections 6 and 7"},
    .check = check,
};
