#include "core/gradcheck/evaluator.h"

#include <stdlib.h>
#include <string.h>

/* What happens to a value when the parameter changes. */
enum change { UNCHANGED, ONE_COLUMN, ALL_CHANGED };

struct change_state {
    enum change change;
    int64_t column; /* ONE_COLUMN: index into the last dimension */
    bool is_base;   /* the second place holds the base value everywhere else */
};

static const struct graph *graph_of(const struct evaluator *e)
{
    return e->base->graph;
}

static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static size_t largest_parameter(const struct graph *graph)
{
    int64_t most = 0;
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].parameter_count; k++)
            if (graph->nodes[i].parameters[k].present && graph->nodes[i].parameters[k].count > most)
                most = graph->nodes[i].parameters[k].count;
    return (size_t)most * sizeof(double);
}

/* Largest number of rows of a value, and needs of single layers. */
static void scan(const struct graph *graph, size_t *values, size_t *column, size_t *saved, size_t *workspace)
{
    *values = *column = 0;
    *saved = round_up(graph->loss_saved);
    *workspace = round_up(graph->loss_workspace);
    for (int i = graph->model_input_count; i < graph->value_count; i++) {
        const struct stability_shape *shape = &graph->values[i].shape;
        int64_t last = shape->rank ? shape->sizes[shape->rank - 1] : 1;
        size_t rows = last ? (size_t)(graph->values[i].count / last) : 0;
        *values += round_up((size_t)graph->values[i].count * sizeof(double));
        if (rows * sizeof(double) > *column)
            *column = rows * sizeof(double);
    }
    for (int i = 0; i < graph->node_count; i++) {
        if (round_up(graph->nodes[i].saved) > *saved)
            *saved = round_up(graph->nodes[i].saved);
        if (round_up(graph->nodes[i].workspace) > *workspace)
            *workspace = round_up(graph->nodes[i].workspace);
    }
}

static size_t block_bytes(const struct graph *graph)
{
    size_t values, column, saved, workspace;
    scan(graph, &values, &column, &saved, &workspace);
    return values + round_up(2 * column) + saved + workspace + round_up(largest_parameter(graph)) + 64;
}

size_t evaluator_bytes(const struct run_plan *plan)
{
    const struct graph *graph = plan->graph;
    size_t inputs = 0;
    for (int i = 0; i < graph->node_count; i++)
        inputs += (size_t)graph->nodes[i].input_count;
    return block_bytes(graph) + inputs * sizeof(struct tensor) +
           (size_t)graph->parameter_slots * sizeof(struct tensor) + row_path_bytes(graph) +
           (size_t)graph->node_count * (sizeof(struct layer_pass) + sizeof(int)) +
           (size_t)graph->value_count * (sizeof(struct tensor) + sizeof(struct change_state));
}

static void *carve(char **next, size_t bytes)
{
    void *piece = *next;
    *next += round_up(bytes);
    return piece;
}

static void lay_out(struct evaluator *e)
{
    const struct graph *graph = graph_of(e);
    size_t values, column, saved, workspace;
    scan(graph, &values, &column, &saved, &workspace);
    char *next = e->block;
    for (int i = 0; i < graph->value_count; i++) {
        e->places[i] = e->base->values[i];
        if (graph->values[i].producer >= 0)
            e->places[i].data = carve(&next, (size_t)graph->values[i].count * sizeof(double));
    }
    e->columns = carve(&next, 2 * column);
    e->column_size = column / sizeof(double);
    e->saved = carve(&next, saved);
    e->workspace = carve(&next, workspace);
    e->parameter = carve(&next, largest_parameter(graph));
}

bool evaluator_open(struct evaluator *e, const struct run *base, struct stability_error *error)
{
    *e = (struct evaluator){.base = base};
    const struct graph *graph = base->graph;
    size_t inputs = (size_t)graph->loss_input_count;
    for (int i = 0; i < graph->node_count; i++)
        inputs += (size_t)graph->nodes[i].input_count;
    e->block = aligned_alloc(64, block_bytes(graph));
    e->places = arena_array(&e->arena, (size_t)graph->value_count, sizeof(*e->places));
    e->changes = arena_array(&e->arena, (size_t)graph->value_count, sizeof(*e->changes));
    e->passes = arena_array(&e->arena, (size_t)graph->node_count, sizeof(*e->passes));
    e->inputs = arena_array(&e->arena, inputs, sizeof(*e->inputs));
    e->parameters = arena_array(&e->arena, (size_t)graph->parameter_slots, sizeof(*e->parameters));
    e->affected = arena_array(&e->arena, (size_t)graph->node_count, sizeof(*e->affected));
    if (!e->block || !e->places || !e->changes || !e->passes || !e->inputs || !e->parameters || !e->affected)
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for a gradient check");
    lay_out(e);
    return row_path_open(e, error);
}

