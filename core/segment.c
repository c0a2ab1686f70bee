#include "core/segment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- which layers lie on a path ---- */

static bool reads_active(const struct graph_node *node, const bool *active)
{
    for (int k = 0; k < node->input_count; k++)
        if (active[node->inputs[k]])
            return true;
    return false;
}

static bool makes_active(const struct graph_node *node, const bool *active)
{
    for (int k = 0; k < node->output_count; k++)
        if (active[node->first_output + k])
            return true;
    return false;
}

void segment_mark(const struct graph *graph, int from, int to, bool *active, bool *behind)
{
    behind[from] = true;
    for (int i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        bool reached = reads_active(node, behind) && !node->ops->indexes;
        for (int k = 0; k < node->output_count; k++)
            behind[node->first_output + k] |= reached && !graph->values[node->first_output + k].integer;
    }
    active[to] = behind[to];
    for (int i = graph->node_count - 1; i >= 0; i--) {
        const struct graph_node *node = &graph->nodes[i];
        if (makes_active(node, active))
            for (int k = 0; k < node->input_count; k++)
                active[node->inputs[k]] |= behind[node->inputs[k]];
    }
}

bool segment_has(const struct graph *graph, int index, const bool *active)
{
    return makes_active(&graph->nodes[index], active) && reads_active(&graph->nodes[index], active);
}

/* ---- memory ---- */

static size_t rounded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static size_t of_value(const struct graph *graph, int value)
{
    return rounded((size_t)graph->values[value].count * sizeof(double));
}

/* What segment_open carves out of its block. */
static double block_bytes(const struct graph *graph, const bool *active, int from, int to)
{
    double bytes = (double)of_value(graph, from) + (double)of_value(graph, to);
    double saved = 0, workspace = 0; /* of one layer at a time */
    for (int i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        if (!segment_has(graph, i, active))
            continue;
        for (int k = 0; k < node->input_count; k++)
            bytes += active[node->inputs[k]] ? (double)of_value(graph, node->inputs[k]) : 0;
        for (int k = 0; k < node->output_count; k++)
            bytes += (double)of_value(graph, node->first_output + k);
        saved = fmax(saved, (double)rounded(node->saved));
        workspace = fmax(workspace, (double)rounded(node->workspace));
    }
    return bytes + saved + workspace;
}

double segment_bytes(const struct graph *graph, int from, int to, struct arena *arena)
{
    bool *active = arena_array(arena, (size_t)graph->value_count, sizeof(*active));
    bool *scratch = arena_array(arena, (size_t)graph->value_count, sizeof(*scratch));
    if (!active || !scratch)
        return -1;
    segment_mark(graph, from, to, active, scratch);
    return block_bytes(graph, active, from, to) + extrapolation_bytes(graph->values[to].count);
}

static void *carve(char **next, size_t bytes)
{
    void *piece = *next;
    *next += rounded(bytes);
    return piece;
}

static bool take_tables(struct segment *s, bool **behind)
{
    const struct graph *graph = s->run->graph;
    size_t values = (size_t)graph->value_count, nodes = (size_t)graph->node_count, tensors = 0;
    for (int i = 0; i < graph->node_count; i++)
        tensors += 2 * (size_t)graph->nodes[i].input_count + 2 * (size_t)graph->nodes[i].output_count +
                   (size_t)graph->nodes[i].parameter_count;
    s->nodes = arena_array(&s->arena, nodes, sizeof(*s->nodes));
    s->active = arena_array(&s->arena, values, sizeof(*s->active));
    *behind = arena_array(&s->arena, values, sizeof(**behind));
    s->tensors = arena_array(&s->arena, tensors, sizeof(*s->tensors));
    s->pull = arena_array(&s->arena, nodes, sizeof(*s->pull));
    s->output_gradients = arena_array(&s->arena, nodes, sizeof(*s->output_gradients));
    s->push = arena_array(&s->arena, nodes, sizeof(*s->push));
    s->gradients = arena_array(&s->arena, values, sizeof(*s->gradients));
    s->places = arena_array(&s->arena, values, sizeof(*s->places));
    return s->nodes && s->active && *behind && s->tensors && s->pull && s->output_gradients && s->push &&
           s->gradients && s->places;
}

/* ---- passes ---- */

/* The gradients that a backward pass of one layer writes, each in a place of its own. */
static struct tensor *wire_pull(struct segment *s, int position, struct tensor *next, char **memory)
{
    const struct graph_node *node = &s->run->graph->nodes[s->nodes[position]];
    struct layer_pass *pass = &s->pull[position];
    *pass = s->run->passes[s->nodes[position]];
    pass->steps = NULL;
    pass->input_gradients = next;
    for (int k = 0; k < node->input_count; k++, next++) {
        int value = node->inputs[k];
        *next = s->run->values[value];
        next->data = s->active[value] ? carve(memory, (size_t)next->count * sizeof(double)) : NULL;
    }
    pass->parameter_gradients = next;
    for (int k = 0; k < node->parameter_count; k++, next++) {
        *next = pass->parameters[k];
        next->data = NULL;
    }
    pass->output_gradients = s->output_gradients[position] = next;
    for (int k = 0; k < node->output_count; k++, next++)
        *next = s->run->values[node->first_output + k];
    return next;
}

