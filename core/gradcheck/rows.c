#include "core/gradcheck/rows.h"

#include "core/gradcheck/evaluator.h"

#include <string.h>

/* Rows that are taken at once, and elements of a matrix of them unless it takes more for one row: the second
 * cache holds two. */
enum { CHUNK = 64, MATRIX = 1 << 14 };

/* Some rows on their way to the loss. */
struct chunk {
    const struct evaluator *evaluator;
    int64_t first; /* of the base's rows */
    int64_t rows;
    int points;
    struct evaluation *results; /* of the points */
    int done;                   /* affected nodes */
    int64_t column;             /* the one that has changed */
    int64_t changed;            /* rows in which it has, at any point */
    /* (points, changed) */
    int64_t *origins; /* rows of the base */
    double *values;   /* of the column */
    double *added;    /* to the base's */
};

static const struct graph *graph_of(const struct evaluator *e)
{
    return e->base->graph;
}

static int64_t width_of(const struct stability_shape *shape)
{
    return shape->rank ? shape->sizes[shape->rank - 1] : 1;
}

static struct tensor matrix_of(const double *data, int64_t rows, int64_t width)
{
    return (struct tensor){(void *)(uintptr_t)data, {2, {rows, width}}, rows * width};
}

/* ---- memory ---- */

static int64_t widest(const struct graph *graph)
{
    int64_t most = 1;
    for (int i = 0; i < graph->value_count; i++)
        if (width_of(&graph->values[i].shape) > most)
            most = width_of(&graph->values[i].shape);
    return most;
}

static int64_t loss_rows(const struct graph *graph)
{
    const struct graph_value *value = &graph->values[graph->loss_inputs[0]];
    int64_t width = width_of(&value->shape);
    return width ? value->count / width : 0;
}

/* Rows that are taken at once, counted at all points. */
static int64_t most_rows(const struct graph *graph)
{
    int64_t all = MOST_POINTS * (loss_rows(graph) < CHUNK ? loss_rows(graph) : CHUNK);
    int64_t room = MATRIX / widest(graph);
    return all < room ? all : room < MOST_POINTS ? MOST_POINTS : room;
}

static int64_t target_width(const struct graph *graph)
{
    int64_t rows = loss_rows(graph);
    return rows ? graph->target_count / rows : 0;
}

/* Bytes that the loss saves of as many rows. */
static size_t saved_bytes(const struct graph *graph)
{
    size_t rows = (size_t)loss_rows(graph);
    return rows ? (graph->loss_saved + rows - 1) / rows * (size_t)most_rows(graph) : 0;
}

size_t row_path_bytes(const struct graph *graph)
{
    int64_t elements = loss_rows(graph) + most_rows(graph) * (2 * widest(graph) + target_width(graph));
    return graph->loss->row_losses ? (size_t)elements * sizeof(double) + saved_bytes(graph) : 0;
}

bool row_path_open(struct evaluator *e, struct stability_error *error)
{
    const struct graph *graph = graph_of(e);
    struct row_path *path = &e->row_path;
    if (!graph->loss->row_losses || loss_rows(graph) == 0)
        return true;
    path->target_width = target_width(graph);
    path->losses = arena_array(&e->arena, (size_t)loss_rows(graph), sizeof(double));
    path->target = arena_array(&e->arena, (size_t)(most_rows(graph) * path->target_width), sizeof(double));
    path->saved = arena_allocate(&e->arena, saved_bytes(graph));
    for (int i = 0; i < 2; i++)
        path->matrices[i] =
            arena_array(&e->arena, (size_t)(most_rows(graph) * widest(graph)), sizeof(double));
    if (!path->losses || !path->target || !path->saved || !path->matrices[0] || !path->matrices[1])
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for a gradient check");
    struct loss_pass pass = e->base->loss_pass;
    pass.saved = e->saved;
    pass.workspace = e->workspace;
    path->divisor = graph->loss->row_losses(&pass, path->losses);
    return true;
}

/* ---- where it leads ---- */

static bool dies(const struct graph_node *node)
{
    return node->ops->activation && node->ops->activation->dies;
}

/* Whether rows can be expected that an element has no effect on: those where its layer's input is 0, or where
 * an activation behind it is flat. Where all change, there is nothing to be gained. */
