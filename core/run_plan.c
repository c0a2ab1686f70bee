/* Lifetimes of everything that a run needs. */
#include "core/init.h"
#include "core/run.h"

struct planner {
    struct run_plan *plan;
    const struct graph *graph;
    int nodes;
    int end; /* the last step */
};

static int backward_step(const struct planner *p, int node)
{
    return 2 * p->nodes + 1 - node;
}

static size_t real_bytes(const struct planner *p, int64_t count)
{
    return (size_t)count * p->graph->kernels->real_size;
}

static int reserve_reals(struct planner *p, int64_t count, int first, int last)
{
    return memory_reserve(&p->plan->memory, real_bytes(p, count), first, last);
}

/* The last step of what RUN_KEEP keeps. */
static int last_step(const struct planner *p, int last)
{
    return p->plan->flags & RUN_KEEP ? p->end : last;
}

/* Tensors of the request that already are what the kernels read stay where they are. The others are reserved
 * before anything else and to the end, so that the rest of the plan is the same however they were sent. */
static bool usable_in_place(const struct planner *p, const struct stability_tensor *tensor)
{
    return !(p->plan->flags & RUN_OWN) && tensor->dtype == p->graph->kernels->dtype &&
           (uintptr_t)tensor->data % p->graph->kernels->real_size == 0;
}

static int reserve_given(struct planner *p, const struct stability_tensor *tensor, int64_t count)
{
    if (!usable_in_place(p, tensor))
        return reserve_reals(p, count, 0, p->end);
    p->plan->in_place += (int64_t)memory_size(real_bytes(p, count));
    return -1;
}

static void plan_given(struct planner *p)
{
    const struct graph *graph = p->graph;
    for (int i = 0; i < graph->model_input_count; i++) {
        const struct graph_value *value = &graph->values[i];
        if (!value->data->recipe.name)
            p->plan->values[i] = reserve_given(p, &value->data->tensor, value->count);
    }
    if (!graph->target->recipe.name)
        p->plan->target = reserve_given(p, &graph->target->tensor, graph->target_count);
    for (int i = 0; i < p->nodes; i++) {
        const struct graph_node *node = &graph->nodes[i];
        for (int k = 0; k < node->parameter_count; k++) {
            const struct graph_parameter *parameter = &node->parameters[k];
            if (parameter->present && parameter->given)
                p->plan->parameters[graph_slot(graph, i, k)] =
                    reserve_given(p, parameter->given, parameter->count);
        }
    }
}

/* The last step that reads a value. */
static void plan_values(struct planner *p)
{
    const struct graph *graph = p->graph;
    struct memory_plan *memory = &p->plan->memory;
    for (int i = 0; i < graph->value_count; i++) {
        const struct graph_value *value = &graph->values[i];
        if (value->producer < 0) {
            if (value->data->recipe.name)
                p->plan->values[i] = reserve_reals(p, value->count, 0, last_step(p, 0));
            continue;
        }
        const struct graph_node *node = &graph->nodes[value->producer];
        p->plan->values[i] = reserve_reals(p, value->count, value->producer, last_step(p, value->producer));
        if (node->backward && !(node->ops->unread & LAYER_UNREAD_OUTPUTS))
            memory_extend(memory, p->plan->values[i], backward_step(p, value->producer));
    }
    for (int i = 0; i < p->nodes; i++) {
        const struct graph_node *node = &graph->nodes[i];
        bool again = node->backward && !(node->ops->unread & LAYER_UNREAD_INPUTS);
        for (int k = 0; k < node->input_count; k++)
            if (p->plan->values[node->inputs[k]] >= 0)
                memory_extend(memory, p->plan->values[node->inputs[k]], again ? backward_step(p, i) : i);
    }
    for (int k = 0; k < graph->loss_input_count; k++)
        if (p->plan->values[graph->loss_inputs[k]] >= 0)
            memory_extend(memory, p->plan->values[graph->loss_inputs[k]], p->nodes + 1);
    if (graph->target->recipe.name)
        p->plan->target = reserve_reals(p, graph->target_count, 0, last_step(p, p->nodes + 1));
}

/* A reader writes its part of a value's gradient at `step`: the first one straight into it. */
static int plan_contribution(struct planner *p, int index, int step)
{
    const struct graph_value *value = &p->graph->values[index];
    if (!value->wants_gradient)
        return -1;
    int *gradient = &p->plan->value_gradients[index];
    if (*gradient < 0) {
        bool stays = value->producer < 0 || (p->plan->flags & RUN_KEEP_GRADIENTS);
        *gradient = reserve_reals(p, value->count, step, stays ? p->end : backward_step(p, value->producer));
        return -1;
    }
    return reserve_reals(p, value->count, step, step);
}

