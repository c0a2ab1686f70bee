/* y = log of the sum of exp(x) over dimensions, shifted by the greatest element so that no exponential
 * overflows; y' = exp(x - y). */
#include "core/layers/explain.h"
#include "core/layers/reduce.h"
#include "core/real/functions.h"
#include "core/real/interval.h"

static const struct stability_attribute attributes[] = {
    {"dim", STABILITY_ATTRIBUTE_INTEGERS, offsetof(struct reduction, dim), .required = true,
     .documentation = "dimension or list of dimensions to reduce"},
    REDUCTION_KEEPDIM,
    {0},
};

static bool shape(struct layer_shapes *s)
{
    if (!reduction_shape(s))
        return false;
    s->flops *= 3;
    return true;
}

/* Σ exp(x - shift), the shifts being what y holds. */
static void sum_exponentials(const struct layer_pass *pass, const struct stability_shape *kept, double *sums)
{
    enum { CHUNK = 512 };
    real chunk[CHUNK];
    struct broadcast walk;
    for (bool more = broadcast_first(&walk, &pass->inputs[0].shape, kept, kept); more;
         more = broadcast_next(&walk)) {
        const real *x = (const real *)pass->inputs[0].data + walk.whole;
        for (int64_t start = 0; start < walk.row; start += CHUNK) {
            int64_t count = walk.row - start < CHUNK ? walk.row - start : CHUNK;
            int64_t offset = walk.operand[0] + start * walk.step[0];
            const real *shift = (const real *)pass->outputs[0].data + offset;
            for (int64_t i = 0; i < count; i++)
                chunk[i] = real_exp(x[start + i] - shift[i * walk.step[0]]);
            broadcast_accumulate(sums + offset, walk.step[0], chunk, count);
        }
    }
}

static void forward(const struct layer_pass *pass)
{
    struct stability_shape kept = reduction_kept(pass);
    double *sums = pass->workspace;
    real *y = pass->outputs[0].data;
    reduction_greatest(pass, &kept);
    for (int64_t i = 0; i < pass->outputs[0].count; i++) {
        sums[i] = 0;
        y[i] = isinf(y[i]) ? 0 : y[i]; /* an infinite one must not be subtracted from itself */
    }
    sum_exponentials(pass, &kept, sums);
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] += (real)log(sums[i]);
}

static void backward(const struct layer_pass *pass)
{
    struct stability_shape kept = reduction_kept(pass);
    struct broadcast walk;
    for (bool more = broadcast_first(&walk, &pass->inputs[0].shape, &kept, &kept); more;
         more = broadcast_next(&walk)) {
        const real *x = (const real *)pass->inputs[0].data + walk.whole;
        real *dx = (real *)pass->input_gradients[0].data + walk.whole;
        const real *y = (const real *)pass->outputs[0].data + walk.operand[0];
        const real *dy = (const real *)pass->output_gradients[0].data + walk.operand[0];
        if (walk.step[0] == 0)
            for (int64_t i = 0; i < walk.row; i++)
                dx[i] = *dy * real_exp(x[i] - *y);
        else
            for (int64_t i = 0; i < walk.row; i++)
                dx[i] = dy[i] * real_exp(x[i] - y[i]);
    }
}

static bool explain(const struct layer_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    if (place->backward) {
        explain_operand(cause, "input", &pass->inputs[0], place->element);
        return explain_say(cause, "exp(x - y) with %.6g, where y, the logarithm of the sum, is infinite too",
                           cause->operands[0].value);
    }
    double x = explain_greatest(cause, "input", &pass->inputs[0]);
    return explain_say(
        cause, "the logarithm of a sum of exponentials of elements up to %.6g overflows " REAL_NAME, x);
}

static bool bound_forward(struct interval_pass *p)
{
    double terms = (double)p->inputs[0].low.count + 1;
    double error = 8 * (double)REAL_EPSILON * (2 + log(terms)) + terms * DBL_EPSILON;
    error += 8 * (double)REAL_EPSILON * span_magnitude(span_of(&p->inputs[0]));
    if (!interval_move_forward(p))
        return false;
    for (int64_t i = 0; i < p->outputs[0].low.count; i++)
        interval_store(&p->outputs[0], i, span_at(&p->outputs[0], i), error);
    return true;
}

/* exp(x - y) is a share, but for the rounding of x - y. */
static bool bound_backward(struct interval_pass *p)
{
    double size = span_magnitude(span_of(&p->inputs[0])) + span_magnitude(span_of(&p->outputs[0]));
    return reduction_bound_gradient(p, (struct span){0, exp(16 * (double)REAL_EPSILON * (1 + size))});
}

static const struct layer_bounds bounds = {.forward = bound_forward, .backward = bound_backward};

LAYER_OPS(LogSumExp) = {
    .type = {"LogSumExp", "torch.logsumexp", "log of the sum of exp(x) over dim", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct reduction),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .explain = explain,
    .bounds = &bounds,
};
