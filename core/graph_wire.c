/* From the names of inputs to indices of values; cycles. */
#include "core/graph.h"

#include <stdio.h>
#include <string.h>

struct wiring {
    struct graph *graph;
    struct stability_error *error;
    char pointer[64]; /* of the input at hand */
};

/* The value that input `k` of a node names, whether or not it is declared earlier; -1: none. */
static int named_value(const struct graph *graph, int node, size_t k)
{
    const struct stability_layer *source = graph->nodes[node].source;
    if (source->input_count > 0)
        return names_find(&graph->value_names, source->inputs[k]);
    return node == 0 ? 0 : graph->nodes[node - 1].first_output;
}

/* Inputs that the description gives a node: what it names, or the one before it. */
static size_t named_count(const struct graph *graph, int node)
{
    const struct graph_node *n = &graph->nodes[node];
    if (n->source->inputs || n->ops->type.maximum_inputs == 0)
        return n->source->input_count;
    return 1;
}

/* Whether node `from` depends on node `target`, through names in any order of declaration. `seen` is zeroed.
 */
static bool depends_on(const struct graph *graph, int from, int target, bool *seen, int *stack)
{
    int depth = 0;
    stack[depth++] = from;
    seen[from] = true;
    while (depth > 0) {
        int node = stack[--depth];
        if (node == target)
            return true;
        for (size_t k = 0; k < named_count(graph, node); k++) {
            int value = named_value(graph, node, k);
            int producer = value < 0 ? -1 : graph->values[value].producer;
            if (producer >= 0 && !seen[producer]) {
                seen[producer] = true;
                stack[depth++] = producer;
            }
        }
    }
    return false;
}

