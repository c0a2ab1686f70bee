#include "core/run.h"

#include "core/init.h"
#include "core/random.h"

#include <stdlib.h>
#include <string.h>

static void *buffer_at(const struct run *run, int buffer)
{
    return buffer < 0 ? NULL : (char *)run->block + memory_offset(&run->plan->memory, buffer);
}

static bool is_training(const struct run *run)
{
    return !run->graph->request->options.evaluate;
}

static bool tell_progress(const struct run *run, const char *stage, int64_t done)
{
    const struct stability_options *options = &run->graph->request->options;
    int64_t total = 2 * (int64_t)run->graph->node_count + 2;
    return !options->progress || options->progress(options->progress_context, stage, done, total);
}

static bool may_draw(const void *context)
{
    return tell_progress(context, "forward", 0);
}

/* Once the caller's progress says stop, nothing more is drawn. */
static void draw(struct run *run, const struct init *init, const struct stability_shape *shape,
                 const char *name, enum stability_dtype dtype, void *destination)
{
    const struct init_question question = {may_draw, run};
    void *workspace = buffer_at(run, run->plan->init_workspace);
    uint64_t seed = run->graph->request->options.seed;
    run->stopped =
        run->stopped || !init_fill(init, shape, seed, name, dtype, destination, workspace, &question);
}

/* Brings a tensor of the request, or a draw, into the kernels' precision. Gives its place. */
static void *load_data(struct run *run, const struct stability_named_tensor *data, const struct init *recipe,
                       int buffer)
{
    if (buffer < 0)
        return (void *)(uintptr_t)data->tensor.data; /* read only, though a struct tensor can't say so */
    void *destination = buffer_at(run, buffer);
    enum stability_dtype dtype = run->graph->kernels->dtype;
    if (recipe)
        draw(run, recipe, &data->recipe.shape, data->name, dtype, destination);
    else
        stability_convert(data->tensor.dtype, data->tensor.data, dtype, destination,
                          stability_shape_count(&data->tensor.shape));
    return destination;
}

static void draw_parameter(struct run *run, const struct graph_node *node,
                           const struct graph_parameter *parameter, void *data)
{
    draw(run, parameter->init, &parameter->shape, parameter->key, run->graph->kernels->dtype, data);
    if (!run->stopped && parameter->drawn_by_default && node->ops->after_draw)
        node->ops->after_draw(node->attributes, (int)(parameter->row - node->ops->type.parameters), data);
}

static void load_parameter(struct run *run, const struct graph_node *node,
                           const struct graph_parameter *parameter, int slot)
{
    struct tensor *tensor = &run->parameters[slot];
    tensor->shape = parameter->shape;
    tensor->count = parameter->count;
    if (parameter->shared_node >= 0) {
        tensor->data =
            run->parameters[graph_slot(run->graph, parameter->shared_node, parameter->shared_parameter)].data;
        return;
    }
    tensor->data = buffer_at(run, run->plan->parameters[slot]);
    if (parameter->init)
        draw_parameter(run, node, parameter, tensor->data);
    else if (tensor->data)
        stability_convert(parameter->given->dtype, parameter->given->data, run->graph->kernels->dtype,
                          tensor->data, parameter->count);
    else
        tensor->data = (void *)(uintptr_t)parameter->given->data;
}

static void load_parameters(struct run *run)
{
    for (int i = 0; i < run->graph->node_count; i++) {
        const struct graph_node *node = &run->graph->nodes[i];
        for (int k = 0; k < node->parameter_count; k++) {
            const struct graph_parameter *parameter = &node->parameters[k];
            int slot = graph_slot(run->graph, i, k);
            if (!parameter->present)
                continue;
            load_parameter(run, node, parameter, slot);
            run->parameter_gradients[slot] = (struct tensor){
                buffer_at(run, run->plan->parameter_gradients[slot]), parameter->shape, parameter->count};
        }
    }
}

static void load_values(struct run *run)
{
    for (int i = 0; i < run->graph->value_count; i++) {
        const struct graph_value *value = &run->graph->values[i];
        int buffer = run->plan->values[i];
        void *data =
            value->producer < 0 ? load_data(run, value->data, value->init, buffer) : buffer_at(run, buffer);
        run->values[i] = (struct tensor){data, value->shape, value->count};
        run->value_gradients[i] =
            (struct tensor){buffer_at(run, run->plan->value_gradients[i]), value->shape, value->count};
    }
}

