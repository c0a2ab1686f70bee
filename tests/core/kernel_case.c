#include "kernel_case.h"

#include "core/init.h"
#include "core/random.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_INPUTS = 8 };
static const char *const input_names[MOST_INPUTS] = {"0", "1", "2", "3", "4", "5", "6", "7"};

/* ---- memory ----------------------------------------------------------------------------------------- */

struct kernel_block {
    struct kernel_block *next;
    void *memory;
};

static void *block(struct kernel_case *kernel, size_t size)
{
    struct kernel_block *new = arena_allocate(&kernel->arena, sizeof(*new));
    assert_non_null(new);
    *new = (struct kernel_block){kernel->blocks, malloc(size ? size : 1)};
    assert_non_null(new->memory);
    kernel->blocks = new;
    memset(new->memory, 0xff, size ? size : 1);
    return new->memory;
}

static size_t bytes_of(const struct kernel_case *kernel, const struct tensor *tensor)
{
    return (size_t)tensor->count * kernel->graph.kernels->real_size;
}

/* All bytes 0xff: a NaN in either precision. */
static void poison(const struct kernel_case *kernel, const struct tensor *tensor)
{
    if (tensor->data && tensor->count > 0)
        memset(tensor->data, 0xff, bytes_of(kernel, tensor));
}

static struct tensor new_tensor(struct kernel_case *kernel, const struct stability_shape *shape)
{
    struct tensor tensor = {.shape = *shape, .count = stability_shape_count(shape)};
    tensor.data = block(kernel, bytes_of(kernel, &tensor));
    return tensor;
}

static struct tensor *new_tensors(struct kernel_case *kernel, int count)
{
    struct tensor *tensors = arena_array(&kernel->arena, (size_t)count, sizeof(*tensors));
    assert_non_null(tensors);
    return tensors;
}

static void fill(const struct kernel_case *kernel, const struct tensor *tensor,
                 const struct stability_tensor *values)
{
    assert_true(stability_shape_equal(&tensor->shape, &values->shape));
    stability_convert(values->dtype, values->data, kernel->graph.kernels->dtype, tensor->data, tensor->count);
}

/* ---- the request ------------------------------------------------------------------------------------ */

struct described {
    struct stability_layer layers[2];
    struct stability_named_tensor data[MOST_INPUTS + 1];
    struct stability_named_tensor weights[64];
    struct stability_tensor target;
    double zero;
};

static size_t take_inputs(const struct golden_case *golden, struct described *described)
{
    size_t count = 0;
    for (const struct golden_record *record; (record = golden_find(golden, GOLDEN_INPUT, input_names[count]));
         count++)
        described->data[count] =
            (struct stability_named_tensor){input_names[count], record->tensor, {0}, NULL};
    return count;
}

static size_t take_weights(struct kernel_case *kernel, struct described *described)
{
    size_t count = 0;
    for (size_t i = 0; i < kernel->golden->record_count; i++) {
        const struct golden_record *record = &kernel->golden->records[i];
        if (record->keyword != GOLDEN_PARAMETER && record->keyword != GOLDEN_BUFFER)
            continue;
        const char *name = arena_format(&kernel->arena, "layer.%s", record->name);
        assert_non_null(name);
        described->weights[count++] = (struct stability_named_tensor){name, record->tensor, {0}, NULL};
    }
    return count;
}

/* A layer without inputs leaves the model's input unused. */
static size_t ensure_input(struct described *described, size_t inputs)
{
    if (inputs > 0)
        return inputs;
    struct stability_tensor scalar = {.dtype = STABILITY_FLOAT64, .data = &described->zero};
    described->data[0] = (struct stability_named_tensor){input_names[0], scalar, {0}, NULL};
    return 1;
}

/* The layer's output is summed up, so that the loss fits whatever its shape is. */
static void describe_layer(struct kernel_case *kernel, struct described *described, const char *type,
                           size_t inputs)
{
    static const char *const layer_name[] = {"layer"};
    struct stability_model *model = &kernel->request.model;
    described->layers[0] = (struct stability_layer){.name = layer_name[0],
                                                    .type = type,
                                                    .input_count = inputs,
                                                    .inputs = input_names,
                                                    .attributes = kernel->golden->attributes};
    described->layers[1] =
        (struct stability_layer){.name = "sum", .type = "Sum", .input_count = 1, .inputs = layer_name};
    model->layer_count = 2;
    model->loss = (struct stability_loss){.type = "MSELoss"};
    described->target = (struct stability_tensor){.dtype = STABILITY_FLOAT64, .data = &described->zero};
    kernel->request.weights.count = take_weights(kernel, described);
    kernel->request.weights.items = described->weights;
}

