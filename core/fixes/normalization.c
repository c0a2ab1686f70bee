/* Normalisations behind the layers with weights. */
#include "core/fix_layer.h"

#include <string.h>

static bool is_convolution(const struct graph_node *node)
{
    return strncmp(node->ops->type.type, "Conv", 4) == 0;
}

static void try_norm(const struct fix_context *context, enum fix_norm norm, const char *name)
{
    const struct graph *graph = context->graph;
    struct revision revision = fix_begin(context);
    for (int i = 0; i < graph->node_count; i++)
        if (fix_is_hidden(context, i))
            fix_normalize(&revision, graph->nodes[i].name, &graph->values[graph->nodes[i].first_output].shape,
                          is_convolution(&graph->nodes[i]), norm);
    fix_offer(context, &revision, "insert %s behind the hidden layers, before their activation", name);
}

static void propose(const struct fix_context *context)
{
    const struct graph *graph = context->graph;
    if (!graph->request->options.evaluate && graph->batch_size >= 4)
        try_norm(context, FIX_BATCH_NORM, "BatchNorm");
    try_norm(context, FIX_LAYER_NORM, "LayerNorm");
    try_norm(context, FIX_RMS_NORM, "RMSNorm");
}

static const char *const rules[] = {"vanishing-gradient",
                                    "exploding-gradient",
                                    "vanishing-activation",
                                    "exploding-activation",
                                    "poor-initialization",
                                    "dead-units",
                                    "saturated-units",
                                    "rank-collapse",
                                    "non-finite",
                                    "input-scale",
                                    "low-precision-overflow",
                                    "low-precision-underflow",
                                    NULL};

FIX_OPS(normalization) = {
    .type =
        {.name = "normalization",
         .documentation = "BatchNorm, LayerNorm or RMSNorm behind every hidden Linear and Conv layer that "
                          "none follows; behind convolutions GroupNorm stands for the latter two.",
         .source = "Ioffe, Szegedy 2015, Batch normalization; Ba, Kiros, Hinton 2016, Layer normalization; "
                   "Zhang, Sennrich 2019, Root mean square layer normalization; Wu, He 2018, Group "
                   "normalization",
         .rules = rules},
    .propose = propose,
};