void evaluator_close(struct evaluator *e)
{
    free(e->block);
    arena_free(&e->arena);
}

/* ---- which nodes depend on a parameter ---- */

static bool uses(const struct graph_node *node, int index, int owner, int parameter)
{
    for (int k = 0; k < node->parameter_count; k++) {
        const struct graph_parameter *p = &node->parameters[k];
        if (p->present && (index == owner ? k == parameter && p->shared_node < 0
                                          : p->shared_node == owner && p->shared_parameter == parameter))
            return true;
    }
    return false;
}

static bool changes(const struct evaluator *e, int value)
{
    return e->changes[value].change != UNCHANGED;
}

static void mark_affected(struct evaluator *e, int owner, int parameter)
{
    const struct graph *graph = graph_of(e);
    int users = 0;
    e->affected_count = 0;
    for (int i = 0; i < graph->value_count; i++)
        e->changes[i] = (struct change_state){.change = UNCHANGED};
    for (int i = owner; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        bool is_user = uses(node, i, owner, parameter);
        bool affected = is_user;
        for (int k = 0; k < node->input_count; k++)
            affected |= changes(e, node->inputs[k]);
        users += is_user;
        if (!affected)
            continue;
        e->affected[e->affected_count++] = i;
        for (int k = 0; k < node->output_count; k++)
            e->changes[node->first_output + k].change = ALL_CHANGED;
    }
    e->only_user = users == 1 ? owner : -1;
    e->row = parameter;
}

static struct tensor input_of(const struct evaluator *e, int value)
{
    return changes(e, value) ? e->places[value] : e->base->values[value];
}

/* Passes of the affected nodes, and of the loss, over the second places of what changes. */
static void wire(struct evaluator *e)
{
    const struct graph *graph = graph_of(e);
    struct tensor *next = e->inputs;
    for (int i = 0; i < e->affected_count; i++) {
        const struct graph_node *node = &graph->nodes[e->affected[i]];
        struct layer_pass *pass = &e->passes[e->affected[i]];
        *pass = e->base->passes[e->affected[i]];
        pass->inputs = next;
        pass->outputs = &e->places[node->first_output];
        pass->parameters = &e->parameters[node->first_parameter];
        pass->saved = e->saved;
        pass->workspace = e->workspace;
        for (int k = 0; k < node->input_count; k++)
            *next++ = input_of(e, node->inputs[k]);
    }
    e->loss_pass = e->base->loss_pass;
    e->loss_pass.inputs = next;
    e->loss_pass.saved = e->saved;
    e->loss_pass.workspace = e->workspace;
    for (int k = 0; k < graph->loss_input_count; k++)
        *next++ = input_of(e, graph->loss_inputs[k]);
}

void evaluator_select(struct evaluator *e, int node, int parameter)
{
    const struct graph *graph = graph_of(e);
    int slot = graph_slot(graph, node, parameter);
    e->base_parameter = e->base->parameters[slot].data;
    e->parameter_count = e->base->parameters[slot].count;
    memcpy(e->parameter, e->base_parameter, (size_t)e->parameter_count * sizeof(double));
    for (int i = 0; i < graph->parameter_slots; i++) {
        e->parameters[i] = e->base->parameters[i];
        if (e->parameters[i].data == e->base_parameter)
            e->parameters[i].data = e->parameter;
    }
    mark_affected(e, node, parameter);
    wire(e);
    e->by_rows = row_path_leads(e);
}

/* ---- changes that stay in one column ---- */

static int64_t row_length(const struct tensor *tensor)
{
    return tensor->shape.rank ? tensor->shape.sizes[tensor->shape.rank - 1] : 1;
}

/* Makes the second place of a value hold its base, but for one column that the caller overwrites. */
static void begin_column(struct evaluator *e, int value, int64_t column)
{
    struct change_state *state = &e->changes[value];
    const double *base = e->base->values[value].data;
    double *place = e->places[value].data;
    int64_t count = e->places[value].count, length = row_length(&e->places[value]);
    if (!state->is_base)
        memcpy(place, base, (size_t)count * sizeof(double));
    else if (state->change == ONE_COLUMN && state->column != column)
        for (int64_t i = state->column; i < count; i += length)
            place[i] = base[i];
    *state = (struct change_state){ONE_COLUMN, column, true};
}

/* A tensor that is one column. */
static struct tensor column_tensor(double *data, int64_t rows)
{
    return (struct tensor){data, {1, {rows}}, rows};
}

/* The layer that has the parameter, where a shift of one element changes one column of its output. */
static void shift_parameter(struct evaluator *e, int index, int64_t element, double step)
{
    const struct graph_node *node = &graph_of(e)->nodes[index];
    const struct tensor *place = &e->places[node->first_output];
    int64_t column = node->ops->parameter_column(&e->passes[index], e->row, element, step, e->columns);
    begin_column(e, node->first_output, column);
    int64_t length = row_length(place), rows = place->count / length;
    const double *base = e->base->values[node->first_output].data;
    double *values = place->data;
    for (int64_t r = 0; r < rows; r++)
        values[r * length + column] = base[r * length + column] + e->columns[r];
}