static void describe_loss(struct kernel_case *kernel, struct described *described, const char *type,
                          size_t inputs)
{
    struct stability_model *model = &kernel->request.model;
    described->layers[0] = (struct stability_layer){.name = "layer", .type = "Identity"};
    model->layer_count = 1;
    model->loss = (struct stability_loss){
        .type = type, .input_count = inputs, .inputs = input_names, .attributes = kernel->golden->attributes};
    described->target = golden_find(kernel->golden, GOLDEN_TARGET, "-")->tensor;
}

enum { GREATEST = 1 << 20 }; /* elements of a tensor */

static void describe(struct kernel_case *kernel, const struct golden_file *file,
                     enum stability_precision precision)
{
    struct described *described = arena_allocate(&kernel->arena, sizeof(*described));
    assert_non_null(described);
    size_t inputs = take_inputs(kernel->golden, described);
    (file->is_loss ? describe_loss : describe_layer)(kernel, described, file->type, inputs);
    inputs = ensure_input(described, inputs);
    described->data[inputs] = (struct stability_named_tensor){"target", described->target, {0}, NULL};
    kernel->request.model.input_count = inputs;
    kernel->request.model.inputs = input_names;
    kernel->request.model.layers = described->layers;
    kernel->request.data = (struct stability_tensors){inputs + 1, described->data};
    kernel->request.options = stability_default_options;
    kernel->request.options.precision = precision;
    kernel->request.options.evaluate = kernel->golden->evaluate;
    kernel->request.options.limits.elements = GREATEST;
    kernel->request.options.limits.bytes = 64 * GREATEST;
}

static bool build_graph(struct kernel_case *kernel, struct stability_error *error)
{
    if (!graph_build(&kernel->graph, &kernel->request, error))
        return false;
    kernel->node = &kernel->graph.nodes[0];
    if (kernel->node->saved <= 64 * GREATEST && kernel->node->workspace <= 64 * GREATEST)
        return true;
    return stability_fail(error, STABILITY_ERROR_MODEL_TOO_LARGE, kernel->node->pointer,
                          "layer 'layer' needs more memory than a test takes");
}

/* ---- tensors ---------------------------------------------------------------------------------------- */

static void fill_inputs(struct kernel_case *kernel, int count)
{
    kernel->inputs = new_tensors(kernel, count);
    kernel->input_gradients = new_tensors(kernel, count);
    for (int k = 0; k < count; k++) {
        const struct graph_value *value = &kernel->graph.values[k];
        kernel->inputs[k] = new_tensor(kernel, &value->shape);
        fill(kernel, &kernel->inputs[k], &value->data->tensor);
        kernel->input_gradients[k] = kernel->inputs[k];
        kernel->input_gradients[k].data =
            value->integer ? NULL : block(kernel, bytes_of(kernel, &kernel->inputs[k]));
    }
}

static void fill_parameters(struct kernel_case *kernel)
{
    const struct graph_node *node = kernel->node;
    kernel->parameters = new_tensors(kernel, node->parameter_count);
    kernel->parameter_gradients = new_tensors(kernel, node->parameter_count);
    for (int k = 0; k < node->parameter_count; k++) {
        const struct graph_parameter *parameter = &node->parameters[k];
        if (!parameter->present)
            continue;
        kernel->parameters[k] = new_tensor(kernel, &parameter->shape);
        if (parameter->given)
            fill(kernel, &kernel->parameters[k], parameter->given);
        else
            init_fill(parameter->init, &parameter->shape, 0, parameter->key, kernel->graph.kernels->dtype,
                      kernel->parameters[k].data,
                      block(kernel, init_workspace(parameter->init, &parameter->shape)), NULL);
        kernel->parameter_gradients[k] = kernel->parameters[k];
        kernel->parameter_gradients[k].data =
            parameter->row->buffer ? NULL : block(kernel, bytes_of(kernel, &kernel->parameters[k]));
    }
}

static const char *output_name(const struct kernel_case *kernel, int index)
{
    return index == 0 ? "-" : kernel->node->ops->type.outputs[index - 1];
}

