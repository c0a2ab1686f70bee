/* Another activation in the hidden layers. */
#include "core/fix.h"
#include "core/fix_init.h"

#include <string.h>

/* An activation whose output another layer with weights reads in the end, and that is no gate. */
static bool is_hidden_activation(const struct graph *graph, int node)
{
    const struct layer_activation *activation = graph->nodes[node].ops->activation;
    if (!activation || !(activation->dies || activation->saturates) || fix_is_last(graph, node))
        return false;
    for (int i = node + 1; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].input_count; k++)
            if (graph->nodes[i].inputs[k] == graph->nodes[node].first_output &&
                (fix_is_type(graph, i, "Mul") || fix_is_type(graph, i, "Div")))
                return false;
    return graph->values[graph->nodes[node].first_output].reaches_loss;
}

static void change(const struct fix_context *context, struct revision *revision, const char *type)
{
    const struct graph *graph = context->graph;
    for (int i = 0; i < graph->node_count; i++)
        if (is_hidden_activation(graph, i) && !fix_is_type(graph, i, type))
            revision_set_type(revision, graph->nodes[i].name, type, NULL);
}

/* With the weights as they are, and with weights for it. */
static void try_type(const struct fix_context *context, const char *type, const struct fix_scheme *scheme)
{
    struct revision revision = fix_begin(context);
    change(context, &revision, type);
    if (revision.operation_count == context->revision->operation_count)
        return;
    fix_offer(context, &revision, "use %s in the hidden layers", type);
    fix_init_hidden(context, &revision, scheme);
    fix_offer(context, &revision, "use %s in the hidden layers, and draw their weights by %s", type,
              scheme->name);
}

static void propose(const struct fix_context *context)
{
    bool dies = false;
    for (int i = 0; i < context->graph->node_count; i++)
        dies |= is_hidden_activation(context->graph, i) && context->graph->nodes[i].ops->activation->dies;
    if (dies) {
        try_type(context, "LeakyReLU", &fix_scheme_kaiming);
        try_type(context, "GELU", &fix_scheme_kaiming);
        return;
    }
    try_type(context, "ReLU", &fix_scheme_kaiming);
    try_type(context, "Tanh", &fix_scheme_xavier);
}

static const char *const rules[] = {
    "vanishing-gradient",  "dead-units",           "saturated-units",         "rank-collapse",
    "poor-initialization", "vanishing-activation", "low-precision-underflow", NULL};

FIX_OPS(activation) = {
    .type = {.name = "activation",
             .documentation =
                 "Activations that saturate become ReLU or Tanh, those that die LeakyReLU or GELU; "
                 "with the weights as they are, and drawn anew for it.",
             .source = "Glorot, Bordes, Bengio 2011, Deep sparse rectifier neural networks; Maas, Hannun, Ng "
                       "2013, Rectifier nonlinearities improve neural network acoustic models",
             .rules = rules},
    .propose = propose,
};
