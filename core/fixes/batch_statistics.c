/* Normalisations that need no batch. */
#include "core/fix_layer.h"

#include <string.h>

static void drop_all_parameters(struct revision *revision, const struct graph_node *node)
{
    for (int k = 0; k < node->parameter_count; k++)
        if (node->parameters[k].present)
            revision_draw(revision, node->name, node->parameters[k].name, NULL);
}

/* BatchNorm of (N, C) becomes LayerNorm, of images and sequences GroupNorm. */
static void change(struct revision *revision, const struct graph *graph, int index)
{
    static const char *const lost[] = {"eps", "affine", NULL};
    const struct graph_node *node = &graph->nodes[index];
    const struct stability_shape *shape = &graph->values[node->first_output].shape;
    if (shape->rank < 2)
        return;
    int64_t channels = shape->sizes[1];
    drop_all_parameters(revision, node);
    if (shape->rank == 2) {
        struct stability_value normalized = fix_list(revision, channels);
        revision_set_type(revision, node->name, "LayerNorm", lost);
        revision_set_attribute(revision, node->name, "normalized_shape", &normalized);
        return;
    }
    struct stability_value groups = revision_integer(fix_groups(channels));
    struct stability_value count = revision_integer(channels);
    revision_set_type(revision, node->name, "GroupNorm", lost);
    revision_set_attribute(revision, node->name, "num_groups", &groups);
    revision_set_attribute(revision, node->name, "num_channels", &count);
}

static void propose(const struct fix_context *context)
{
    const struct graph *graph = context->graph;
    struct revision revision = fix_begin(context);
    for (int i = 0; i < graph->node_count; i++)
        if (strncmp(graph->nodes[i].ops->type.type, "BatchNorm", 9) == 0 && fix_owns_parameters(graph, i))
            change(&revision, graph, i);
    fix_offer(context, &revision,
              "use GroupNorm or LayerNorm in place of BatchNorm: they need no statistics of the batch");
}

static const char *const rules[] = {"vanishing-gradient",
                                    "exploding-gradient",
                                    "dead-units",
                                    "rank-collapse",
                                    "non-finite",
                                    "vanishing-activation",
                                    "low-precision-underflow",
                                    "saturated-units",
                                    "exploding-activation",
                                    NULL};

FIX_OPS(batch_statistics) = {
    .type = {.name = "batch-statistics",
             .documentation = "BatchNorm becomes GroupNorm (images, sequences) or LayerNorm.",
             .source = "Wu, He 2018, Group normalization",
             .rules = rules},
    .propose = propose,
};
