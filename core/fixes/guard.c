/* What keeps an operation away from where it is not defined, or overflows. */
#include "core/fix_layer.h"

#include <string.h>

static int find_node(const struct graph *graph, const char *name)
{
    for (int i = 0; i < graph->node_count; i++)
        if (strcmp(graph->nodes[i].name, name) == 0)
            return i;
    return -1;
}

/* An operation, the input that is guarded, and how. */
static const struct guard {
    const char *type;
    int input;
    const char *layer;
    const char *attribute;
    double value;
    const char *verb; /* "<verb> what '<layer>' <rest>" */
    const char *rest;
} guards[] = {
    {"Log", 0, "Clamp", "min", 1e-6, "keep", "takes the logarithm of at 1e-6 or more"},
    {"Sqrt", 0, "Scale", "shift", 1e-6, "add 1e-6 to", "takes the root of"},
    {"Sqrt", 0, "Clamp", "min", 1e-6, "keep", "takes the root of at 1e-6 or more"},
    {"Rsqrt", 0, "Scale", "shift", 1e-6, "add 1e-6 to", "takes the root of"},
    {"Rsqrt", 0, "Clamp", "min", 1e-6, "keep", "takes the root of at 1e-6 or more"},
    {"Reciprocal", 0, "Scale", "shift", 1e-6, "add 1e-6 to", "divides by"},
    {"Reciprocal", 0, "Clamp", "min", 1e-6, "keep", "divides by at 1e-6 or more"},
    {"Div", 1, "Scale", "shift", 1e-6, "add 1e-6 to", "divides by"},
    {"Div", 1, "Clamp", "min", 1e-6, "keep", "divides by at 1e-6 or more"},
    {"Pow", 0, "Clamp", "min", 1e-6, "keep", "raises to a power at 1e-6 or more"},
    {"Exp", 0, "Clamp", "max", 4, "keep", "takes the exponential of at 4 or less"},
    {"Exp", 0, "Clamp", "max", 20, "keep", "takes the exponential of at 20 or less"},
    {"Square", 0, "Clamp", "max", 1e4, "keep", "squares at 1e4 or less"},
};

static void put(const struct fix_context *context, struct revision *revision, int node,
                const struct guard *guard)
{
    const char *name = context->graph->nodes[node].name;
    struct stability_member attribute = {guard->attribute, revision_real(guard->value)};
    struct stability_layer layer =
        fix_layer(revision, name, strcmp(guard->layer, "Clamp") == 0 ? "clamp" : "epsilon", guard->layer, 1,
                  &attribute);
    revision_insert_before(revision, name, (size_t)guard->input, &layer);
}

static void try_guards(const struct fix_context *context, int node)
{
    for (size_t i = 0; node >= 0 && i < sizeof(guards) / sizeof(guards[0]); i++) {
        if (!fix_is_type(context->graph, node, guards[i].type))
            continue;
        struct revision revision = fix_begin(context);
        put(context, &revision, node, &guards[i]);
        fix_offer(context, &revision, "%s what '%s' %s", guards[i].verb, context->graph->nodes[node].name,
                  guards[i].rest);
    }
}

/* An operation that gives what `node` divides by, or reads: x / sqrt(var) is guarded under its root. */
static void try_before(const struct fix_context *context, int node)
{
    for (int k = 0; k < context->graph->nodes[node].input_count; k++)
        try_guards(context, fix_producer(context->graph, node, k));
}

/* A normalisation that divides by what may be 0. */
static void try_eps(const struct fix_context *context, int node)
{
    const struct stability_attribute *row = context->graph->nodes[node].ops->type.attributes;
    while (row && row->name && strcmp(row->name, "eps") != 0)
        row++;
    if (!row || !row->name)
        return;
    struct revision revision = fix_begin(context);
    struct stability_value value = revision_real(1e-5);
    revision_set_attribute(&revision, context->graph->nodes[node].name, "eps", &value);
    fix_offer(context, &revision, "give '%s' an eps of 1e-5", context->graph->nodes[node].name);
}

/* How many inputs of the model's layers, and of the loss, are this layer's first output. */
static int count_readers(const struct graph *graph, int node)
{
    int count = fix_is_last(graph, node);
    for (int i = node + 1; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].input_count; k++)
            count += graph->nodes[i].inputs[k] == graph->nodes[node].first_output;
    return count;
}

/* The division of exp(x) by its sum; -1: none. */
static int softmax_formula(const struct graph *graph, int exponential)
{
    for (int i = exponential + 1; i < graph->node_count; i++) {
        int total = fix_producer(graph, i, 1);
        if (fix_is_type(graph, i, "Div") && fix_producer(graph, i, 0) == exponential &&
            fix_is_type(graph, total, "Sum") && fix_producer(graph, total, 0) == exponential &&
            count_readers(graph, total) == 1 && count_readers(graph, exponential) == 2)
            return i;
    }
    return -1;
}

/* exp(x) / sum exp(x) is a Softmax, which subtracts the greatest first. */
static void try_softmax(const struct fix_context *context, int exponential)
{
    const struct graph *graph = context->graph;
    int division = softmax_formula(graph, exponential);
    if (division < 0)
        return;
    int total = fix_producer(graph, division, 1);
    const struct stability_members *attributes = &graph->nodes[total].source->attributes;
    const struct stability_value *dim = NULL;
    for (size_t k = 0; k < attributes->count; k++)
        if (strcmp(attributes->items[k].name, "dim") == 0)
            dim = &attributes->items[k].value;
    if (!dim)
        return;
    struct revision revision = fix_begin(context);
    const char *name = graph->nodes[division].name;
    revision_set_type(&revision, name, "Softmax", NULL);
    revision_set_attribute(&revision, name, "dim", dim);
    revision_set_input(&revision, name, revision_input(&revision, graph->nodes[exponential].name, 0));
    revision_remove_layer(&revision, graph->nodes[total].name);
    revision_remove_layer(&revision, graph->nodes[exponential].name);
    fix_offer(context, &revision, "use Softmax in place of '%s', its sum and the division by it",
              graph->nodes[exponential].name);
}

static void propose(const struct fix_context *context)
{
    const struct stability_finding *finding = context->finding;
    int node = finding->layer_count > 0 ? find_node(context->graph, finding->layers[0]) : -1;
    if (node < 0)
        return;
    try_guards(context, node);
    try_before(context, node);
    try_eps(context, node);
    if (fix_is_type(context->graph, node, "Exp"))
        try_softmax(context, node);
}

static const char *const rules[] = {"non-finite", "exploding-gradient", "exploding-activation",
                                    "low-precision-overflow", NULL};

FIX_OPS(guard) = {
    .type = {.name = "guard",
             .documentation =
                 "An epsilon or a clamp before a logarithm, a root, a power, an exponential or a "
                 "division; an eps in a normalisation; Softmax in place of its formula.",
             .source = "Blanchard, Higham, Higham 2021, Accurately computing the log-sum-exp and softmax "
                       "functions",
             .rules = rules},
    .propose = propose,
};