/* Where a reader writes its part of a value's gradient. */
static struct tensor contribution(const struct run *run, int value, int part, bool runs)
{
    struct tensor tensor = run->value_gradients[value];
    if (!runs || !run->graph->values[value].wants_gradient)
        tensor.data = NULL;
    else if (part >= 0)
        tensor.data = buffer_at(run, part);
    return tensor;
}

static bool prepare_pass(struct run *run, int index, const int *contributions)
{
    const struct graph_node *node = &run->graph->nodes[index];
    size_t inputs = (size_t)node->input_count;
    struct tensor *input = arena_array(&run->arena, 2 * inputs, sizeof(*input));
    struct tensor *parameter_gradients =
        arena_array(&run->arena, (size_t)node->parameter_count, sizeof(*parameter_gradients));
    if (!input || !parameter_gradients)
        return false;
    for (size_t k = 0; k < inputs; k++) {
        input[k] = run->values[node->inputs[k]];
        input[inputs + k] = contribution(run, node->inputs[k], contributions[k], node->backward);
    }
    for (int k = 0; k < node->parameter_count; k++) {
        int slot = graph_slot(run->graph, index, k);
        parameter_gradients[k] = run->parameter_gradients[slot];
        if (!node->backward)
            parameter_gradients[k].data = NULL;
        else if (run->plan->parameter_parts[slot] >= 0)
            parameter_gradients[k].data = buffer_at(run, run->plan->parameter_parts[slot]);
    }
    run->passes[index] = (struct layer_pass){
        .attributes = node->attributes,
        .training = is_training(run),
        .drops = is_training(run) && !(run->plan->flags & RUN_NO_DROPS),
        .seed = random_stream(run->graph->request->options.seed, node->name),
        .input_count = node->input_count,
        .inputs = input,
        .outputs = &run->values[node->first_output],
        .parameters = &run->parameters[node->first_parameter],
        .output_gradients = &run->value_gradients[node->first_output],
        .input_gradients = input + inputs,
        .parameter_gradients = parameter_gradients,
        .saved = buffer_at(run, run->plan->saved[index]),
    };
    return true;
}

static bool prepare_loss(struct run *run)
{
    const struct graph *graph = run->graph;
    size_t inputs = (size_t)graph->loss_input_count;
    struct tensor *input = arena_array(&run->arena, 2 * inputs, sizeof(*input));
    if (!input)
        return false;
    for (size_t k = 0; k < inputs; k++) {
        input[k] = run->values[graph->loss_inputs[k]];
        input[inputs + k] = contribution(run, graph->loss_inputs[k], run->plan->loss_contributions[k], true);
    }
    run->loss_pass = (struct loss_pass){
        .attributes = graph->loss_attributes,
        .input_count = graph->loss_input_count,
        .inputs = input,
        .target = {load_data(run, graph->target, graph->target_init, run->plan->target), graph->target_shape,
                   graph->target_count},
        .target_is_integer = graph->target_is_integer,
        .input_gradients = input + inputs,
        .saved = buffer_at(run, run->plan->loss_saved),
    };
    return true;
}

static bool prepare(struct run *run)
{
    const struct graph *graph = run->graph;
    run->values = arena_array(&run->arena, (size_t)graph->value_count, sizeof(struct tensor));
    run->value_gradients = arena_array(&run->arena, (size_t)graph->value_count, sizeof(struct tensor));
    run->parameters = arena_array(&run->arena, (size_t)graph->parameter_slots, sizeof(struct tensor));
    run->parameter_gradients =
        arena_array(&run->arena, (size_t)graph->parameter_slots, sizeof(struct tensor));
    run->passes = arena_array(&run->arena, (size_t)graph->node_count, sizeof(*run->passes));
    if (!run->values || !run->value_gradients || !run->parameters || !run->parameter_gradients ||
        !run->passes)
        return false;
    load_values(run);
    load_parameters(run);
    const int *contributions = run->plan->contributions;
    for (int i = 0; i < graph->node_count; i++) {
        if (!prepare_pass(run, i, contributions))
            return false;
        contributions += graph->nodes[i].input_count;
    }
    return prepare_loss(run);
}

bool run_open(struct run *run, const struct run_plan *plan, struct stability_error *error)
{
    *run = (struct run){.graph = plan->graph, .plan = plan};
    /* Aligned by hand: the heap finds a block of the same size again, which aligned_alloc's padding keeps it
     * from. */
    run->memory = malloc(plan->memory.total + 64);
    run->block = (void *)(((uintptr_t)run->memory + 63) / 64 * 64);
    if (run->memory)
        stability_prefer_huge_pages(run->block, plan->memory.total);
    if (!run->memory || !prepare(run))
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for a run of %zu bytes",
                              plan->memory.total);
    return !run->stopped || stability_fail(error, STABILITY_ERROR_CANCELLED, NULL,
                                           "the work was stopped while tensors were drawn");
}