/* An activation of a value that changed in one column: only that one is computed. Returns its switches. */
static uint64_t activate_column(struct evaluator *e, int index)
{
    const struct graph_node *node = &graph_of(e)->nodes[index];
    const struct tensor *input = &e->places[node->inputs[0]], *output = &e->places[node->first_output];
    int64_t column = e->changes[node->inputs[0]].column, length = row_length(input),
            rows = input->count / length;
    begin_column(e, node->first_output, column);
    const double *from = input->data;
    double *to = output->data;
    struct tensor before = column_tensor(e->columns, rows),
                  after = column_tensor(e->columns + e->column_size, rows);
    for (int64_t r = 0; r < rows; r++)
        ((double *)before.data)[r] = from[r * length + column];
    struct layer_pass pass = e->passes[index];
    pass.inputs = &before;
    pass.outputs = &after;
    node->ops->forward(&pass);
    for (int64_t r = 0; r < rows; r++)
        to[r * length + column] = ((double *)after.data)[r];
    return node->ops->switches ? node->ops->switches(&pass) : 0;
}

/* A linear map of such a value. */
static void map_column(struct evaluator *e, int index)
{
    const struct graph_node *node = &graph_of(e)->nodes[index];
    int64_t column = e->changes[node->inputs[0]].column;
    const double *now = e->places[node->inputs[0]].data, *base = e->base->values[node->inputs[0]].data;
    int64_t count = e->places[node->inputs[0]].count, length = row_length(&e->places[node->inputs[0]]);
    for (int64_t i = column, r = 0; i < count; i += length, r++)
        e->columns[r] = now[i] - base[i];
    struct row_changes changes = {.count = count / length,
                                  .change = e->columns,
                                  .base = e->base->values[node->first_output].data,
                                  .output = e->places[node->first_output].data};
    node->ops->input_column(&e->passes[index], column, &changes);
}

/* ---- evaluations ---- */

static bool reads_one_column(const struct evaluator *e, const struct graph_node *node)
{
    return node->input_count == 1 && e->changes[node->inputs[0]].change == ONE_COLUMN;
}

static uint64_t run_whole(struct evaluator *e, int index)
{
    const struct graph_node *node = &graph_of(e)->nodes[index];
    node->ops->forward(&e->passes[index]);
    return node->ops->switches ? node->ops->switches(&e->passes[index]) : 0;
}

/* Runs one node in the cheapest way; `element` below 0: the whole parameter has changed. */
static uint64_t run_node(struct evaluator *e, int index, int64_t element, double step)
{
    const struct graph_node *node = &graph_of(e)->nodes[index];
    uint64_t switches = 0;
    if (index == e->only_user && element >= 0 && node->ops->parameter_column &&
        e->places[node->first_output].count > 0) {
        shift_parameter(e, index, element, step);
        return 0;
    }
    if (reads_one_column(e, node) && node->ops->activation)
        return activate_column(e, index);
    if (reads_one_column(e, node) && node->ops->input_column)
        map_column(e, index);
    else
        switches = run_whole(e, index);
    for (int k = 0; k < node->output_count; k++)
        e->changes[node->first_output + k] = (struct change_state){.change = ALL_CHANGED};
    return switches;
}

static struct evaluation evaluate(struct evaluator *e, int64_t element, double step)
{
    struct evaluation result = {0};
    for (int i = 0; i < e->affected_count; i++)
        result.switches = result.switches * 0x9e3779b97f4a7c15u + run_node(e, e->affected[i], element, step);
    const struct loss_ops *loss = graph_of(e)->loss;
    result.loss = loss->forward(&e->loss_pass);
    if (loss->switches)
        result.switches = result.switches * 0x9e3779b97f4a7c15u + loss->switches(&e->loss_pass);
    return result;
}

void evaluator_shift(struct evaluator *e, int64_t element, const double *steps, int count,
                     struct evaluation *results)
{
    if (e->by_rows) {
        row_path_shift(e, element, steps, count, results);
        return;
    }
    for (int k = 0; k < count; k++) {
        e->parameter[element] = e->base_parameter[element] + steps[k];
        results[k] = evaluate(e, element, steps[k]);
    }
    e->parameter[element] = e->base_parameter[element];
}

struct evaluation evaluator_shift_along(struct evaluator *e, const double *direction, double step)
{
    for (int64_t i = 0; i < e->parameter_count; i++)
        e->parameter[i] = e->base_parameter[i] + step * direction[i];
    struct evaluation result = evaluate(e, -1, step);
    memcpy(e->parameter, e->base_parameter, (size_t)e->parameter_count * sizeof(double));
    return result;
}
