/* Parameters: their names and shapes by the rows, given by `weights` or drawn. */
#include "core/graph.h"
#include "core/init.h"

#include <stdio.h>
#include <string.h>

static bool out_of_memory(struct stability_error *error)
{
    return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for the model's parameters");
}

static int count_rows(const struct graph_node *node)
{
    int count = 0;
    for (const struct stability_parameter *row = node->ops->type.parameters; row && row->name; row++)
        count++;
    return count;
}

static bool add_parameter(struct graph *graph, struct graph_node *node, struct graph_parameter *parameter,
                          const struct layer_copy *copy, struct stability_error *error)
{
    const struct stability_parameter *row = parameter->row;
    const struct stability_attribute *rows = node->ops->type.attributes;
    parameter->shared_node = -1;
    parameter->present =
        !row->when || attributes_product(rows, node->attributes, copy->variables, row->when) != 0;
    if (!parameter->present)
        return true;
    const char *const texts[] = {node->name, ".", row->name, copy->suffix, NULL};
    parameter->key = arena_join(&graph->arena, texts);
    if (!parameter->key)
        return out_of_memory(error);
    parameter->name = parameter->key + strlen(node->name) + 1;
    if (!attributes_shape(rows, node->attributes, copy->variables, row->shape, &parameter->shape))
        return stability_fail(error, STABILITY_ERROR_MODEL_TOO_LARGE, node->pointer,
                              "layer '%s' (%s): the shape of '%s', (%s), is not possible or too large",
                              node->name, node->ops->type.type, parameter->name, row->shape);
    parameter->count =
        graph_count(graph, &parameter->shape, "parameter", parameter->key, node->pointer, error);
    return parameter->count >= 0;
}

static bool list_parameters(struct graph *graph, struct graph_node *node, struct stability_error *error)
{
    int rows = count_rows(node);
    int copies = rows > 0 && node->ops->copies ? node->ops->copies(node->attributes) : 1;
    node->first_parameter = graph->parameter_slots;
    node->parameter_count = rows * copies;
    node->parameters = arena_array(&graph->arena, (size_t)rows * (size_t)copies, sizeof(*node->parameters));
    if (!node->parameters ||
        __builtin_add_overflow(graph->parameter_slots, node->parameter_count, &graph->parameter_slots))
        return out_of_memory(error);
    for (int c = 0; c < copies; c++) {
        struct layer_copy copy = {0};
        if (node->ops->copy)
            node->ops->copy(node->attributes, c, &copy);
        for (int r = 0; r < rows; r++) {
            struct graph_parameter *parameter = &node->parameters[c * rows + r];
            parameter->row = &node->ops->type.parameters[r];
            if (!add_parameter(graph, node, parameter, &copy, error))
                return false;
        }
    }
    return true;
}

/* ---- weights_from ---- */

static int find_parameter(const struct graph_node *node, const char *name)
{
    for (int k = 0; k < node->parameter_count; k++)
        if (node->parameters[k].present && strcmp(node->parameters[k].name, name) == 0)
            return k;
    return -1;
}

/* Shares with `owner` every parameter that both have by the same name. */
static bool share_parameters(struct graph *graph, int index, int owner, const char *pointer,
                             struct stability_error *error)
{
    struct graph_node *node = &graph->nodes[index];
    int shared = 0;
    for (int k = 0; k < node->parameter_count; k++) {
        struct graph_parameter *parameter = &node->parameters[k];
        int other = parameter->present ? find_parameter(&graph->nodes[owner], parameter->name) : -1;
        if (other < 0)
            continue;
        struct graph_parameter *original = &graph->nodes[owner].parameters[other];
        if (!stability_shape_equal(&parameter->shape, &original->shape)) {
            char ours[STABILITY_SHAPE_TEXT], theirs[STABILITY_SHAPE_TEXT];
            return stability_fail(error, STABILITY_ERROR_SHAPE_MISMATCH, pointer,
                                  "layer '%s' shares '%s' with '%s', but has shape %s where that has %s",
                                  node->name, parameter->name, graph->nodes[owner].name,
                                  stability_shape_text(&parameter->shape, ours),
                                  stability_shape_text(&original->shape, theirs));
        }
        bool chained = original->shared_node >= 0;
        parameter->shared_parameter = chained ? original->shared_parameter : other;
        parameter->shared_node = chained ? original->shared_node : owner;
        parameter->is_shared = original->is_shared = true;
        shared++;
    }
    if (shared > 0)
        return true;
    return stability_fail(error, STABILITY_ERROR_INVALID_VALUE, pointer,
                          "layer '%s' has no parameter by a name that '%s' has too: nothing to share",
                          node->name, graph->nodes[owner].name);
}

