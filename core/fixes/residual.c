/* Residual connections: a sum in place of a product. */
#include "core/fix_layer.h"

#include <string.h>

/* The end of the block that starts with a hidden layer: its activation, or itself; attention is a block of
 * its own. -1: the node starts none. */
static int end_of_block(const struct fix_context *context, int node)
{
    const struct graph *graph = context->graph;
    const struct graph_node *layer = &graph->nodes[node];
    if (fix_is_type(graph, node, "MultiheadAttention") && layer->input_count == 1)
        return fix_is_type(graph, fix_only_reader(graph, node), "Add") ? -1 : node;
    if (!context->observations->forecast.layers[node].affine || fix_is_last(graph, node))
        return -1;
    int end = node, reader = fix_only_reader(graph, node);
    while (reader >= 0 &&
           (graph->nodes[reader].ops->activation || strstr(graph->nodes[reader].ops->type.type, "Norm"))) {
        end = reader;
        reader = fix_only_reader(graph, reader);
    }
    return fix_is_type(graph, reader, "Add") ? -1 : end;
}

/* Adds what the block read to what it gives, where their shapes agree. */
static void add_skip(const struct fix_context *context, struct revision *revision, int node, bool normalize)
{
    const struct graph *graph = context->graph;
    int end = end_of_block(context, node);
    const struct graph_value *read = &graph->values[graph->nodes[node].inputs[0]];
    const struct graph_value *given = end < 0 ? NULL : &graph->values[graph->nodes[end].first_output];
    if (!given || read->integer || !stability_shape_equal(&read->shape, &given->shape))
        return;
    const char *skip = revision_input(revision, graph->nodes[node].name, 0);
    struct stability_layer sum = fix_layer(revision, graph->nodes[end].name, "sum", "Add", 0, NULL);
    revision_insert_after(revision, graph->nodes[end].name, skip, &sum);
    if (normalize)
        fix_normalize(revision, sum.name, &given->shape,
                      strncmp(graph->nodes[node].ops->type.type, "Conv", 4) == 0, FIX_LAYER_NORM);
}

static void try_blocks(const struct fix_context *context, bool normalize, const char *summary)
{
    struct revision revision = fix_begin(context);
    for (int i = 0; !revision.failed && i < context->graph->node_count; i++)
        add_skip(context, &revision, i, normalize);
    fix_offer(context, &revision, "%s", summary);
}

static void propose(const struct fix_context *context)
{
    try_blocks(context, false, "add what each block reads to what it puts out (residual connections)");
    try_blocks(
        context, true,
        "add what each block reads to what it puts out (residual connections), and normalise the sums");
}

static const char *const rules[] = {"vanishing-gradient",   "rank-collapse",           "poor-initialization",
                                    "vanishing-activation", "low-precision-underflow", NULL};

FIX_OPS(residual) = {
    .type = {.name = "residual",
             .documentation =
                 "A sum around every block (a Linear or Conv layer with its activation, or "
                 "attention) that keeps the shape of what it reads; with LayerNorm behind the sums "
                 "or without.",
             .source = "He, Zhang, Ren, Sun 2016, Deep residual learning for image recognition; Dong, "
                       "Cordonnier, Loukas 2021, Attention is not all you need",
             .rules = rules},
    .propose = propose,
};
