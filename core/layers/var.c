/* Variance over dimensions, y = Σ (x - mean)² / divisor with the number of elements less the correction as
 * divisor; y' = 2 (x - mean) / divisor. In two passes: the mean first. */
#include "core/layers/explain.h"
#include "core/layers/reduce.h"
#include "core/real/interval.h"

struct variance {
    struct reduction reduction;
    bool unbiased;
    struct optional_integer correction;
};

static const struct stability_attribute attributes[] = {
    {"dim", STABILITY_ATTRIBUTE_INTEGERS, offsetof(struct reduction, dim), .nullable = true,
     .documentation = "dimension or list of dimensions to reduce; null: all"},
    {"unbiased", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct variance, unbiased), .number = true,
     .documentation = "whether the divisor is one less than the number of elements"},
    {"correction", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct variance, correction), .nullable = true,
     .documentation = "what the divisor is less than the number of elements, in place of unbiased"},
    REDUCTION_KEEPDIM,
    {0},
};

/* Saved are the means, as float64. */
static bool shape(struct layer_shapes *s)
{
    if (!reduction_shape(s))
        return false;
    broadcast_add_sums(s, &s->saved, stability_shape_count(&s->outputs[0]));
    s->flops *= 4;
    return true;
}

static double divisor_of(const struct layer_pass *pass)
{
    const struct variance *variance = pass->attributes;
    int64_t correction = variance->correction.present ? variance->correction.value : variance->unbiased;
    int64_t divisor = reduction_size(pass) - correction;
    return divisor > 0 ? (double)divisor : 0;
}

static void find_means(const struct layer_pass *pass, const struct stability_shape *kept, double *means)
{
    double size = (double)reduction_size(pass);
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        means[i] = 0;
    struct broadcast walk;
    for (bool more = broadcast_first(&walk, &pass->inputs[0].shape, kept, kept); more;
         more = broadcast_next(&walk))
        broadcast_accumulate(means + walk.operand[0], walk.step[0],
                             (const real *)pass->inputs[0].data + walk.whole, walk.row);
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        means[i] /= size;
}

static void forward(const struct layer_pass *pass)
{
    struct stability_shape kept = reduction_kept(pass);
    double divisor = divisor_of(pass);
    double *means = pass->saved;
    double *squares = pass->workspace;
    real *y = pass->outputs[0].data;
    find_means(pass, &kept, means);
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        squares[i] = 0;
    struct broadcast walk;
    for (bool more = broadcast_first(&walk, &pass->inputs[0].shape, &kept, &kept); more;
         more = broadcast_next(&walk)) {
        const real *x = (const real *)pass->inputs[0].data + walk.whole;
        const double *mean = means + walk.operand[0];
        double *square = squares + walk.operand[0];
        if (walk.step[0] == 0)
            *square += sum_of_squares(x, walk.row, *mean);
        else
            for (int64_t i = 0; i < walk.row; i++)
                square[i] += ((double)x[i] - mean[i]) * ((double)x[i] - mean[i]);
    }
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = (real)(squares[i] / divisor);
}

static void backward(const struct layer_pass *pass)
{
    struct stability_shape kept = reduction_kept(pass);
    real factor = (real)(2 / divisor_of(pass));
    struct broadcast walk;
    for (bool more = broadcast_first(&walk, &pass->inputs[0].shape, &kept, &kept); more;
         more = broadcast_next(&walk)) {
        const real *x = (const real *)pass->inputs[0].data + walk.whole;
        real *dx = (real *)pass->input_gradients[0].data + walk.whole;
        const double *mean = (const double *)pass->saved + walk.operand[0];
        const real *dy = (const real *)pass->output_gradients[0].data + walk.operand[0];
        if (walk.step[0] == 0)
            for (int64_t i = 0; i < walk.row; i++)
                dx[i] = *dy * factor * (real)((double)x[i] - *mean);
        else
            for (int64_t i = 0; i < walk.row; i++)
                dx[i] = dy[i] * factor * (real)((double)x[i] - mean[i]);
    }
}

static bool explain(const struct layer_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    int64_t count = reduction_size(pass);
    if (divisor_of(pass) == 0)
        return explain_say(cause, "0/0: a variance over %lld element%s, less the correction, divides by 0",
                           (long long)count, count == 1 ? "" : "s");
    if (place->backward)
        return false;
    double x = explain_greatest(cause, "input", &pass->inputs[0]);
    if (isinf(x))
        return explain_say(cause, "inf - inf: the mean of elements that are not all finite is taken off");
    return explain_say(cause,
                       "overflow: the square of a distance from the mean, of elements up to %.6g, is "
                       "beyond the largest " REAL_NAME ", " REAL_MAX_TEXT,
                       fabs(x));
}

/* Of numbers in [low, high] the population's variance is at most (high - low)² / 4 (Popoviciu). */
static bool bound_forward(struct interval_pass *p)
{
    struct layer_pass pass;
    struct span x = span_of(&p->inputs[0]);
    if (!interval_low_pass(p, &pass))
        return false;
    double size = (double)reduction_size(&pass), divisor = divisor_of(&pass), width = x.high - x.low;
    double most = width * width / 4 * size / divisor * (1 + 1e-5);
    p->failing |= divisor == 0;
    if (divisor == 0)
        most = INFINITY;
    for (int64_t i = 0; i < p->outputs[0].low.count; i++)
        interval_store(&p->outputs[0], i, (struct span){0, most}, 0);
    return true;
}

static bool bound_backward(struct interval_pass *p)
{
    struct layer_pass pass;
    struct span x = span_of(&p->inputs[0]);
    if (!interval_low_pass(p, &pass))
        return false;
    double divisor = divisor_of(&pass), most = 2 / divisor * (x.high - x.low) * (1 + 1e-5);
    if (divisor == 0 || span_magnitude(span_of(&p->output_gradients[0])) * 2 / divisor > (double)REAL_MAX) {
        interval_give_up(p, true);
        return true;
    }
    return reduction_bound_gradient(p, (struct span){-most, most});
}

static const struct layer_bounds bounds = {.forward = bound_forward, .backward = bound_backward};

LAYER_OPS(Var) = {
    .type = {"Var", "torch.var", "variance over dim", .minimum_inputs = 1, .maximum_inputs = 1,
             .attributes = attributes},
    .attributes_size = sizeof(struct variance),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .explain = explain,
    .bounds = &bounds,
};
