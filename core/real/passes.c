#include "core/real/passes.h"

#include "core/real/sums.h"

void VARIANT(add)(void *destination, const void *source, int64_t count)
{
    real *to = destination;
    const real *from = source;
    for (int64_t i = 0; i < count; i++)
        to[i] += from[i];
}

int64_t VARIANT(first_non_finite)(const void *data, int64_t count, double *value)
{
    const real *x = data;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(x[i])) {
            *value = (double)x[i];
            return i;
        }
    }
    return -1;
}

double VARIANT(square_sum)(const void *data, int64_t count)
{
    return sum_of_squares(data, count, 0);
}

double VARIANT(square_distance)(const void *left, const void *right, int64_t count)
{
    const real *x = left, *y = right;
    double lanes[SUM_LANES] = {0};
    int64_t i = 0;
    for (; i + SUM_LANES <= count; i += SUM_LANES)
        for (int lane = 0; lane < SUM_LANES; lane++) {
            double distance = (double)x[i + lane] - (double)y[i + lane];
            lanes[lane] += distance * distance;
        }
    for (int lane = 0; i < count; i++, lane++)
        lanes[lane] += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
    return sum_lanes(lanes);
}

void VARIANT(multiply)(void *data, double factor, int64_t count)
{
    real *x = data;
    for (int64_t i = 0; i < count; i++)
        x[i] *= (real)factor;
}

bool VARIANT(clamp)(void *data, double bound, int64_t count)
{
    real *x = data, high = (real)bound;
    bool clamped = false;
    for (int64_t i = 0; i < count; i++) {
        clamped |= x[i] < -high || x[i] > high;
        x[i] = x[i] < -high ? -high : x[i] > high ? high : x[i];
    }
    return clamped;
}

/* As wide as a real, so that a vector compares and counts as many at once; a tensor has fewer elements. */
#if REAL_BITS == 32
typedef uint32_t counter;
#else
typedef uint64_t counter;
#endif

int64_t VARIANT(count_beyond)(const void *data, double least, int64_t count)
{
    const real *x = data;
    real bound = (real)least;
    counter beyond = 0;
    if ((double)bound < least)
        bound = nextafter(bound, (real)INFINITY);
    for (int64_t i = 0; i < count; i++)
        beyond += fabs(x[i]) >= bound && fabs(x[i]) <= REAL_MAX;
    return (int64_t)beyond;
}

enum { CHUNK = 1024 };

/* The derivatives of up to CHUNK elements from `start`: the backward pass applied to ones. */
static void derivatives(const struct layer_ops *ops, const struct layer_pass *pass, int64_t start,
                        int64_t count, real *result)
{
    static const struct stability_shape no_shape = {0};
    real ones[CHUNK];
    for (int64_t i = 0; i < count; i++)
        ones[i] = 1;
    struct tensor input = {(real *)pass->inputs[0].data + start, no_shape, count};
    struct tensor output = {(real *)pass->outputs[0].data + start, no_shape, count};
    struct tensor output_gradient = {ones, no_shape, count};
    struct tensor input_gradient = {result, no_shape, count};
    struct layer_pass chunk = *pass;
    chunk.inputs = &input;
    chunk.outputs = &output;
    chunk.output_gradients = &output_gradient;
    chunk.input_gradients = &input_gradient;
    ops->backward(&chunk);
}

/* How many magnitudes are below the threshold. */
static int64_t count_below(const real *x, int64_t count, real threshold)
{
    counter below = 0;
    for (int64_t i = 0; i < count; i++)
        below += fabs(x[i]) < threshold;
    return (int64_t)below;
}

static bool any_non_zero(const real *x, int64_t count)
{
    counter others = 0;
    for (int64_t i = 0; i < count; i++)
        others += x[i] != 0;
    return others > 0;
}

static void mark_non_zero(const real *restrict x, int64_t count, bool *restrict marks)
{
    for (int64_t i = 0; i < count; i++)
        marks[i] = x[i] != 0 ? true : marks[i];
}

/* Walks through the units of a tensor (outer, units, inner), element by element. */
struct unit_walk {
    int64_t units;
    int64_t inner;
    int64_t unit;
    int64_t left; /* elements until the unit changes */
};

static void mark_alive(struct unit_walk *w, const real *derivative, int64_t count, bool *alive)
{
    for (int64_t i = 0; i < count;) {
        int64_t run = w->inner == 1 ? w->units - w->unit : w->left;
        run = run < count - i ? run : count - i;
        if (w->inner == 1) {
            mark_non_zero(derivative + i, run, alive + w->unit);
            w->unit += run;
        } else {
            alive[w->unit] |= any_non_zero(derivative + i, run);
            w->left -= run;
            w->unit += w->left == 0;
            w->left = w->left == 0 ? w->inner : w->left;
        }
        w->unit = w->unit == w->units ? 0 : w->unit;
        i += run;
    }
}

int64_t VARIANT(activation_derivatives)(const struct layer_ops *ops, const struct layer_pass *pass,
                                        int64_t units, int64_t inner, double threshold, bool *unit_alive)
{
    real derivative[CHUNK];
    struct unit_walk walk = {units, inner, 0, inner};
    int64_t below = 0;
    int64_t total = pass->outputs[0].count;
    for (int64_t start = 0; start < total; start += CHUNK) {
        int64_t count = total - start < CHUNK ? total - start : CHUNK;
        derivatives(ops, pass, start, count, derivative);
        below += count_below(derivative, count, (real)threshold);
        mark_alive(&walk, derivative, count, unit_alive);
    }
    return below;
}
