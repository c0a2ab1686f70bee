/* Shapes from the data through every layer to the loss. */
#include "core/graph.h"

#include <stdio.h>
#include <string.h>

bool layer_shape_fail(struct layer_shapes *shapes, const char *attribute, const char *format, ...)
{
    char what[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    char pointer[384];
    snprintf(pointer, sizeof(pointer), "%s", shapes->pointer);
    if (attribute)
        stability_pointer_append(pointer, sizeof(pointer), attribute);
    return stability_fail(shapes->error, STABILITY_ERROR_SHAPE_MISMATCH, pointer, "layer '%s' (%s): %s",
                          shapes->name, shapes->type, what);
}

bool loss_shape_fail(struct loss_shapes *shapes, const char *pointer, const char *format, ...)
{
    char what[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    return stability_fail(shapes->error, STABILITY_ERROR_SHAPE_MISMATCH, pointer, "loss %s: %s", shapes->type,
                          what);
}

void layer_add_reals(const struct layer_shapes *shapes, size_t *total, int64_t count)
{
    size_t bytes;
    if (count < 0 || __builtin_mul_overflow((size_t)count, shapes->real_size, &bytes) ||
        __builtin_add_overflow(*total, bytes, total))
        *total = SIZE_MAX;
}

bool layer_shape_same(struct layer_shapes *shapes)
{
    shapes->outputs[0] = shapes->inputs[0];
    shapes->flops = (double)stability_shape_count(&shapes->inputs[0]);
    return true;
}

bool layer_shape_broadcast(struct layer_shapes *shapes)
{
    const struct stability_shape *a = &shapes->inputs[0];
    const struct stability_shape *b = &shapes->inputs[1];
    struct stability_shape *y = &shapes->outputs[0];
    y->rank = a->rank > b->rank ? a->rank : b->rank;
    for (int d = 1; d <= y->rank; d++) { /* from the last dimension */
        int64_t size_a = d <= a->rank ? a->sizes[a->rank - d] : 1;
        int64_t size_b = d <= b->rank ? b->sizes[b->rank - d] : 1;
        if (size_a != size_b && size_a != 1 && size_b != 1) {
            char text_a[STABILITY_SHAPE_TEXT], text_b[STABILITY_SHAPE_TEXT];
            return layer_shape_fail(shapes, "inputs", "shapes %s and %s cannot be broadcast together",
                                    stability_shape_text(a, text_a), stability_shape_text(b, text_b));
        }
        y->sizes[y->rank - d] = size_a == 1 ? size_b : size_a;
    }
    shapes->feature_dim += y->rank - a->rank;
    int64_t count = stability_shape_count(y);
    shapes->flops = count < 0 ? 0 : (double)count;
    return true;
}

static const struct stability_named_tensor *find_data(const struct graph *graph, const char *name)
{
    const struct stability_tensors *data = &graph->request->data;
    for (size_t i = 0; i < data->count; i++)
        if (strcmp(data->items[i].name, name) == 0)
            return &data->items[i];
    return NULL;
}

static const struct stability_shape *shape_of(const struct stability_named_tensor *data)
{
    return data->recipe.name ? &data->recipe.shape : &data->tensor.shape;
}

static bool holds_integers(const struct stability_named_tensor *data)
{
    if (data->recipe.name)
        return strcmp(data->recipe.name, "randint") == 0;
    return !stability_dtype_is_floating(data->tensor.dtype);
}

static bool data_names_are_known(struct graph *graph, struct stability_error *error)
{
    const struct stability_tensors *data = &graph->request->data;
    for (size_t i = 0; i < data->count; i++) {
        const char *name = data->items[i].name;
        int value = names_find(&graph->value_names, name);
        if ((value >= 0 && value < graph->model_input_count) || strcmp(name, "target") == 0)
            continue;
        const char **known = arena_array(&graph->arena, (size_t)graph->model_input_count + 2, sizeof(*known));
        if (!known)
            return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                                  "no memory for the model's inputs");
        for (int k = 0; k < graph->model_input_count; k++)
            known[k] = graph->values[k].name;
        known[graph->model_input_count] = "target";
        const char *nearest = stability_nearest(name, known);
        char pointer[384] = "/data";
        stability_pointer_append(pointer, sizeof(pointer), name);
        return stability_fail(error, STABILITY_ERROR_UNKNOWN_MEMBER, pointer,
                              "the model has no input '%s'%s%s%s", name, nearest ? ": did you mean '" : "",
                              nearest ? nearest : "", nearest ? "'?" : "");
    }
    return true;
}

static const struct stability_named_tensor *require_data(struct graph *graph, const char *name,
                                                         int64_t *count, struct stability_error *error)
{
    const struct stability_named_tensor *data = find_data(graph, name);
    if (!data) {
        stability_fail(error, STABILITY_ERROR_MISSING_MEMBER, "/data", "data has no tensor '%s'", name);
        return NULL;
    }
    char pointer[384] = "/data";
    stability_pointer_append(pointer, sizeof(pointer), name);
    *count = graph_count(graph, shape_of(data), "data", name, pointer, error);
    return *count < 0 ? NULL : data;
}

/* Which dimension of a model input indexes units: PyTorch's channels for images, else the last. */
static int input_feature_dim(int rank)
{
    if (rank >= 4)
        return 1;
    return rank > 0 ? rank - 1 : 0;
}

static bool read_data_shapes(struct graph *graph, struct stability_error *error)
{
    if (!data_names_are_known(graph, error))
        return false;
    for (int i = 0; i < graph->model_input_count; i++) {
        struct graph_value *value = &graph->values[i];
        value->data = require_data(graph, value->name, &value->count, error);
        if (!value->data)
            return false;
        value->shape = *shape_of(value->data);
        value->integer = holds_integers(value->data);
        value->feature_dim = input_feature_dim(value->shape.rank);
    }
    graph->target = require_data(graph, "target", &graph->target_count, error);
    if (!graph->target)
        return false;
    graph->target_shape = *shape_of(graph->target);
    const struct stability_shape *first = &graph->values[0].shape;
    graph->batch_size = first->rank > 0 ? first->sizes[0] : 1;
    return true;
}

static bool take_outputs(struct graph *graph, struct graph_node *node, const struct layer_shapes *shapes,
                         bool integer)
{
    for (int k = 0; k < node->output_count; k++) {
        struct graph_value *value = &graph->values[node->first_output + k];
        value->shape = shapes->outputs[k];
        value->count = graph_count(graph, &value->shape, "the output of layer", node->name, node->pointer,
                                   shapes->error);
        if (value->count < 0)
            return false;
        value->integer = integer;
        int rank = value->shape.rank;
        value->feature_dim = shapes->feature_dim < rank ? shapes->feature_dim : rank > 0 ? rank - 1 : 0;
    }
    return true;
}

static bool infer_node(struct graph *graph, struct graph_node *node, struct stability_shape *shapes,
                       bool *integers, struct stability_error *error)
{
    bool all_integers = node->input_count > 0 && node->ops->moves;
    for (int k = 0; k < node->input_count; k++) {
        const struct graph_value *value = &graph->values[node->inputs[k]];
        shapes[k] = value->shape;
        integers[k] = value->integer;
        all_integers &= value->integer;
    }
    struct layer_shapes rule = {
        .attributes = node->attributes,
        .training = !graph->request->options.evaluate,
        .real_size = graph->kernels->real_size,
        .input_count = node->input_count,
        .inputs = shapes,
        .integers = integers,
        .feature_dim = node->input_count > 0 ? graph->values[node->inputs[0]].feature_dim : 0,
        .error = error,
        .name = node->name,
        .type = node->ops->type.type,
        .pointer = node->pointer,
    };
    if (node->ops->indexes && !integers[0])
        return layer_shape_fail(&rule, "inputs",
                                "the input must hold integers: a tensor of the data with an integer "
                                "dtype, at most reshaped on its way");
    if (!node->ops->shape(&rule) || !take_outputs(graph, node, &rule, all_integers))
        return false;
    node->saved = rule.saved;
    node->workspace = rule.workspace;
    node->flops = rule.flops;
    return true;
}

static bool infer_loss(struct graph *graph, struct stability_shape *shapes, struct stability_error *error)
{
    for (int k = 0; k < graph->loss_input_count; k++)
        shapes[k] = graph->values[graph->loss_inputs[k]].shape;
    struct loss_shapes rule = {
        .attributes = graph->loss_attributes,
        .real_size = graph->kernels->real_size,
        .input_count = graph->loss_input_count,
        .inputs = shapes,
        .target = graph->target_shape,
        .target_is_integer = holds_integers(graph->target),
        .error = error,
        .type = graph->loss->type.type,
    };
    if (!graph->loss->shape(&rule))
        return false;
    graph->loss_saved = rule.saved;
    graph->loss_workspace = rule.workspace;
    graph->target_is_integer = rule.wants_integers;
    graph->target_classes = rule.classes;
    graph->target_ignore_index = rule.ignore_index;
    if (rule.wants_integers && !rule.target_is_integer && stability_shape_count(shape_of(graph->target)) > 0)
        return stability_fail(error, STABILITY_ERROR_INVALID_TENSOR, "/data/target",
                              "loss %s reads the target as class indices: it must hold integers", rule.type);
    return true;
}

bool graph_infer_shapes(struct graph *graph, struct stability_error *error)
{
    if (!read_data_shapes(graph, error))
        return false;
    size_t widest = (size_t)graph->loss_input_count;
    for (int i = 0; i < graph->node_count; i++)
        if ((size_t)graph->nodes[i].input_count > widest)
            widest = (size_t)graph->nodes[i].input_count;
    struct stability_shape *shapes = arena_array(&graph->arena, widest, sizeof(*shapes));
    bool *integers = arena_array(&graph->arena, widest, sizeof(*integers));
    if (!shapes || !integers)
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for the model's shapes");
    for (int i = 0; i < graph->node_count; i++)
        if (!infer_node(graph, &graph->nodes[i], shapes, integers, error))
            return false;
    return infer_loss(graph, shapes, error);
}

void graph_mark_gradients(struct graph *graph, bool inputs)
{
    for (int i = inputs ? 0 : graph->model_input_count; i < graph->value_count; i++)
        graph->values[i].wants_gradient = graph->values[i].reaches_loss && !graph->values[i].integer;
    for (int i = 0; i < graph->node_count; i++) {
        struct graph_node *node = &graph->nodes[i];
        bool reaches = false;
        bool wanted = false;
        for (int k = 0; k < node->parameter_count; k++)
            wanted |= node->parameters[k].present && !node->parameters[k].row->buffer;
        for (int k = 0; k < node->output_count; k++)
            reaches |= graph->values[node->first_output + k].wants_gradient;
        for (int k = 0; k < node->input_count; k++)
            wanted |= graph->values[node->inputs[k]].wants_gradient;
        node->backward = reaches && wanted;
    }
}
