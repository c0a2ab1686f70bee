/* Losses that are a sum or a mean over pairs of elements: of an input and of a target of its shape.
 *
 * `term` gives a pair's part of the loss, `derivative` that part's derivative by the input's element; both
 * get the loss's private attribute struct. They are inlined into the loops below. */
#ifndef LOSSES_ELEMENTWISE_H
#define LOSSES_ELEMENTWISE_H

#include "core/layers/explain.h"
#include "core/losses/reduction.h"
#include "core/real/functions.h"
#include "core/real/interval.h"
#include "core/real/sums.h"
#include "core/real/switches.h"

typedef real pair_function(const void *attributes, real x, real t);

/* Which piece of a term that is defined piece by piece a pair is on. */
typedef unsigned pair_side(const void *attributes, real x, real t);

/* One input, a target of its shape. */
static inline bool loss_shape_of_pairs(struct loss_shapes *s)
{
    if (stability_shape_equal(&s->inputs[0], &s->target))
        return true;
    char input[STABILITY_SHAPE_TEXT], target[STABILITY_SHAPE_TEXT];
    return loss_shape_fail(s, "/data/target", "the target must have the input's shape %s, got %s",
                           stability_shape_text(&s->inputs[0], input),
                           stability_shape_text(&s->target, target));
}

/* Fewer than SUM_LANES terms are added one by one. */
__attribute__((always_inline)) static inline double
sum_of_terms(const void *attributes, const real *x, const real *t, int64_t count, pair_function *term)
{
    double lanes[SUM_LANES] = {0}, sum = 0;
    int64_t i = 0;
    if (count < SUM_LANES) {
        for (; i < count; i++)
            sum += (double)term(attributes, x[i], t[i]);
        return sum;
    }
    for (; i + SUM_LANES <= count; i += SUM_LANES)
        for (int lane = 0; lane < SUM_LANES; lane++)
            lanes[lane] += (double)term(attributes, x[i + lane], t[i + lane]);
    for (int lane = 0; i < count; i++, lane++)
        lanes[lane] += (double)term(attributes, x[i], t[i]);
    return sum_lanes(lanes);
}

__attribute__((always_inline)) static inline double sum_of_pairs(const struct loss_pass *pass,
                                                                 pair_function *term)
{
    return sum_of_terms(pass->attributes, pass->inputs[0].data, pass->target.data, pass->inputs[0].count,
                        term);
}

/* As loss_ops.row_losses, but for the divisor. */
__attribute__((always_inline)) static inline void sum_pairs_of_rows(const struct loss_pass *pass,
                                                                    pair_function *term, double *losses)
{
    const struct stability_shape *shape = &pass->inputs[0].shape;
    int64_t width = shape->rank ? shape->sizes[shape->rank - 1] : 1;
    const real *x = pass->inputs[0].data;
    const real *t = pass->target.data;
    for (int64_t i = 0; i < pass->inputs[0].count; i += width)
        *losses++ = sum_of_terms(pass->attributes, x + i, t + i, width, term);
}

__attribute__((always_inline)) static inline void derive_pairs(const struct loss_pass *pass, double divisor,
                                                               pair_function *derivative)
{
    const real *x = pass->inputs[0].data;
    const real *t = pass->target.data;
    real *dx = pass->input_gradients[0].data;
    real scale = (real)(1 / divisor);
    for (int64_t i = 0; dx && i < pass->inputs[0].count; i++)
        dx[i] = derivative(pass->attributes, x[i], t[i]) * scale;
}

/* As loss_ops.explain: names the first pair whose term, or in the backward pass the pair whose derivative, is
 * not finite. `what` is the formula of the term in x and t. */
static inline bool explain_pairs(const struct loss_pass *pass, const struct layer_place *place,
                                 pair_function *term, const char *what, struct layer_cause *cause)
{
    const real *x = pass->inputs[0].data, *t = pass->target.data;
    int64_t at = place->backward ? place->element : 0;
    while (!place->backward && at < pass->inputs[0].count && isfinite(term(pass->attributes, x[at], t[at])))
        at++;
    if (at == pass->inputs[0].count)
        return false;
    double input = explain_operand(cause, "input", &pass->inputs[0], at);
    double target = explain_operand(cause, "target", &pass->target, at);
    const char *how = isnan(term(pass->attributes, x[at], t[at])) ? "is no number" : "overflows " REAL_NAME;
    return explain_say(cause, "%s%s with x = %.6g and t = %.6g %s",
                       place->backward ? "the derivative of " : "", what, input, target,
                       place->backward ? "is not finite" : how);
}

/* Bounds of a pair's term that is convex in x, with its derivative: at the ends, and by the tangent. */
static inline struct span bound_term(double at_low, double at_high, double slope_at_low, struct span x)
{
    double most = fmax(at_low, at_high), least = fmin(at_low, at_low + slope_at_low * (x.high - x.low));
    double error = 16 * (double)REAL_EPSILON * (fabs(at_low) + fabs(at_high) + span_magnitude(x));
    return (struct span){fmin(least, at_high) - error, most + error};
}

/* As loss_ops.bounds, for terms that are convex in x: their derivatives grow with it. */
static inline bool bound_pairs(struct loss_intervals *l, double divisor, pair_function *term,
                               pair_function *derivative)
{
    const void *attributes = l->pass.attributes;
    const real *target = l->pass.target.data;
    const struct interval_tensor *dx = &l->input_gradients[0];
    real scale = (real)(1 / divisor);
    struct span sum = {0, 0};
    for (int64_t i = 0; i < l->inputs[0].low.count; i++) {
        struct span x = span_at(&l->inputs[0], i);
        real t = target[i], low = (real)x.low, high = (real)x.high;
        double slope = (double)derivative(attributes, low, t), last = (double)derivative(attributes, high, t);
        double error =
            16 * (double)REAL_EPSILON * (fabs(slope) + fabs(last) + fabs((double)t)) * (double)scale;
        sum = span_add(
            sum, bound_term((double)term(attributes, low, t), (double)term(attributes, high, t), slope, x));
        if (dx->low.data)
            interval_store(
                dx, i, (struct span){fmin(slope, last) * (double)scale, fmax(slope, last) * (double)scale},
                isnan(slope) || isnan(last) ? NAN : error + (double)REAL_MIN);
    }
    double error = (double)l->inputs[0].low.count * DBL_EPSILON * span_magnitude(sum);
    l->low = (sum.low - error) / divisor;
    l->high = (sum.high + error) / divisor;
    return true;
}

__attribute__((always_inline)) static inline uint64_t switches_of_pairs(const struct loss_pass *pass,
                                                                        pair_side *side)
{
    const real *x = pass->inputs[0].data;
    const real *t = pass->target.data;
    uint64_t hash = 0;
    for (int64_t i = 0; i < pass->inputs[0].count; i++)
        hash += switch_number((uint64_t)i, side(pass->attributes, x[i], t[i]));
    return hash;
}

#endif