static bool resolve_sharing(struct graph *graph, int index, struct stability_error *error)
{
    const struct graph_node *node = &graph->nodes[index];
    const char *name = node->source->weights_from;
    if (!name)
        return true;
    int value = names_find(&graph->value_names, name);
    int owner = value < 0 ? -1 : graph->values[value].producer;
    char pointer[64];
    snprintf(pointer, sizeof(pointer), "%s/weights_from", node->pointer);
    if (owner < 0 || owner >= index)
        return stability_fail(error, STABILITY_ERROR_UNKNOWN_INPUT, pointer,
                              "layer '%s' takes its weights from '%s', which is no layer declared earlier",
                              node->name, name);
    return share_parameters(graph, index, owner, pointer, error);
}

/* ---- weights ---- */

static bool shape_is_transposed(const struct stability_shape *given, const struct stability_shape *expected)
{
    if (given->rank != expected->rank || given->rank < 2)
        return false;
    struct stability_shape swapped = *given;
    swapped.sizes[0] = given->sizes[1];
    swapped.sizes[1] = given->sizes[0];
    if (stability_shape_equal(&swapped, expected))
        return true;
    for (int d = 0; d < given->rank; d++)
        swapped.sizes[d] = given->sizes[given->rank - 1 - d];
    return stability_shape_equal(&swapped, expected);
}

bool graph_check_parameter_shape(const struct graph_node *node, const struct graph_parameter *parameter,
                                 const struct stability_shape *given, const char *pointer,
                                 struct stability_error *error)
{
    if (stability_shape_equal(given, &parameter->shape))
        return true;
    char expected[STABILITY_SHAPE_TEXT], got[STABILITY_SHAPE_TEXT];
    return stability_fail(error, STABILITY_ERROR_SHAPE_MISMATCH, pointer,
                          "'%s' of layer '%s' (%s) must have shape %s = (%s), got %s%s", parameter->name,
                          node->name, node->ops->type.type, stability_shape_text(&parameter->shape, expected),
                          parameter->row->shape, stability_shape_text(given, got),
                          shape_is_transposed(given, &parameter->shape) ? ": the transposed tensor would fit"
                                                                        : "");
}

/* `more` names further ones, or is empty. */
static bool unknown_weight(struct graph *graph, const char *key, const char *more, const char *pointer,
                           struct stability_error *error)
{
    const char **known = arena_array(&graph->arena, (size_t)graph->parameter_slots + 1, sizeof(*known));
    if (!known)
        return out_of_memory(error);
    size_t count = 0;
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].parameter_count; k++)
            if (graph->nodes[i].parameters[k].present)
                known[count++] = graph->nodes[i].parameters[k].key;
    const char *nearest = stability_nearest(key, known);
    return stability_fail(error, STABILITY_ERROR_UNKNOWN_WEIGHT, pointer,
                          "no layer has a parameter '%s'%s%s%s%s", key, nearest ? ": did you mean '" : "",
                          nearest ? nearest : "", nearest ? "'?" : "", more);
}

