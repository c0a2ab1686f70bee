/* Recurrent layers with gates. */
#include "core/fix.h"

#include <string.h>

static void change(struct revision *revision, const struct graph_node *node, const char *type)
{
    static const char *const lost[] = {"nonlinearity", NULL};
    for (int k = 0; k < node->parameter_count; k++)
        if (node->parameters[k].present)
            revision_draw(revision, node->name, node->parameters[k].name, NULL);
    revision_set_type(revision, node->name, type, lost);
}

static void try_type(const struct fix_context *context, const char *type)
{
    struct revision revision = fix_begin(context);
    for (int i = 0; i < context->graph->node_count; i++)
        if (fix_is_type(context->graph, i, "RNN") && fix_owns_parameters(context->graph, i))
            change(&revision, &context->graph->nodes[i], type);
    fix_offer(context, &revision, "use %s in place of RNN: its gates let the gradient through time", type);
}

/* An LSTM or a GRU whose gates are closed by their biases. */
static void try_biases(const struct fix_context *context)
{
    struct revision revision = fix_begin(context);
    for (int i = 0; i < context->graph->node_count; i++) {
        const struct graph_node *node = &context->graph->nodes[i];
        bool gated = node->ops->time_dim && !fix_is_type(context->graph, i, "RNN") &&
                     fix_owns_parameters(context->graph, i);
        for (int k = 0; gated && k < node->parameter_count; k++)
            if (node->parameters[k].present && !node->parameters[k].drawn_by_default &&
                strncmp(node->parameters[k].name, "bias_", 5) == 0)
                revision_draw(&revision, node->name, node->parameters[k].name, NULL);
    }
    fix_offer(context, &revision, "draw the biases of the gates as PyTorch does: they start half open");
}

static void propose(const struct fix_context *context)
{
    try_type(context, "GRU");
    try_type(context, "LSTM");
    try_biases(context);
}

static const char *const rules[] = {"vanishing-gradient",
                                    "exploding-gradient",
                                    "exploding-activation",
                                    "vanishing-activation",
                                    "saturated-units",
                                    "low-precision-overflow",
                                    "non-finite",
                                    "rank-collapse",
                                    "low-precision-underflow",
                                    NULL};

FIX_OPS(gates) = {
    .type =
        {.name = "gates",
         .documentation = "RNN becomes GRU or LSTM, drawn as PyTorch draws them; the biases of a GRU or an "
                          "LSTM drawn so.",
         .source = "Hochreiter, Schmidhuber 1997, Long short-term memory; Cho et al. 2014, Learning phrase "
                   "representations using RNN encoder-decoder",
         .rules = rules},
    .propose = propose,
};
