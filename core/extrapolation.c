#include "core/extrapolation.h"

#include <math.h>
#include <string.h>

static const double greatest_step = 0x1p-5, least_step = 0x1p-34;
enum { LEVELS = 15 }; /* steps, each a quarter of the one before, between them */

double extrapolation_bytes(int64_t count)
{
    return 4 * sizeof(double) * (double)count;
}

bool extrapolation_open(struct extrapolation *e, struct arena *arena)
{
    e->difference = arena_array(arena, (size_t)e->count, sizeof(double));
    e->value = arena_array(arena, (size_t)e->count, sizeof(double));
    e->candidates = arena_array(arena, 2 * (size_t)e->count, sizeof(double));
    return e->difference && e->value && e->candidates;
}

double extrapolation_length(const double *x, int64_t count)
{
    double squares = 0;
    for (int64_t i = 0; i < count; i++)
        squares += x[i] * x[i];
    return sqrt(squares);
}

/* difference = D(step) */
static bool difference_at(struct extrapolation *e, const double *direction, double step, double *difference,
                          bool *smooth)
{
    if (!e->evaluate(e->context, direction, step, difference, smooth) ||
        !e->evaluate(e->context, direction, -step, e->value, smooth))
        return false;
    for (int64_t i = 0; i < e->count; i++)
        difference[i] = (difference[i] - e->value[i]) / (2 * step);
    return true;
}

static bool extrapolate(struct extrapolation *e, const double *direction, double step, double *product,
                        bool *smooth)
{
    *smooth = true;
    if (!difference_at(e, direction, step, product, smooth) ||
        !difference_at(e, direction, 2 * step, e->difference, smooth))
        return false;
    for (int64_t i = 0; i < e->count; i++)
        product[i] = (4 * product[i] - e->difference[i]) / 3;
    return true;
}

static double relative_distance(const double *a, const double *b, int64_t count)
{
    double squares = 0, size = 0;
    for (int64_t i = 0; i < count; i++) {
        squares += (a[i] - b[i]) * (a[i] - b[i]);
        size += a[i] * a[i];
    }
    return squares > 0 ? sqrt(squares / size) : 0;
}

/* `product` gets what the best step gave, or where all cross a kink, the least. */
static bool choose_step(struct extrapolation *e, const double *direction, double unit, double *product)
{
    double *candidates[2] = {e->candidates, e->candidates + e->count};
    bool smooth = false;
    e->error = INFINITY;
    double step = greatest_step;
    for (int level = 0; level < LEVELS; level++, step /= 4) {
        bool had_before = smooth;
        double *before = candidates[0], *now = candidates[1];
        if (!extrapolate(e, direction, step * unit, now, &smooth))
            return false;
        double apart = smooth && had_before ? relative_distance(now, before, e->count) : INFINITY;
        if (apart < e->error || (smooth && e->step == 0)) {
            e->step = step;
            e->error = fmin(e->error, apart);
            memcpy(product, now, (size_t)e->count * sizeof(*product));
        }
        if (isfinite(e->error) && apart > 64 * e->error)
            return true;
        candidates[0] = now;
        candidates[1] = before;
    }
    e->at_kink = e->step == 0;
    if (e->at_kink) {
        e->step = least_step;
        memcpy(product, candidates[0], (size_t)e->count * sizeof(*product));
    }
    return true;
}

bool extrapolation_take(struct extrapolation *e, const double *direction, double unit, double *product)
{
    if (e->step == 0)
        return choose_step(e, direction, unit, product);
    for (;; e->step /= 4, e->error *= 4) {
        bool smooth;
        if (!extrapolate(e, direction, e->step * unit, product, &smooth))
            return false;
        e->at_kink |= !smooth && e->step / 4 < least_step;
        if (smooth || e->at_kink)
            return true;
    }
}
