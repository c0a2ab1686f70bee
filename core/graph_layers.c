/* Names, types and attributes of the layers and of the loss. */
#include "core/graph.h"

#include <stdio.h>
#include <string.h>

static bool out_of_memory(struct stability_error *error)
{
    return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                          "no memory for the model's description");
}

/* Characters of a UTF-8 text. */
static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

/* `parent` is the JSON Pointer of what has it as its `member`. */
static bool check_name(const char *name, const char *parent, const char *member,
                       struct stability_error *error)
{
    size_t length = name ? count_characters(name) : 0;
    if (length >= 1 && length <= 128)
        return true;
    char pointer[64];
    snprintf(pointer, sizeof(pointer), "%s/%s", parent, member);
    return stability_fail(error, STABILITY_ERROR_INVALID_VALUE, pointer,
                          "a name must have 1 to 128 characters, this one has %zu", length);
}

static bool unknown_type(const char *kind, const char *type, const char *const *known, const char *pointer,
                         struct stability_error *error)
{
    const char *nearest = stability_nearest(type, known);
    if (nearest)
        return stability_fail(error, STABILITY_ERROR_UNKNOWN_TYPE, pointer,
                              "unknown %s type '%s': did you mean '%s'?", kind, type, nearest);
    return stability_fail(error, STABILITY_ERROR_UNKNOWN_TYPE, pointer, "unknown %s type '%s'", kind, type);
}

static bool unknown_layer_type(const char *type, const char *pointer, struct graph *graph,
                               struct stability_error *error)
{
    const char **known = arena_array(&graph->arena, kernels_layer_count + 1, sizeof(*known));
    if (!known)
        return out_of_memory(error);
    for (size_t i = 0; i < kernels_layer_count; i++)
        known[i] = stability_layer_type_at(i)->type;
    return unknown_type("layer", type, known, pointer, error);
}

static const char *member_pointer(struct graph *graph, const char *base, const char *member)
{
    const char *pointer = arena_format(&graph->arena, "%s/%s", base, member);
    return pointer ? pointer : base;
}

static bool read_layer(struct graph *graph, struct graph_node *node, struct stability_error *error)
{
    const struct stability_layer *source = node->source;
    if (!check_name(source->name, node->pointer, "name", error))
        return false;
    int type = kernels_find_layer(source->type);
    if (type < 0)
        return unknown_layer_type(source->type, member_pointer(graph, node->pointer, "type"), graph, error);
    node->ops = graph->kernels->layers[type];
    node->name = source->name;
    node->attributes = arena_allocate(&graph->arena, node->ops->attributes_size);
    const char *const owner[] = {"layer '", source->name, "' (", source->type, ")", NULL};
    struct attribute_scope scope = {
        .owner = arena_join(&graph->arena, owner),
        .pointer = node->pointer,
        .arena = &graph->arena,
    };
    if (!node->attributes || !scope.owner)
        return out_of_memory(error);
    static const struct stability_attribute none[] = {{0}};
    const struct stability_attribute *rows = node->ops->type.attributes;
    return attributes_read(rows ? rows : none, &source->attributes, node->attributes, &scope, error);
}

static bool read_loss(struct graph *graph, struct stability_error *error)
{
    const struct stability_loss *source = &graph->request->model.loss;
    int type = kernels_find_loss(source->type);
    if (type < 0) {
        const char **known = arena_array(&graph->arena, kernels_loss_count + 1, sizeof(*known));
        if (!known)
            return out_of_memory(error);
        for (size_t i = 0; i < kernels_loss_count; i++)
            known[i] = stability_loss_type_at(i)->type;
        return unknown_type("loss", source->type, known, "/model/loss/type", error);
    }
    graph->loss = graph->kernels->losses[type];
    graph->loss_attributes = arena_allocate(&graph->arena, graph->loss->attributes_size);
    const char *const owner[] = {"loss ", source->type, NULL};
    struct attribute_scope scope = {
        .owner = arena_join(&graph->arena, owner),
        .pointer = "/model/loss",
        .arena = &graph->arena,
    };
    if (!graph->loss_attributes || !scope.owner)
        return out_of_memory(error);
    static const struct stability_attribute none[] = {{0}};
    const struct stability_attribute *rows = graph->loss->type.attributes;
    return attributes_read(rows ? rows : none, &source->attributes, graph->loss_attributes, &scope, error);
}

