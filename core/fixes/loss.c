/* The loss, and what it reads. */
#include "core/fix_layer.h"

#include <string.h>

static bool is_loss(const struct fix_context *context, const char *type)
{
    return strcmp(context->graph->loss->type.type, type) == 0;
}

/* Activations that a loss applies itself, or that only take away what it needs. */
static bool is_final_activation(const struct graph *graph, int node)
{
    static const char *const types[] = {"Softmax", "Softmin",  "LogSoftmax", "Sigmoid", "Hardsigmoid", "Tanh",
                                        "ReLU",    "Softplus", "Softsign",   "ReLU6",   "LogSigmoid"};
    for (size_t i = 0; node >= 0 && i < sizeof(types) / sizeof(types[0]); i++)
        if (fix_is_type(graph, node, types[i]))
            return true;
    return false;
}

/* The layer that the loss reads, past those that only move elements. */
static int last_layer(const struct graph *graph)
{
    int node = graph->values[graph->loss_inputs[0]].producer;
    while (node >= 0 && graph->nodes[node].ops->moves && graph->nodes[node].input_count == 1)
        node = fix_producer(graph, node, 0);
    return node;
}

static void try_removal(const struct fix_context *context, int node)
{
    if (!is_final_activation(context->graph, node))
        return;
    struct revision revision = fix_begin(context);
    revision_remove_layer(&revision, context->graph->nodes[node].name);
    fix_offer(context, &revision, "remove '%s' (%s): %s reads what comes before it",
              context->graph->nodes[node].name, context->graph->nodes[node].ops->type.type,
              context->graph->loss->type.type);
}

static void try_loss(const struct fix_context *context, const char *type)
{
    struct revision revision = fix_begin(context);
    if (is_loss(context, type))
        return;
    revision_set_loss(&revision, type);
    fix_offer(context, &revision, "use %s in place of %s", type, context->graph->loss->type.type);
}

/* A loss that takes the softmax or sigmoid itself, without the layer that does. */
static void try_fused(const struct fix_context *context, int node, const char *layer, const char *type)
{
    if (!fix_is_type(context->graph, node, layer))
        return;
    struct revision revision = fix_begin(context);
    revision_remove_layer(&revision, context->graph->nodes[node].name);
    revision_set_loss(&revision, type);
    fix_offer(context, &revision, "remove '%s' and use %s, which takes the %s itself",
              context->graph->nodes[node].name, type, strcmp(layer, "Sigmoid") == 0 ? "sigmoid" : "softmax");
}

static void try_type(const struct fix_context *context, int node, const char *from, const char *to)
{
    if (!fix_is_type(context->graph, node, from))
        return;
    struct revision revision = fix_begin(context);
    revision_set_type(&revision, context->graph->nodes[node].name, to, NULL);
    fix_offer(context, &revision, "use %s in place of %s in '%s'", to, from,
              context->graph->nodes[node].name);
}

static void try_insertion(const struct fix_context *context, const char *type)
{
    const struct graph_value *read = &context->graph->values[context->graph->loss_inputs[0]];
    struct revision revision = fix_begin(context);
    int64_t dim = read->shape.rank > 1 ? 1 : 0;
    struct stability_member attribute = {"dim", revision_integer(dim)};
    bool soft = strstr(type, "oftmax") != NULL;
    struct stability_layer layer =
        fix_layer(&revision, read->name, soft ? "log_softmax" : "sigmoid", type, soft, &attribute);
    revision_insert_after(&revision, read->name, NULL, &layer);
    fix_offer(context, &revision, "insert %s before %s", type, context->graph->loss->type.type);
}

/* log(softmax(x)) in one layer, which never takes the logarithm of a rounded 0. */
static void try_log(const struct fix_context *context, const char *activation, const char *together)
{
    const struct graph *graph = context->graph;
    for (int i = 0; i < graph->node_count; i++) {
        int before = fix_producer(graph, i, 0);
        if (!fix_is_type(graph, i, "Log") || !fix_is_type(graph, before, activation))
            continue;
        struct revision revision = fix_begin(context);
        revision_set_type(&revision, graph->nodes[before].name, together, NULL);
        revision_remove_layer(&revision, graph->nodes[i].name);
        fix_offer(context, &revision, "use %s in place of '%s' and '%s'", together, graph->nodes[before].name,
                  graph->nodes[i].name);
    }
}

static void propose(const struct fix_context *context)
{
    int node = last_layer(context->graph);
    bool classes = context->graph->target_is_integer;
    try_log(context, "Softmax", "LogSoftmax");
    try_log(context, "Sigmoid", "LogSigmoid");
    if (is_loss(context, "BCELoss")) {
        try_fused(context, node, "Sigmoid", "BCEWithLogitsLoss");
        try_loss(context, "BCEWithLogitsLoss");
        try_insertion(context, "Sigmoid");
    }
    if (strcmp(context->finding->rule, "loss-mismatch") != 0)
        return;
    try_removal(context, node);
    if (is_loss(context, "NLLLoss") || is_loss(context, "KLDivLoss")) {
        try_type(context, node, "Softmax", "LogSoftmax");
        if (is_loss(context, "NLLLoss")) {
            try_fused(context, node, "Softmax", "CrossEntropyLoss");
            try_loss(context, "CrossEntropyLoss");
        }
        try_insertion(context, "LogSoftmax");
    } else if (!classes && !is_loss(context, "CrossEntropyLoss") &&
               !is_loss(context, "CosineEmbeddingLoss")) {
        try_loss(context, "BCEWithLogitsLoss");
        try_loss(context, "MSELoss");
    }
}

static const char *const rules[] = {"loss-mismatch",   "non-finite",         "exploding-gradient",
                                    "saturated-units", "vanishing-gradient", NULL};

FIX_OPS(loss) = {
    .type =
        {.name = "loss",
         .documentation = "An activation that the loss applies itself is removed, one that it needs is "
                          "inserted; softmax or sigmoid and their logarithm become one layer, or part of the "
                          "loss; a loss whose targets are others becomes one that takes them.",
         .source = "torch.nn documentation of each loss; Goodfellow, Bengio, Courville 2016, Deep Learning, "
                   "section 6.2.2",
         .rules = rules},
    .propose = propose,
};