static void fill_outputs(struct kernel_case *kernel)
{
    const struct graph_node *node = kernel->node;
    kernel->outputs = new_tensors(kernel, node->output_count);
    kernel->output_gradients = new_tensors(kernel, node->output_count);
    for (int k = 0; k < node->output_count; k++) {
        const struct golden_record *gradient =
            golden_find(kernel->golden, GOLDEN_OUTPUT_GRADIENT, output_name(kernel, k));
        kernel->outputs[k] = new_tensor(kernel, &kernel->graph.values[node->first_output + k].shape);
        kernel->output_gradients[k] = kernel->outputs[k];
        kernel->output_gradients[k].data = NULL;
        if (gradient) {
            kernel->output_gradients[k] = new_tensor(kernel, &kernel->outputs[k].shape);
            fill(kernel, &kernel->output_gradients[k], &gradient->tensor);
        }
    }
}

static void open_layer(struct kernel_case *kernel)
{
    const struct graph_node *node = kernel->node;
    fill_inputs(kernel, node->input_count);
    fill_parameters(kernel);
    fill_outputs(kernel);
    kernel->saved_size = node->saved;
    kernel->workspace_size = node->workspace;
    kernel->pass = (struct layer_pass){
        .attributes = node->attributes,
        .training = !kernel->golden->evaluate,
        .drops = !kernel->golden->evaluate,
        .seed = random_stream(0, node->name),
        .input_count = node->input_count,
        .inputs = kernel->inputs,
        .outputs = kernel->outputs,
        .parameters = kernel->parameters,
        .output_gradients = kernel->output_gradients,
        .input_gradients = kernel->input_gradients,
        .parameter_gradients = kernel->parameter_gradients,
        .saved = block(kernel, kernel->saved_size),
        .workspace = block(kernel, kernel->workspace_size),
    };
}

static void open_loss(struct kernel_case *kernel)
{
    const struct graph *graph = &kernel->graph;
    fill_inputs(kernel, graph->loss_input_count);
    struct tensor target = new_tensor(kernel, &graph->target_shape);
    fill(kernel, &target, &graph->target->tensor);
    kernel->saved_size = graph->loss_saved;
    kernel->workspace_size = graph->loss_workspace;
    kernel->loss_pass = (struct loss_pass){
        .attributes = graph->loss_attributes,
        .input_count = graph->loss_input_count,
        .inputs = kernel->inputs,
        .target = target,
        .target_is_integer = graph->target_is_integer,
        .input_gradients = kernel->input_gradients,
        .saved = block(kernel, kernel->saved_size),
        .workspace = block(kernel, kernel->workspace_size),
    };
}

bool kernel_case_try_open(struct kernel_case *kernel, const struct golden_file *file,
                          const struct golden_case *golden, enum stability_precision precision,
                          struct stability_error *error)
{
    *kernel = (struct kernel_case){.golden = golden};
    describe(kernel, file, precision);
    if (!build_graph(kernel, error))
        return false;
    (file->is_loss ? open_loss : open_layer)(kernel);
    return true;
}

void kernel_case_open(struct kernel_case *kernel, const struct golden_file *file,
                      const struct golden_case *golden, enum stability_precision precision)
{
    struct stability_error error = {0};
    if (!kernel_case_try_open(kernel, file, golden, precision, &error))
        fail_msg("%s, case %s: %s", file->type, golden->name, error.message);
}

void kernel_case_close(struct kernel_case *kernel)
{
    for (const struct kernel_block *each = kernel->blocks; each; each = each->next)
        free(each->memory);
    graph_free(&kernel->graph);
    arena_free(&kernel->arena);
}

/* ---- passes ----------------------------------------------------------------------------------------- */

bool kernel_case_is_loss(const struct kernel_case *kernel)
{
    return kernel->loss_pass.inputs != NULL;
}

int kernel_case_input_count(const struct kernel_case *kernel)
{
    return kernel_case_is_loss(kernel) ? kernel->graph.loss_input_count : kernel->node->input_count;
}

bool kernel_case_has_gradients(const struct kernel_case *kernel)
{
    enum golden_keyword keyword =
        kernel_case_is_loss(kernel) ? GOLDEN_INPUT_GRADIENT : GOLDEN_OUTPUT_GRADIENT;
    for (size_t i = 0; i < kernel->golden->record_count; i++)
        if (kernel->golden->records[i].keyword == keyword)
            return true;
    return false;
}

static void poison_memory(void *memory, size_t size)
{
    if (size > 0)
        memset(memory, 0xff, size);
}