static int count_outputs(const struct layer_ops *ops)
{
    int count = 1;
    for (const char *const *name = ops->type.outputs; name && *name; name++)
        count++;
    return count;
}

static bool duplicate_name(const char *name, const char *pointer, struct stability_error *error)
{
    return stability_fail(error, STABILITY_ERROR_DUPLICATE_NAME, pointer,
                          "the name '%s' is taken: names of layers and model inputs are unique", name);
}

/* Values: the model's inputs, then every layer's outputs. */
static bool name_values(struct graph *graph, struct stability_error *error)
{
    static const char *const default_input[] = {"input"};
    const struct stability_model *model = &graph->request->model;
    const char *const *inputs = model->input_count ? model->inputs : default_input;
    int input_count = model->input_count ? (int)model->input_count : 1;
    int count = input_count;
    graph->model_input_count = input_count;
    for (int i = 0; i < graph->node_count; i++) {
        graph->nodes[i].first_output = count;
        graph->nodes[i].output_count = count_outputs(graph->nodes[i].ops);
        count += graph->nodes[i].output_count;
    }
    graph->value_count = count;
    graph->values = arena_array(&graph->arena, (size_t)count, sizeof(*graph->values));
    if (!graph->values || !names_new(&graph->value_names, (size_t)count, &graph->arena))
        return out_of_memory(error);
    for (int i = 0; i < input_count; i++) {
        char pointer[48], number[16];
        snprintf(number, sizeof(number), "%d", i);
        snprintf(pointer, sizeof(pointer), "/model/inputs/%s", number);
        graph->values[i] = (struct graph_value){.name = inputs[i], .producer = -1, .output = i};
        if (!check_name(inputs[i], "/model/inputs", number, error))
            return false;
        if (names_add(&graph->value_names, inputs[i], i) != i)
            return duplicate_name(inputs[i], pointer, error);
        if (strcmp(inputs[i], "target") == 0)
            return stability_fail(error, STABILITY_ERROR_DUPLICATE_NAME, pointer,
                                  "a model input cannot be named 'target': data has the loss's target there");
    }
    for (int i = 0; i < graph->node_count; i++) {
        struct graph_node *node = &graph->nodes[i];
        for (int k = 0; k < node->output_count; k++) {
            int index = node->first_output + k;
            const char *name =
                k == 0 ? node->name
                       : arena_format(&graph->arena, "%s.%s", node->name, node->ops->type.outputs[k - 1]);
            if (!name)
                return out_of_memory(error);
            graph->values[index] = (struct graph_value){.name = name, .producer = i, .output = k};
            if (names_add(&graph->value_names, name, index) != index)
                return duplicate_name(name, member_pointer(graph, node->pointer, "name"), error);
        }
    }
    return true;
}

bool graph_read_layers(struct graph *graph, struct stability_error *error)
{
    const struct stability_model *model = &graph->request->model;
    int64_t limit = graph->request->options.limits.layers;
    if (model->layer_count == 0)
        return stability_fail(error, STABILITY_ERROR_INVALID_VALUE, "/model/layers",
                              "a model needs at least one layer");
    if ((limit > 0 && model->layer_count > (size_t)limit) || model->layer_count > 1000000)
        return stability_fail(error, STABILITY_ERROR_MODEL_TOO_LARGE, "/model/layers",
                              "the model has %zu layers, the limit is %lld", model->layer_count,
                              (long long)(limit > 0 && limit < 1000000 ? limit : 1000000));
    graph->node_count = (int)model->layer_count;
    graph->nodes = arena_array(&graph->arena, model->layer_count, sizeof(*graph->nodes));
    if (!graph->nodes)
        return out_of_memory(error);
    for (int i = 0; i < graph->node_count; i++) {
        struct graph_node *node = &graph->nodes[i];
        node->source = &model->layers[i];
        node->pointer = arena_format(&graph->arena, "/model/layers/%d", i);
        if (!node->pointer)
            return out_of_memory(error);
        if (!read_layer(graph, node, error))
            return false;
    }
    return name_values(graph, error) && read_loss(graph, error);
}
