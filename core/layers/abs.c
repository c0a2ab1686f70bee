/* -x, and |x| with the derivative 0 at 0. */
#include "core/layers/kinks.h"
#include "core/real/interval.h"

static void neg_forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = -x[i];
}

static void neg_backward(const struct layer_pass *pass)
{
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = -dy[i];
}

static void abs_forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = fabs(x[i]);
}

static void abs_backward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = x[i] > 0 ? dy[i] : x[i] < 0 ? -dy[i] : 0 * dy[i];
}

static const struct layer_bounds bounds = {
    .forward = interval_curve_forward, .backward = interval_curve_backward, .turns = {1, {0}}};

LAYER_OPS(Neg) = {
    .type = {"Neg", "torch.neg", "-x", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = neg_forward,
    .backward = neg_backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};

LAYER_OPS(Abs) = {
    .type = {"Abs", "torch.abs", "|x|", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = abs_forward,
    .backward = abs_backward,
    .switches = kink_at_zero,
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};