static bool drops_rows(const struct evaluator *e)
{
    const struct graph *graph = graph_of(e);
    int producer = graph->values[graph->nodes[e->only_user].inputs[0]].producer;
    return (producer >= 0 && dies(&graph->nodes[producer])) ||
           (e->affected_count > 1 && dies(&graph->nodes[e->affected[1]]));
}

/* Whether it maps each row of one value to a row of another one. */
static bool maps_rows(const struct graph_node *node)
{
    return node->input_count == 1 && (node->ops->activation || node->ops->input_column) && node->saved == 0 &&
           node->workspace == 0;
}

bool row_path_leads(const struct evaluator *e)
{
    const struct graph *graph = graph_of(e);
    if (e->row_path.divisor == 0 || e->only_user < 0 || !graph->nodes[e->only_user].ops->parameter_column ||
        !drops_rows(e) || graph->loss_input_count != 1)
        return false;
    int value = graph->nodes[e->only_user].first_output;
    for (int i = 1; i < e->affected_count; i++) {
        const struct graph_node *node = &graph->nodes[e->affected[i]];
        if (!maps_rows(node) || node->inputs[0] != value)
            return false;
        value = node->first_output;
    }
    return graph->loss_inputs[0] == value;
}

/* ---- from the parameter to the loss ---- */

static const struct graph_node *node_at(const struct chunk *c, int place)
{
    return &graph_of(c->evaluator)->nodes[c->evaluator->affected[place]];
}

/* The base's output of the last node that is done. */
static const struct tensor *base_output(const struct chunk *c)
{
    return &c->evaluator->base->values[node_at(c, c->done - 1)->first_output];
}

/* The column of it in the chunk's rows. */
static void load_column(const struct chunk *c, double *values)
{
    const struct tensor *base = base_output(c);
    int64_t width = width_of(&base->shape);
    const double *column = (const double *)base->data + c->first * width + c->column;
    for (int64_t r = 0; r < c->rows; r++)
        values[r] = column[r * width];
}

static void add_switches(struct chunk *c, int point, uint64_t switches)
{
    c->results[point].switches = c->results[point].switches * 0x9e3779b97f4a7c15u + switches;
}

/* Runs the next node; at every point it has `rows` rows. */
static void run_node(struct chunk *c, int64_t rows, const double *from, int64_t from_width, double *to,
                     int64_t to_width)
{
    const struct layer_ops *ops = node_at(c, c->done)->ops;
    struct layer_pass pass = c->evaluator->passes[c->evaluator->affected[c->done++]];
    struct tensor input = matrix_of(from, c->points * rows, from_width),
                  output = matrix_of(to, c->points * rows, to_width);
    pass.inputs = &input;
    pass.outputs = &output;
    ops->forward(&pass);
    for (int k = 0; ops->switches && k < c->points; k++) {
        input = matrix_of(from + k * rows * from_width, rows, from_width);
        output = matrix_of(to + k * rows * to_width, rows, to_width);
        add_switches(c, k, ops->switches(&pass));
    }
}

/* The column at all points, as the parameter's layer puts it out and the activations behind that. */
static const double *change_column(struct chunk *c, int64_t element, const double *steps,
                                   double columns[2][MOST_POINTS * CHUNK])
{
    const struct evaluator *e = c->evaluator;
    struct layer_pass pass = e->passes[e->only_user];
    int64_t width = width_of(&pass.inputs[0].shape);
    struct tensor input = matrix_of((const double *)pass.inputs[0].data + c->first * width, c->rows, width);
    pass.inputs = &input;
    for (int k = 0; k < c->points; k++)
        c->column =
            node_at(c, 0)->ops->parameter_column(&pass, e->row, element, steps[k], columns[0] + k * c->rows);
    c->done = 1;
    double before[CHUNK];
    load_column(c, before);
    for (int k = 0; k < c->points; k++)
        for (int64_t r = 0; r < c->rows; r++)
            columns[0][k * c->rows + r] += before[r];
    int now = 0;
    for (; c->done < e->affected_count && node_at(c, c->done)->ops->activation; now = 1 - now)
        run_node(c, c->rows, columns[now], 1, columns[1 - now], 1);
    return columns[now];
}