static void plan_gradients(struct planner *p)
{
    const struct graph *graph = p->graph;
    for (int k = 0; k < graph->loss_input_count; k++)
        p->plan->loss_contributions[k] = plan_contribution(p, graph->loss_inputs[k], p->nodes + 1);
    int slot = 0;
    for (int i = 0; i < p->nodes; i++)
        slot += graph->nodes[i].input_count;
    for (int i = p->nodes - 1; i >= 0; i--) {
        const struct graph_node *node = &graph->nodes[i];
        slot -= node->input_count;
        for (int k = 0; k < node->input_count; k++)
            p->plan->contributions[slot + k] =
                node->backward ? plan_contribution(p, node->inputs[k], backward_step(p, i)) : -1;
    }
}

static void plan_parameter(struct planner *p, const struct graph_node *node, int index, int step)
{
    struct run_plan *plan = p->plan;
    const struct graph_parameter *parameter = &node->parameters[index];
    int slot = node->first_parameter + index;
    if (!parameter->present)
        return;
    int owner = slot;
    if (parameter->shared_node >= 0)
        owner = graph_slot(p->graph, parameter->shared_node, parameter->shared_parameter);
    else if (!parameter->given)
        plan->parameters[slot] = reserve_reals(p, parameter->count, 0, p->end);
    if (!node->backward || parameter->row->buffer)
        return;
    /* From back to front: the first user of a shared parameter writes it, the others add to it. */
    if (plan->parameter_gradients[owner] < 0)
        plan->parameter_gradients[owner] = reserve_reals(p, parameter->count, step, last_step(p, step));
    else
        plan->parameter_parts[slot] = reserve_reals(p, parameter->count, step, step);
    plan->parameter_gradients[slot] = plan->parameter_gradients[owner];
    if (parameter->is_shared)
        memory_extend(&plan->memory, plan->parameter_gradients[owner], p->end);
}

static void plan_nodes(struct planner *p)
{
    size_t scratch = 0;
    for (int i = p->nodes - 1; i >= 0; i--) {
        const struct graph_node *node = &p->graph->nodes[i];
        struct memory_plan *memory = &p->plan->memory;
        int back = backward_step(p, i);
        p->plan->saved[i] = memory_reserve(memory, node->saved, i, last_step(p, node->backward ? back : i));
        p->plan->forward_workspace[i] = memory_reserve(memory, node->workspace, i, i);
        if (node->backward)
            p->plan->backward_workspace[i] = memory_reserve(memory, node->workspace, back, back);
        for (int k = 0; k < node->parameter_count; k++) {
            const struct graph_parameter *parameter = &node->parameters[k];
            plan_parameter(p, node, k, back);
            if (parameter->init && init_workspace(parameter->init, &parameter->shape) > scratch)
                scratch = init_workspace(parameter->init, &parameter->shape);
        }
    }
    p->plan->init_workspace = memory_reserve(&p->plan->memory, scratch, 0, 0);
}

static int *indices(struct arena *arena, int count)
{
    int *array = arena_array(arena, (size_t)count, sizeof(*array));
    for (int i = 0; array && i < count; i++)
        array[i] = -1;
    return array;
}

static bool take_tables(struct run_plan *plan, const struct graph *graph, struct arena *arena)
{
    int inputs = 0;
    for (int i = 0; i < graph->node_count; i++)
        inputs += graph->nodes[i].input_count;
    struct {
        int **table;
        int count;
    } tables[] = {
        {&plan->values, graph->value_count},
        {&plan->value_gradients, graph->value_count},
        {&plan->parameters, graph->parameter_slots},
        {&plan->parameter_gradients, graph->parameter_slots},
        {&plan->parameter_parts, graph->parameter_slots},
        {&plan->saved, graph->node_count},
        {&plan->forward_workspace, graph->node_count},
        {&plan->backward_workspace, graph->node_count},
        {&plan->contributions, inputs},
        {&plan->loss_contributions, graph->loss_input_count},
    };
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        if (!(*tables[i].table = indices(arena, tables[i].count)))
            return false;
    return true;
}

bool run_plan_make(struct run_plan *plan, const struct graph *graph, int flags, struct arena *arena,
                   struct stability_error *error)
{
    *plan = (struct run_plan){.graph = graph, .flags = flags, .memory = {.arena = arena}};
    struct planner planner = {plan, graph, graph->node_count, 2 * graph->node_count + 1};
    if (!take_tables(plan, graph, arena))
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for the plan");
    plan->target = -1;
    plan_given(&planner);
    plan_values(&planner);
    plan_gradients(&planner);
    plan_nodes(&planner);
    int loss = graph->node_count;
    plan->loss_saved = memory_reserve(&plan->memory, graph->loss_saved, loss, loss + 1);
    plan->loss_forward_workspace = memory_reserve(&plan->memory, graph->loss_workspace, loss, loss);
    plan->loss_backward_workspace = memory_reserve(&plan->memory, graph->loss_workspace, loss + 1, loss + 1);
    if (memory_place(&plan->memory, planner.end + 1))
        return true;
    if (plan->memory.too_large)
        return stability_fail(error, STABILITY_ERROR_MODEL_TOO_LARGE, "/model",
                              "the model needs more memory than this machine can address");
    return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for the plan");
}