/* Names the weights from `first` on that no layer has either. */
static void list_unknown(const struct graph *graph, size_t first, char *text, size_t size)
{
    const struct stability_tensors *weights = &graph->request->weights;
    size_t used = 0, left_out = 0;
    text[0] = '\0';
    for (size_t i = first; i < weights->count; i++) {
        const char *name = weights->items[i].name;
        if (names_find(&graph->parameter_names, name) >= 0)
            continue;
        if (left_out > 0 || used + strlen(name) + sizeof(" (nor '' and 2147483647 more)") > size)
            left_out++;
        else
            used += (size_t)snprintf(text + used, size - used, "%s'%s'", used ? ", " : " (nor ", name);
    }
    if (left_out > 0)
        snprintf(text + used, size - used, "%s%zu more)", used ? " and " : " (nor ", left_out);
    else if (used > 0)
        snprintf(text + used, size - used, ")");
}

static bool take_weight(struct graph *graph, const struct stability_named_tensor *weight,
                        struct graph_node *node, struct graph_parameter *parameter, const char *pointer,
                        struct stability_error *error)
{
    if (weight->recipe.name) {
        parameter->init = init_read(&weight->recipe, &parameter->shape, pointer, &graph->arena, error);
        return parameter->init != NULL;
    }
    if (!graph_check_parameter_shape(node, parameter, &weight->tensor.shape, pointer, error))
        return false;
    parameter->given = &weight->tensor;
    parameter->source = weight->source;
    return true;
}

/* Keys of all parameters → slot. */
static bool name_parameters(struct graph *graph, struct stability_error *error)
{
    struct names *keys = &graph->parameter_names;
    if (!names_new(keys, (size_t)graph->parameter_slots, &graph->arena))
        return out_of_memory(error);
    for (int i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        for (int k = 0; k < node->parameter_count; k++) {
            if (node->parameters[k].present &&
                names_add(keys, node->parameters[k].key, graph_slot(graph, i, k)) != graph_slot(graph, i, k))
                return stability_fail(error, STABILITY_ERROR_DUPLICATE_NAME, node->pointer,
                                      "two parameters would have the key '%s' in weights: rename layer '%s'",
                                      node->parameters[k].key, node->name);
        }
    }
    return true;
}

