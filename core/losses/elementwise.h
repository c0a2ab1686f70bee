/* Losses that are a sum or a mean over pairs of elements: of an input and of a target of its shape.
 *
 * `term` gives a pair's part of the loss, `derivative` that part's derivative by the input's element; both
 * get the loss's private attribute struct. They are inlined into the loops below. */
#ifndef LOSSES_ELEMENTWISE_H
#define LOSSES_ELEMENTWISE_H

#include "core/layers/explain.h"
#include "core/losses/reduction.h"
#include "core/real/functions.h"
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

__attribute__((always_inline)) static inline double sum_of_pairs(const struct loss_pass *pass,
                                                                 pair_function *term)
{
    const real *x = pass->inputs[0].data;
    const real *t = pass->target.data;
    int64_t count = pass->inputs[0].count;
    double lanes[SUM_LANES] = {0};
    int64_t i = 0;
    for (; i + SUM_LANES <= count; i += SUM_LANES)
        for (int lane = 0; lane < SUM_LANES; lane++)
            lanes[lane] += (double)term(pass->attributes, x[i + lane], t[i + lane]);
    for (int lane = 0; i < count; i++, lane++)
        lanes[lane] += (double)term(pass->attributes, x[i], t[i]);
    return sum_lanes(lanes);
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
