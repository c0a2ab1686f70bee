/* Data brought to mean 0 and variance 1 before the first layer with weights reads it. */
#include "core/fix_layer.h"

#include <math.h>
#include <string.h>

static int find_node(const struct graph *graph, const char *name)
{
    for (int i = 0; i < graph->node_count; i++)
        if (strcmp(graph->nodes[i].name, name) == 0)
            return i;
    return -1;
}

static void try_scale(const struct fix_context *context, int node, double rms)
{
    if (!(rms > 0) || !isfinite(rms))
        return;
    struct revision revision = fix_begin(context);
    double factor = fix_rounded(1 / rms, 4);
    struct stability_member attribute = {"factor", revision_real(factor)};
    struct stability_layer scale = fix_layer(&revision, "input", "scaled", "Scale", 1, &attribute);
    revision_insert_before(&revision, context->graph->nodes[node].name, 0, &scale);
    fix_offer(context, &revision, "multiply the data by %.4g", factor);
}

static void try_norm(const struct fix_context *context, int value, enum fix_norm norm, const char *what)
{
    const struct graph_value *data = &context->graph->values[value];
    struct revision revision = fix_begin(context);
    if (fix_normalize(&revision, data->name, &data->shape, data->shape.rank > 3, norm))
        fix_offer(context, &revision, "%s", what);
}

static void propose(const struct fix_context *context)
{
    const struct graph *graph = context->graph;
    int node = context->finding->layer_count > 0 ? find_node(graph, context->finding->layers[0]) : -1;
    if (node < 0 || graph->nodes[node].input_count == 0)
        return;
    int value = graph->nodes[node].inputs[0];
    try_scale(context, node, context->observations->probes.values[value].rms);
    if (!graph->request->options.evaluate && graph->batch_size >= 4)
        try_norm(context, value, FIX_BATCH_NORM,
                 "bring every feature of the data to mean 0 and variance 1 over the batch (BatchNorm)");
    try_norm(context, value, FIX_LAYER_NORM,
             "bring every sample of the data to mean 0 and variance 1 (LayerNorm)");
}

static const char *const rules[] = {"input-scale", NULL};

FIX_OPS(input) = {
    .type = {.name = "input",
             .documentation =
                 "The data is scaled by a factor, or normalised by feature or by sample, before it "
                 "is read: a layer is inserted, the data itself is not sent again.",
             .source = "LeCun, Bottou, Orr, Muller 1998, Efficient BackProp, section 4.3",
             .rules = rules},
    .propose = propose,
};