void kernel_case_forward(struct kernel_case *kernel)
{
    if (kernel_case_is_loss(kernel)) {
        poison_memory(kernel->loss_pass.saved, kernel->saved_size);
        poison_memory(kernel->loss_pass.workspace, kernel->workspace_size);
        kernel->loss = kernel->graph.loss->forward(&kernel->loss_pass);
        return;
    }
    for (int k = 0; k < kernel->node->output_count; k++)
        poison(kernel, &kernel->outputs[k]);
    poison_memory(kernel->pass.saved, kernel->saved_size);
    poison_memory(kernel->pass.workspace, kernel->workspace_size);
    kernel->node->ops->forward(&kernel->pass);
}

void kernel_case_backward(struct kernel_case *kernel)
{
    for (int k = 0; k < kernel_case_input_count(kernel); k++)
        poison(kernel, &kernel->input_gradients[k]);
    if (kernel_case_is_loss(kernel)) {
        poison_memory(kernel->loss_pass.workspace, kernel->workspace_size);
        kernel->graph.loss->backward(&kernel->loss_pass);
        return;
    }
    const struct graph_node *node = kernel->node;
    for (int k = 0; k < node->parameter_count; k++)
        poison(kernel, &kernel->parameter_gradients[k]);
    for (int k = 0; (node->ops->unread & LAYER_UNREAD_INPUTS) && k < node->input_count; k++)
        poison(kernel, &kernel->inputs[k]);
    for (int k = 0; (node->ops->unread & LAYER_UNREAD_OUTPUTS) && k < node->output_count; k++)
        poison(kernel, &kernel->outputs[k]);
    poison_memory(kernel->pass.workspace, kernel->workspace_size);
    node->ops->backward(&kernel->pass);
}

uint64_t kernel_case_switches(const struct kernel_case *kernel)
{
    if (kernel_case_is_loss(kernel))
        return kernel->graph.loss->switches ? kernel->graph.loss->switches(&kernel->loss_pass) : 0;
    return kernel->node->ops->switches ? kernel->node->ops->switches(&kernel->pass) : 0;
}

/* ---- access ----------------------------------------------------------------------------------------- */

static const struct tensor *find_by_input(const struct kernel_case *kernel, const struct tensor *tensors,
                                          const char *name)
{
    int index = atoi(name);
    return index < kernel_case_input_count(kernel) ? &tensors[index] : NULL;
}

static const struct tensor *find_by_output(const struct kernel_case *kernel, const struct tensor *tensors,
                                           const char *name)
{
    for (int k = 0; k < kernel->node->output_count; k++)
        if (strcmp(output_name(kernel, k), name) == 0)
            return &tensors[k];
    return NULL;
}

static const struct tensor *find_by_parameter(const struct kernel_case *kernel, const struct tensor *tensors,
                                              const char *name)
{
    for (int k = 0; k < kernel->node->parameter_count; k++)
        if (kernel->node->parameters[k].present && strcmp(kernel->node->parameters[k].name, name) == 0)
            return &tensors[k];
    return NULL;
}

const struct tensor *kernel_case_tensor(const struct kernel_case *kernel, enum golden_keyword keyword,
                                        const char *name)
{
    switch (keyword) {
    case GOLDEN_INPUT:
        return find_by_input(kernel, kernel->inputs, name);
    case GOLDEN_INPUT_GRADIENT:
        return find_by_input(kernel, kernel->input_gradients, name);
    case GOLDEN_OUTPUT:
        return find_by_output(kernel, kernel->outputs, name);
    case GOLDEN_OUTPUT_GRADIENT:
        return find_by_output(kernel, kernel->output_gradients, name);
    case GOLDEN_PARAMETER:
    case GOLDEN_BUFFER:
    case GOLDEN_BUFFER_AFTER:
        return find_by_parameter(kernel, kernel->parameters, name);
    case GOLDEN_PARAMETER_GRADIENT:
        return find_by_parameter(kernel, kernel->parameter_gradients, name);
    case GOLDEN_TARGET:
        return &kernel->loss_pass.target;
    case GOLDEN_KEYWORD_COUNT:
        break;
    }
    return NULL;
}

double kernel_case_element(const struct kernel_case *kernel, const struct tensor *tensor, int64_t element)
{
    double value;
    const char *data = (const char *)tensor->data + (size_t)element * kernel->graph.kernels->real_size;
    stability_convert(kernel->graph.kernels->dtype, data, STABILITY_FLOAT64, &value, 1);
    return value;
}