static bool declared_later(struct wiring *w, int node, int producer, const char *name)
{
    struct graph *graph = w->graph;
    bool *seen = arena_array(&graph->arena, (size_t)graph->node_count, sizeof(*seen));
    int *stack = arena_array(&graph->arena, (size_t)graph->node_count, sizeof(*stack));
    if (!seen || !stack)
        return stability_fail(w->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory to follow the graph");
    const char *layer = graph->nodes[node].name;
    if (producer == node)
        return stability_fail(w->error, STABILITY_ERROR_CYCLE, w->pointer, "layer '%s' reads its own output",
                              layer);
    if (depends_on(graph, producer, node, seen, stack))
        return stability_fail(
            w->error, STABILITY_ERROR_CYCLE, w->pointer,
            "layer '%s' reads '%s', which itself depends on '%s': the graph must be acyclic", layer, name,
            layer);
    return stability_fail(
        w->error, STABILITY_ERROR_UNKNOWN_INPUT, w->pointer,
        "layer '%s' reads '%s', which is declared after it: declare layers before they are read", layer,
        name);
}

static bool unknown_name(struct wiring *w, const char *reader, const char *name)
{
    struct graph *graph = w->graph;
    const char **known = arena_array(&graph->arena, (size_t)graph->value_count + 1, sizeof(*known));
    const char *nearest = NULL;
    if (known) {
        for (int i = 0; i < graph->value_count; i++)
            known[i] = graph->values[i].name;
        nearest = stability_nearest(name, known);
    }
    return stability_fail(w->error, STABILITY_ERROR_UNKNOWN_INPUT, w->pointer,
                          "%s reads '%s', which is neither a layer nor a model input%s%s%s", reader, name,
                          nearest ? ": did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static bool check_arity(struct wiring *w, const struct graph_node *node, size_t count)
{
    const struct stability_layer_type *type = &node->ops->type;
    if (count >= (size_t)type->minimum_inputs &&
        (type->maximum_inputs < 0 || count <= (size_t)type->maximum_inputs))
        return true;
    char expected[48];
    if (type->maximum_inputs == type->minimum_inputs)
        snprintf(expected, sizeof(expected), "%d", type->minimum_inputs);
    else if (type->maximum_inputs < 0)
        snprintf(expected, sizeof(expected), "at least %d", type->minimum_inputs);
    else
        snprintf(expected, sizeof(expected), "%d to %d", type->minimum_inputs, type->maximum_inputs);
    snprintf(w->pointer, sizeof(w->pointer), "%s/inputs", node->pointer);
    return stability_fail(
        w->error, STABILITY_ERROR_INVALID_VALUE, w->pointer, "layer '%s' (%s) takes %s input%s, got %zu",
        node->name, type->type, expected,
        type->maximum_inputs == 1 || (type->maximum_inputs < 0 && type->minimum_inputs == 1) ? "" : "s",
        count);
}

static bool wire_node(struct wiring *w, int index)
{
    struct graph *graph = w->graph;
    struct graph_node *node = &graph->nodes[index];
    size_t count = named_count(graph, index);
    if (!check_arity(w, node, count))
        return false;
    node->input_count = (int)count;
    node->inputs = arena_array(&graph->arena, count, sizeof(*node->inputs));
    if (!node->inputs)
        return stability_fail(w->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for the graph");
    for (size_t k = 0; k < count; k++) {
        int value = named_value(graph, index, k);
        if (value < 0 || graph->values[value].producer >= index)
            snprintf(w->pointer, sizeof(w->pointer), "%s/inputs/%zu", node->pointer, k);
        if (value < 0) {
            const char *reader = arena_format(&graph->arena, "layer '%s'", node->name);
            return unknown_name(w, reader ? reader : "a layer", node->source->inputs[k]);
        }
        if (graph->values[value].producer >= index)
            return declared_later(w, index, graph->values[value].producer, node->source->inputs[k]);
        node->inputs[k] = value;
    }
    return true;
}

static bool wire_loss(struct wiring *w)
{
    struct graph *graph = w->graph;
    const struct stability_loss *source = &graph->request->model.loss;
    size_t count = source->inputs ? source->input_count : 1;
    if (count != (size_t)graph->loss->type.inputs)
        return stability_fail(w->error, STABILITY_ERROR_INVALID_VALUE, "/model/loss/inputs",
                              "loss %s reads %d layer%s, got %zu", source->type, graph->loss->type.inputs,
                              graph->loss->type.inputs == 1 ? "" : "s", count);
    graph->loss_input_count = (int)count;
    graph->loss_inputs = arena_array(&graph->arena, count, sizeof(*graph->loss_inputs));
    if (!graph->loss_inputs)
        return stability_fail(w->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for the graph");
    if (!source->inputs)
        graph->loss_inputs[0] = graph->nodes[graph->node_count - 1].first_output;
    for (size_t k = 0; source->inputs && k < count; k++) {
        snprintf(w->pointer, sizeof(w->pointer), "/model/loss/inputs/%zu", k);
        graph->loss_inputs[k] = names_find(&graph->value_names, source->inputs[k]);
        if (graph->loss_inputs[k] < 0)
            return unknown_name(w, "the loss", source->inputs[k]);
    }
    return true;
}

/* What the loss depends on, from back to front. */
static void mark_reaching(struct graph *graph)
{
    for (int k = 0; k < graph->loss_input_count; k++)
        graph->values[graph->loss_inputs[k]].reaches_loss = true;
    for (int i = graph->node_count - 1; i >= 0; i--) {
        const struct graph_node *node = &graph->nodes[i];
        bool reaches = false;
        for (int k = 0; k < node->output_count; k++)
            reaches |= graph->values[node->first_output + k].reaches_loss;
        for (int k = 0; reaches && k < node->input_count; k++)
            graph->values[node->inputs[k]].reaches_loss = true;
    }
}

bool graph_wire(struct graph *graph, struct stability_error *error)
{
    struct wiring wiring = {.graph = graph, .error = error};
    for (int i = 0; i < graph->node_count; i++)
        if (!wire_node(&wiring, i))
            return false;
    if (!wire_loss(&wiring))
        return false;
    mark_reaching(graph);
    return true;
}