/* Keeps the rows that differ from the base's at any point. */
static void keep_changed(struct chunk *c, const double *column)
{
    double before[CHUNK];
    int64_t changed[CHUNK];
    load_column(c, before);
    c->changed = 0;
    for (int64_t r = 0; r < c->rows; r++) {
        bool differs = false;
        for (int k = 0; k < c->points; k++)
            differs |= column[k * c->rows + r] != before[r];
        changed[c->changed] = r;
        c->changed += differs;
    }
    for (int k = 0; k < c->points; k++)
        for (int64_t j = 0; j < c->changed; j++) {
            int64_t i = k * c->changed + j;
            c->origins[i] = c->first + changed[j];
            c->values[i] = column[k * c->rows + changed[j]];
            c->added[i] = c->values[i] - before[changed[j]];
        }
}

/* The whole rows: those of the next node's output, or where the loss comes next, of its input. */
static void widen(struct chunk *c, double *matrix)
{
    const struct evaluator *e = c->evaluator;
    int64_t count = c->points * c->changed;
    if (c->done < e->affected_count) {
        int index = e->affected[c->done++];
        struct row_changes changes = {count, c->origins, c->added, base_output(c)->data, matrix};
        graph_of(e)->nodes[index].ops->input_column(&e->passes[index], c->column, &changes);
        return;
    }
    const struct tensor *base = base_output(c);
    int64_t width = width_of(&base->shape);
    for (int64_t i = 0; i < count; i++) {
        memcpy(matrix + i * width, (const double *)base->data + c->origins[i] * width,
               (size_t)width * sizeof(double));
        matrix[i * width + c->column] = c->values[i];
    }
}

/* Adds what the rows change of the loss, before it is divided. */
static void add_losses(struct chunk *c, const double *matrix)
{
    const struct evaluator *e = c->evaluator;
    const struct row_path *path = &e->row_path;
    const struct loss_ops *loss = graph_of(e)->loss;
    int64_t width = width_of(&base_output(c)->shape), count = c->points * c->changed;
    struct loss_pass pass = e->loss_pass;
    struct tensor input = matrix_of(matrix, count, width);
    double losses[MOST_POINTS * CHUNK];
    for (int64_t i = 0; i < count; i++)
        memcpy(path->target + i * path->target_width,
               (const double *)pass.target.data + c->origins[i] * path->target_width,
               (size_t)path->target_width * sizeof(double));
    pass.target = matrix_of(path->target, count, path->target_width);
    pass.inputs = &input;
    pass.saved = path->saved;
    loss->row_losses(&pass, losses);
    for (int k = 0; k < c->points; k++) {
        double more = 0;
        for (int64_t i = k * c->changed; i < (k + 1) * c->changed; i++)
            more += losses[i] - path->losses[c->origins[i]];
        c->results[k].loss += more;
        pass.target = matrix_of(path->target, c->changed, path->target_width);
        input = matrix_of(matrix + k * c->changed * width, c->changed, width);
        if (loss->switches)
            add_switches(c, k, loss->switches(&pass));
    }
}

static void run_chunk(struct chunk *c, int64_t element, const double *steps)
{
    const struct evaluator *e = c->evaluator;
    double columns[2][MOST_POINTS * CHUNK];
    keep_changed(c, change_column(c, element, steps, columns));
    if (c->changed == 0)
        return;
    int now = 0;
    for (widen(c, e->row_path.matrices[0]); c->done < e->affected_count; now = 1 - now) {
        int64_t width = width_of(&base_output(c)->shape);
        run_node(c, c->changed, e->row_path.matrices[now], width, e->row_path.matrices[1 - now],
                 width_of(&e->places[node_at(c, c->done)->first_output].shape));
    }
    add_losses(c, e->row_path.matrices[now]);
}

void row_path_shift(const struct evaluator *e, int64_t element, const double *steps, int count,
                    struct evaluation *results)
{
    const struct graph *graph = graph_of(e);
    int64_t rows = loss_rows(graph), most = most_rows(graph) / count;
    int64_t origins[MOST_POINTS * CHUNK];
    double values[MOST_POINTS * CHUNK], added[MOST_POINTS * CHUNK];
    for (int k = 0; k < count; k++)
        results[k] = (struct evaluation){0};
    for (int64_t first = 0, taken; first < rows; first += taken) {
        taken = rows - first < most ? rows - first : most;
        taken = taken < CHUNK ? taken : CHUNK;
        struct chunk chunk = {
            e, first, taken, count, results, .origins = origins, .values = values, .added = added};
        run_chunk(&chunk, element, steps);
    }
    for (int k = 0; k < count; k++)
        results[k].loss = e->base->loss + results[k].loss / e->row_path.divisor;
}
