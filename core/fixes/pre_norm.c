/* Transformer layers that normalise before, not after, their sums. */
#include "core/fix.h"

static void propose(const struct fix_context *context)
{
    struct revision revision = fix_begin(context);
    struct stability_value first = revision_boolean(true);
    for (int i = 0; i < context->graph->node_count; i++)
        if (fix_is_type(context->graph, i, "TransformerEncoderLayer"))
            revision_set_attribute(&revision, context->graph->nodes[i].name, "norm_first", &first);
    fix_offer(context, &revision, "normalise before attention and feed-forward (norm_first), not after them");
}

static const char *const rules[] = {"vanishing-gradient", "exploding-gradient",      "rank-collapse",
                                    "update-ratio",       "low-precision-underflow", NULL};

FIX_OPS(pre_norm) = {
    .type = {.name = "pre-norm",
             .documentation =
                 "TransformerEncoderLayer with norm_first: the sums are an unbroken path for the "
                 "gradient.",
             .source = "Xiong et al. 2020, On layer normalization in the transformer architecture",
             .rules = rules},
    .propose = propose,
};