/* The last node that starts at or before the slot and has parameters. */
static int node_of_slot(const struct graph *graph, int slot)
{
    int low = 0, high = graph->node_count - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (graph->nodes[middle].first_parameter <= slot)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

bool graph_find_parameter(struct graph *graph, const char *key, const char *pointer, int *node,
                          int *parameter, struct stability_error *error)
{
    int slot = names_find(&graph->parameter_names, key);
    if (slot < 0)
        return unknown_weight(graph, key, "", pointer, error);
    *node = node_of_slot(graph, slot);
    *parameter = slot - graph->nodes[*node].first_parameter;
    return true;
}

/* A weight that no layer has. */
static bool refuse_or_ignore(struct graph *graph, size_t index, const char *pointer,
                             struct stability_error *error)
{
    const struct stability_tensors *weights = &graph->request->weights;
    const char *name = weights->items[index].name;
    if (!graph->request->options.lenient) {
        char more[320];
        list_unknown(graph, index + 1, more, sizeof(more));
        return unknown_weight(graph, name, more, pointer, error);
    }
    if (!graph->ignored_weights)
        graph->ignored_weights = arena_array(&graph->arena, weights->count, sizeof(*graph->ignored_weights));
    if (!graph->ignored_weights)
        return out_of_memory(error);
    graph->ignored_weights[graph->ignored_weight_count++] = name;
    return true;
}

static bool read_weights(struct graph *graph, struct stability_error *error)
{
    if (!name_parameters(graph, error))
        return false;
    const struct stability_tensors *weights = &graph->request->weights;
    for (size_t i = 0; i < weights->count; i++) {
        const struct stability_named_tensor *weight = &weights->items[i];
        char pointer[384] = "/weights";
        int index = 0, parameter = 0;
        stability_pointer_append(pointer, sizeof(pointer), weight->name);
        if (names_find(&graph->parameter_names, weight->name) < 0) {
            if (!refuse_or_ignore(graph, i, pointer, error))
                return false;
            continue;
        }
        if (!graph_find_parameter(graph, weight->name, pointer, &index, &parameter, error))
            return false;
        struct graph_node *node = &graph->nodes[index];
        if (node->parameters[parameter].shared_node >= 0) /* a state_dict has tied weights under every name */
            continue;
        if (!take_weight(graph, weight, node, &node->parameters[parameter], pointer, error))
            return false;
    }
    return true;
}

/* ---- parameters that weights leaves out ---- */

static const struct stability_init *find_init(const struct stability_inits *inits, const char *name)
{
    for (size_t i = 0; i < inits->count; i++)
        if (strcmp(inits->items[i].name, name) == 0)
            return &inits->items[i];
    return NULL;
}

/* A layer's init names a parameter it has. */
static bool check_init_names(const struct graph_node *node, struct stability_error *error)
{
    for (size_t i = 0; i < node->source->init.count; i++) {
        const char *name = node->source->init.items[i].name;
        if (find_parameter(node, name) >= 0)
            continue;
        char pointer[384];
        snprintf(pointer, sizeof(pointer), "%s/init", node->pointer);
        stability_pointer_append(pointer, sizeof(pointer), name);
        return stability_fail(error, STABILITY_ERROR_UNKNOWN_MEMBER, pointer,
                              "layer '%s' (%s) has no parameter '%s'", node->name, node->ops->type.type,
                              name);
    }
    return true;
}

static bool draw_parameter(struct graph *graph, const struct graph_node *node,
                           struct graph_parameter *parameter, struct stability_error *error)
{
    const char *place = node->pointer;
    const struct stability_init *chosen = find_init(&node->source->init, parameter->name);
    if (!chosen && !parameter->row->buffer) {
        place = "/options";
        chosen = find_init(&graph->request->options.init, parameter->name);
        /* one recipe for the whole model is for weights that have a fan */
        if (!chosen && parameter->shape.rank >= 2)
            chosen = find_init(&graph->request->options.init, "");
    }
    if (!chosen) {
        parameter->drawn_by_default = true;
        parameter->init = init_default(parameter->row, node->ops->type.attributes, node->attributes,
                                       &parameter->shape, &graph->arena, error);
        return parameter->init != NULL;
    }
    char pointer[384];
    snprintf(pointer, sizeof(pointer), "%s/init", place);
    if (chosen->name[0])
        stability_pointer_append(pointer, sizeof(pointer), chosen->name);
    parameter->init = init_read(&chosen->recipe, &parameter->shape, pointer, &graph->arena, error);
    return parameter->init != NULL;
}

static bool complete_node(struct graph *graph, struct graph_node *node, struct stability_error *error)
{
    if (!check_init_names(node, error))
        return false;
    for (int k = 0; k < node->parameter_count; k++) {
        struct graph_parameter *parameter = &node->parameters[k];
        if (!parameter->present || parameter->shared_node >= 0)
            continue;
        if (!parameter->given && !parameter->init && !draw_parameter(graph, node, parameter, error))
            return false;
        if (!parameter->row->buffer)
            graph->parameter_count += parameter->count;
    }
    return true;
}

bool graph_read_parameters(struct graph *graph, struct stability_error *error)
{
    for (int i = 0; i < graph->node_count; i++)
        if (!list_parameters(graph, &graph->nodes[i], error))
            return false;
    for (int i = 0; i < graph->node_count; i++)
        if (!resolve_sharing(graph, i, error))
            return false;
    if (!read_weights(graph, error))
        return false;
    for (int i = 0; i < graph->node_count; i++)
        if (!complete_node(graph, &graph->nodes[i], error))
            return false;
    int64_t limit = graph->request->options.limits.parameters;
    if (limit > 0 && graph->parameter_count > limit)
        return stability_fail(error, STABILITY_ERROR_MODEL_TOO_LARGE, "/model",
                              "the model has %lld parameters, the limit is %lld",
                              (long long)graph->parameter_count, (long long)limit);
    return true;
}
