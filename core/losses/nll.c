/* Negative log-likelihood: -x at the target's class, of log-probabilities x. */
#include "core/losses/classes.h"
#include "core/real/interval.h"

static bool shape_nll(struct loss_shapes *s)
{
    return shape_of_classes(s) && (target_is_indices(s) || fail_target(s, ""));
}

static double forward_nll(const struct loss_pass *pass)
{
    struct layout l = layout_of(pass);
    double sum = 0;
    for (int64_t row = 0; row < l.rows; row++) {
        if (is_ignored(&l, row))
            continue;
        int64_t target = (int64_t)l.target[row];
        sum -= (double)(class_weight(&l, target) * l.x[row_start(&l, row) + target * l.inner]);
    }
    return sum / divisor(&l);
}

static void backward_nll(const struct loss_pass *pass)
{
    struct layout l = layout_of(pass);
    real *dx = pass->input_gradients[0].data;
    real scale = (real)(1 / divisor(&l));
    for (int64_t i = 0; dx && i < pass->inputs[0].count; i++)
        dx[i] = 0;
    for (int64_t row = 0; dx && row < l.rows; row++) {
        if (is_ignored(&l, row))
            continue;
        int64_t target = (int64_t)l.target[row];
        dx[row_start(&l, row) + target * l.inner] = -class_weight(&l, target) * scale;
    }
}

static const struct stability_attribute nll_attributes[] = {CLASS_ROWS, {0}};

static bool explain_nll(const struct loss_pass *pass, const struct layer_place *place,
                        struct layer_cause *cause)
{
    struct layout l = layout_of(pass);
    if (explain_divisor(&l, cause))
        return true;
    if (place->backward)
        return false;
    for (int64_t row = 0; row < l.rows; row++) {
        if (is_ignored(&l, row))
            continue;
        int64_t c = (int64_t)l.target[row];
        real weight = class_weight(&l, c);
        int64_t at = row_start(&l, row) + c * l.inner;
        if (isfinite(weight * l.x[at]))
            continue;
        double x = explain_operand(cause, "input", &pass->inputs[0], at);
        return explain_say(
            cause, "-weight x of row %lld at the target's class %lld, with weight = %.6g and x = %.6g",
            (long long)row, (long long)c, (double)weight, x);
    }
    return false;
}

static bool bound_nll(struct loss_intervals *intervals)
{
    struct loss_pass pass = intervals->pass;
    struct tensor gradient = intervals->input_gradients[0].low;
    struct span sum = {0, 0};
    pass.inputs = &intervals->inputs[0].low;
    pass.input_gradients = &gradient;
    struct layout l = layout_of(&pass);
    for (int64_t row = 0; row < l.rows; row++) {
        if (is_ignored(&l, row))
            continue;
        int64_t c = (int64_t)l.target[row];
        double weight = -(double)class_weight(&l, c);
        struct span x = span_at(&intervals->inputs[0], row_start(&l, row) + c * l.inner);
        sum = span_add(sum, span_multiply(x, (struct span){weight, weight}));
    }
    double divided = divisor(&l), error = 8 * (double)REAL_EPSILON * span_magnitude(sum);
    intervals->low = fmin((sum.low - error) / divided, (sum.high + error) / divided);
    intervals->high = fmax((sum.low - error) / divided, (sum.high + error) / divided);
    if (divided == 0)
        intervals->high = INFINITY;
    backward_nll(&pass);
    for (int64_t i = 0; gradient.data && i < gradient.count; i++)
        ((real *)intervals->input_gradients[0].high.data)[i] = ((const real *)gradient.data)[i];
    return true;
}

LOSS_OPS(NLLLoss) = {
    .type = {.type = "NLLLoss",
             .torch = "torch.nn.NLLLoss",
             .documentation = "negative log-likelihood of class indices: -x at the target's class",
             .inputs = 1,
             .attributes = nll_attributes},
    .attributes_size = sizeof(struct cross_entropy),
    .shape = shape_nll,
    .forward = forward_nll,
    .backward = backward_nll,
    .explain = explain_nll,
    .bounds = bound_nll,
};