void run_close(struct run *run)
{
    free(run->memory);
    arena_free(&run->arena);
}

static bool proceed(const struct run *run, int64_t done, struct stability_error *error)
{
    int64_t total = 2 * (int64_t)run->graph->node_count + 2;
    return tell_progress(run, done <= run->graph->node_count ? "forward" : "backward", done) ||
           stability_fail(error, STABILITY_ERROR_CANCELLED, NULL,
                          "the work was stopped after %lld of %lld steps", (long long)done, (long long)total);
}

static void add_part(const struct run *run, const struct tensor *sum, int part)
{
    if (part >= 0)
        run->graph->kernels->add(sum->data, buffer_at(run, part), sum->count);
}

static void run_loss_backward(struct run *run)
{
    const struct graph *graph = run->graph;
    run->loss_pass.workspace = buffer_at(run, run->plan->loss_backward_workspace);
    graph->loss->backward(&run->loss_pass);
    for (int k = 0; k < graph->loss_input_count; k++)
        add_part(run, &run->value_gradients[graph->loss_inputs[k]], run->plan->loss_contributions[k]);
}

static void run_backward(struct run *run, int index, const int *contributions)
{
    const struct graph_node *node = &run->graph->nodes[index];
    struct layer_pass *pass = &run->passes[index];
    pass->workspace = buffer_at(run, run->plan->backward_workspace[index]);
    node->ops->backward(pass);
    for (int k = 0; k < node->input_count; k++)
        add_part(run, &run->value_gradients[node->inputs[k]], contributions[k]);
    for (int k = 0; k < node->parameter_count; k++) {
        int slot = graph_slot(run->graph, index, k);
        add_part(run, &run->parameter_gradients[slot], run->plan->parameter_parts[slot]);
    }
}

/* Tells of the gradients of a node's own parameters; of shared ones only at the end, when they are complete.
 */
static void tell_parameters(const struct run *run, const struct run_observer *observer, int index,
                            bool shared)
{
    const struct graph_node *node = &run->graph->nodes[index];
    for (int k = 0; observer->parameter_gradient && k < node->parameter_count; k++) {
        const struct graph_parameter *parameter = &node->parameters[k];
        if (parameter->present && parameter->is_shared == shared && parameter->shared_node < 0 &&
            run->parameter_gradients[graph_slot(run->graph, index, k)].data)
            observer->parameter_gradient(observer->context, index, k);
    }
}

static bool run_all_backward(struct run *run, const struct run_observer *observer,
                             struct stability_error *error)
{
    const struct graph *graph = run->graph;
    const int *contributions = run->plan->contributions;
    for (int i = 0; i < graph->node_count; i++)
        contributions += graph->nodes[i].input_count;
    for (int i = graph->node_count - 1; i >= 0; i--) {
        contributions -= graph->nodes[i].input_count;
        if (!proceed(run, 2 * (int64_t)graph->node_count + 1 - i, error))
            return false;
        if (observer->output_gradients)
            observer->output_gradients(observer->context, i);
        if (!graph->nodes[i].backward)
            continue;
        run_backward(run, i, contributions);
        if (observer->backward)
            observer->backward(observer->context, i);
        tell_parameters(run, observer, i, false);
    }
    for (int i = 0; i < graph->node_count; i++)
        tell_parameters(run, observer, i, true);
    return true;
}

bool run_forward(struct run *run, const struct run_observer *observer, struct stability_error *error)
{
    const struct graph *graph = run->graph;
    for (int i = 0; i < graph->node_count; i++) {
        if (!proceed(run, i, error))
            return false;
        run->passes[i].workspace = buffer_at(run, run->plan->forward_workspace[i]);
        graph->nodes[i].ops->forward(&run->passes[i]);
        if (observer->forward)
            observer->forward(observer->context, i);
    }
    if (!proceed(run, graph->node_count, error))
        return false;
    run->loss_pass.workspace = buffer_at(run, run->plan->loss_forward_workspace);
    run->loss = graph->loss->forward(&run->loss_pass);
    return true;
}

bool run_execute(struct run *run, const struct run_observer *observer, struct stability_error *error)
{
    if (!run_forward(run, observer, error))
        return false;
    run_loss_backward(run);
    return run_all_backward(run, observer, error);
}
