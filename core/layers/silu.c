/* y = x σ(x) with σ(x) = 1 / (1 + e⁻ˣ), y' = σ(x) (1 + x (1 - σ(x))). */
#include "core/layer.h"
#include "core/real/functions.h"
#include "core/real/interval.h"

static real derivative(real x)
{
    real s = real_sigmoid(x);
    return s * (1 + x * (1 - s));
}

static void forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = x[i] * real_sigmoid(x[i]);
}

static void backward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = dy[i] * derivative(x[i]);
}

/* Turns: the minimum, and where the second derivative is 0. */
static const struct layer_bounds bounds = {
    .forward = interval_curve_forward,
    .backward = interval_curve_backward,
    .turns = {3, {-1.2784645427610737, -2.3993572805154675, 2.3993572805154675}},
    .of_result = 8,
    .of_gradient = 64};

LAYER_OPS(SiLU) = {
    .type = {"SiLU", "torch.nn.SiLU", "x / (1 + exp(-x))", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .activation = &(const struct layer_activation){.greatest_derivative = 1.1},
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};