static struct tensor *wire_push(struct segment *s, int position, struct tensor *next, char **memory)
{
    const struct graph_node *node = &s->run->graph->nodes[s->nodes[position]];
    struct layer_pass *pass = &s->push[position];
    *pass = s->run->passes[s->nodes[position]];
    pass->inputs = next;
    for (int k = 0; k < node->input_count; k++, next++) {
        *next = s->run->values[node->inputs[k]];
        if (s->active[node->inputs[k]])
            next->data = s->places[node->inputs[k]];
    }
    pass->outputs = next;
    for (int k = 0; k < node->output_count; k++, next++) {
        *next = s->run->values[node->first_output + k];
        next->data = s->places[node->first_output + k] = carve(memory, (size_t)next->count * sizeof(double));
    }
    return next;
}

/* The pieces that block_bytes counts. */
static void wire(struct segment *s, char *memory)
{
    const struct graph *graph = s->run->graph;
    s->places[s->from] = carve(&memory, (size_t)graph->values[s->from].count * sizeof(double));
    s->seed = carve(&memory, (size_t)graph->values[s->to].count * sizeof(double));
    struct tensor *next = s->tensors;
    size_t saved = 0;
    for (int i = 0; i < s->node_count; i++) {
        size_t kept = rounded(graph->nodes[s->nodes[i]].saved);
        saved = kept > saved ? kept : saved;
        next = wire_pull(s, i, next, &memory);
        next = wire_push(s, i, next, &memory);
    }
    for (int i = 0; i < s->node_count; i++) {
        s->push[i].saved = memory;
        s->push[i].workspace = s->pull[i].workspace = memory + saved;
    }
}

/* The output with step * direction added to the input, in its place. Returns the switches on the way. */
static uint64_t shift(struct segment *s, const double *direction, double step)
{
    const struct tensor *x = &s->run->values[s->from];
    double *shifted = s->places[s->from];
    for (int64_t i = 0; i < x->count; i++)
        shifted[i] = ((const double *)x->data)[i] + (direction ? step * direction[i] : 0);
    uint64_t hash = 0;
    for (int i = 0; i < s->node_count; i++) {
        const struct layer_ops *ops = s->run->graph->nodes[s->nodes[i]].ops;
        ops->forward(&s->push[i]);
        hash = hash * 0x9e3779b97f4a7c15u + (ops->switches ? ops->switches(&s->push[i]) : 0);
    }
    return hash;
}

static bool evaluate(void *context, const double *direction, double step, double *value, bool *smooth)
{
    struct segment *s = context;
    *smooth &= shift(s, direction, step) == s->switches;
    memcpy(value, s->places[s->to], (size_t)s->run->graph->values[s->to].count * sizeof(double));
    return true;
}

bool segment_open(struct segment *s, const struct run *run, int from, int to, struct stability_error *error)
{
    *s = (struct segment){.run = run, .from = from, .to = to};
    s->extrapolation =
        (struct extrapolation){.count = run->graph->values[to].count, .context = s, .evaluate = evaluate};
    bool *behind;
    bool done = take_tables(s, &behind) && extrapolation_open(&s->extrapolation, &s->arena);
    if (done) {
        segment_mark(run->graph, from, to, s->active, behind);
        for (int i = 0; i < run->graph->node_count; i++)
            if (segment_has(run->graph, i, s->active))
                s->nodes[s->node_count++] = i;
        s->block = aligned_alloc(64, (size_t)block_bytes(run->graph, s->active, from, to) + 64);
    }
    if (!done || !s->block)
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for a Jacobian");
    wire(s, (char *)s->block);
    s->switches = shift(s, NULL, 0);
    return true;
}

void segment_close(struct segment *s)
{
    free(s->block);
    arena_free(&s->arena);
}

/* ---- from the left ---- */

const double *segment_pull(struct segment *s, const double *seed)
{
    const struct graph *graph = s->run->graph;
    memset(s->gradients, 0, (size_t)graph->value_count * sizeof(*s->gradients));
    memcpy(s->seed, seed, (size_t)graph->values[s->to].count * sizeof(double));
    s->gradients[s->to] = s->seed;
    for (int i = s->node_count - 1; i >= 0; i--) {
        const struct graph_node *node = &graph->nodes[s->nodes[i]];
        for (int k = 0; k < node->output_count; k++)
            s->output_gradients[i][k].data = s->gradients[node->first_output + k];
        node->ops->backward(&s->pull[i]);
        for (int k = 0; k < node->input_count; k++) {
            const struct tensor *part = &s->pull[i].input_gradients[k];
            double **sum = &s->gradients[node->inputs[k]];
            if (part->data && *sum)
                graph->kernels->add(*sum, part->data, part->count);
            else if (part->data)
                *sum = part->data;
        }
    }
    return s->gradients[s->from];
}

/* ---- from the right ---- */

void segment_push(struct segment *s, const double *direction, double *product)
{
    const struct tensor *x = &s->run->values[s->from];
    double size = extrapolation_length(x->data, x->count), length = extrapolation_length(direction, x->count);
    memset(product, 0, (size_t)s->run->graph->values[s->to].count * sizeof(double));
    if (length > 0)
        extrapolation_take(&s->extrapolation, direction, (size > 0 ? size : 1) / length, product);
}
