#include "core/hessian.h"

#include <math.h>
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

static double length_of(const double *x, int64_t count)
{
    double squares = 0;
    for (int64_t i = 0; i < count; i++)
        squares += x[i] * x[i];
    return sqrt(squares);
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

/* difference = D(step). *smooth: no kink was crossed. */
static bool difference_at(struct hessian *h, const double *direction, double step, double *difference,
                          bool *smooth, struct stability_error *error)
{
    *smooth = true;
    for (int side = 0; side < 2; side++) {
        double signed_step = side ? -step : step;
        for (int64_t i = 0; i < h->count; i++)
            h->other[i] = h->start[i] + signed_step * direction[i];
        copy(h->trial, WRITE_PARAMETERS, h->other);
        if (!differentiate(h, h->other, error))
            return false;
        *smooth &= h->seen == h->switches;
        for (int64_t i = 0; i < h->count; i++)
            difference[i] = side ? (difference[i] - h->other[i]) / (2 * step) : h->other[i];
    }
    return true;
}

/* product = (4 D(step) - D(2 step)) / 3 */
static bool extrapolate(struct hessian *h, const double *direction, double step, double *product,
                        bool *smooth, struct stability_error *error)
{
    bool far_smooth;
    if (!difference_at(h, direction, step, product, smooth, error) ||
        !difference_at(h, direction, 2 * step, h->difference, &far_smooth, error))
        return false;
    *smooth &= far_smooth;
    for (int64_t i = 0; i < h->count; i++)
        product[i] = (4 * product[i] - h->difference[i]) / 3;
    return true;
}

/* ---- the step ---- */

static const double least_step = 0x1p-34;

static double relative_distance(const double *a, const double *b, int64_t count)
{
    double squares = 0, size = 0;
    for (int64_t i = 0; i < count; i++) {
        squares += (a[i] - b[i]) * (a[i] - b[i]);
        size += a[i] * a[i];
    }
    return squares > 0 ? sqrt(squares / size) : 0;
}

/* Goes down a sequence of steps: the truncation falls and the rounding grows until two neighbours agree best.
 * `product` gets what the best one gave. */
static bool choose_step(struct hessian *h, const double *direction, double unit, double *product,
                        struct stability_error *error)
{
    double *candidates[2] = {h->candidates, h->candidates + h->count};
    bool smooth = false;
    h->error = INFINITY;
    for (double step = 0x1p-5; step >= least_step; step /= 4) {
        bool had_before = smooth;
        double *before = candidates[0], *now = candidates[1];
        if (!extrapolate(h, direction, step * unit, now, &smooth, error))
            return false;
        double apart = smooth && had_before ? relative_distance(now, before, h->count) : INFINITY;
        if (apart < h->error || (smooth && h->step == 0)) {
            h->step = step;
            h->error = fmin(h->error, apart);
            memcpy(product, now, (size_t)h->count * sizeof(*product));
        }
        if (isfinite(h->error) && apart > 64 * h->error)
            break;
        candidates[0] = now;
        candidates[1] = before;
    }
    h->at_kink = h->step == 0;
    return true;
}

bool hessian_multiply(struct hessian *h, const double *direction, double *product,
                      struct stability_error *error)
{
    double length = length_of(direction, h->count);
    memset(product, 0, (size_t)h->count * sizeof(*product));
    if (!(length > 0) || h->at_kink)
        return true;
    double unit = h->length / length;
    if (h->step == 0)
        return choose_step(h, direction, unit, product, error);
    for (;; h->step /= 4, h->error *= 4) {
        bool smooth;
        if (!extrapolate(h, direction, h->step * unit, product, &smooth, error))
            return false;
        h->at_kink = !smooth && h->step / 4 < least_step;
        if (smooth || h->at_kink)
            return true;
    }
}

/* ---- beginning and end ---- */

double hessian_bytes(const struct graph *graph)
{
    return 6 * sizeof(double) * (double)graph->parameter_count;
}

bool hessian_open(struct hessian *h, struct trial *trial, struct stability_error *error)
{
    *h = (struct hessian){.trial = trial, .count = count_parameters(trial)};
    size_t count = (size_t)h->count;
    h->start = arena_array(&h->arena, count, sizeof(double));
    h->gradient = arena_array(&h->arena, count, sizeof(double));
    h->difference = arena_array(&h->arena, count, sizeof(double));
    h->other = arena_array(&h->arena, count, sizeof(double));
    h->candidates = arena_array(&h->arena, 2 * count, sizeof(double));
    if (!h->start || !h->gradient || !h->difference || !h->other || !h->candidates)
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for a Hessian");
    copy(trial, READ_PARAMETERS, h->start);
    h->length = length_of(h->start, h->count);
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
    if (h->start && h->trial->run.memory)
        copy(h->trial, WRITE_PARAMETERS, h->start);
    arena_free(&h->arena);
}
