#include "core/hessian.h"

#include <string.h>

const struct trial_options hessian_trial_options = {
    .flags = RUN_NO_DROPS | RUN_OWN, .change_precision = true, .precision = STABILITY_PRECISION_FLOAT64};

/* ---- between parameters and one flat vector ---- */

enum direction { READ_PARAMETERS, WRITE_PARAMETERS, READ_GRADIENTS };

static void copy(struct trial *trial, enum direction direction, double *flat)
{
    for (int i = 0; i < trial->graph.node_count; i++)
        for (int k = 0; k < trial->graph.nodes[i].parameter_count; k++) {
            if (!trial_is_trained(trial, i, k))
                continue;
            int slot = graph_slot(&trial->graph, i, k);
            const struct tensor *tensor = direction == READ_GRADIENTS ? &trial->run.parameter_gradients[slot]
                                                                      : &trial->run.parameters[slot];
            size_t bytes = (size_t)tensor->count * sizeof(double);
            memcpy(direction == WRITE_PARAMETERS ? tensor->data : flat,
                   direction == WRITE_PARAMETERS ? flat : tensor->data, bytes);
            flat += tensor->count;
        }
}

static int64_t count_parameters(const struct trial *trial)
{
    int64_t count = 0;
    for (int i = 0; i < trial->graph.node_count; i++)
        for (int k = 0; k < trial->graph.nodes[i].parameter_count; k++)
            if (trial_is_trained(trial, i, k))
                count += trial->graph.nodes[i].parameters[k].count;
    return count;
}

/* ---- gradients ---- */

static void mix(struct hessian *h, uint64_t switches)
{
    h->seen = h->seen * 0x9e3779b97f4a7c15u + switches;
}

static void after_forward(void *context, int node)
{
    struct hessian *h = context;
    const struct layer_ops *ops = h->trial->graph.nodes[node].ops;
    mix(h, ops->switches ? ops->switches(&h->trial->run.passes[node]) : 0);
}

/* The gradient at the parameters that the trial holds. */
static bool differentiate(struct hessian *h, double *gradient, struct stability_error *error)
{
    const struct run_observer observer = {.context = h, .forward = after_forward};
    h->seen = 0;
    if (!trial_execute(h->trial, &observer, error))
        return false;
    const struct loss_ops *loss = h->trial->graph.loss;
    mix(h, loss->switches ? loss->switches(&h->trial->run.loss_pass) : 0);
    copy(h->trial, READ_GRADIENTS, gradient);
    return true;
}

static bool evaluate(void *context, const double *direction, double step, double *value, bool *smooth)
{
    struct hessian *h = context;
    for (int64_t i = 0; i < h->count; i++)
        h->moved[i] = h->start[i] + step * direction[i];
    copy(h->trial, WRITE_PARAMETERS, h->moved);
    if (!differentiate(h, value, h->stopped))
        return false;
    *smooth &= h->seen == h->switches;
    return true;
}

bool hessian_multiply(struct hessian *h, const double *direction, double *product,
                      struct stability_error *error)
{
    double length = extrapolation_length(direction, h->count);
    memset(product, 0, (size_t)h->count * sizeof(*product));
    h->stopped = error;
    return !(length > 0) || extrapolation_take(&h->extrapolation, direction, h->length / length, product);
}

/* ---- beginning and end ---- */

double hessian_bytes(const struct graph *graph)
{
    return 3 * sizeof(double) * (double)graph->parameter_count + extrapolation_bytes(graph->parameter_count);
}

bool hessian_open(struct hessian *h, struct trial *trial, struct stability_error *error)
{
    *h = (struct hessian){.trial = trial, .count = count_parameters(trial)};
    h->extrapolation = (struct extrapolation){.count = h->count, .context = h, .evaluate = evaluate};
    h->start = arena_array(&h->arena, (size_t)h->count, sizeof(double));
    h->gradient = arena_array(&h->arena, (size_t)h->count, sizeof(double));
    h->moved = arena_array(&h->arena, (size_t)h->count, sizeof(double));
    if (!h->start || !h->gradient || !h->moved || !extrapolation_open(&h->extrapolation, &h->arena))
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for a Hessian");
    copy(trial, READ_PARAMETERS, h->start);
    h->length = extrapolation_length(h->start, h->count);
    if (!(h->length > 0))
        h->length = 1;
    if (!differentiate(h, h->gradient, error))
        return false;
    h->switches = h->seen;
    h->loss = trial->run.loss;
    return true;
}

void hessian_close(struct hessian *h)
{
    arena_free(&h->arena);
}
