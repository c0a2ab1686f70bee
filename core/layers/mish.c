/* y = x tanh(log(1 + eˣ)), y' = t + x (1 - t²) σ(x) with that hyperbolic tangent t. */
#include "core/layer.h"
#include "core/real/functions.h"
#include "core/real/interval.h"

/* n = e (e + 2) with e = eˣ gives t = n / (n + 2) and 1 - t = 2 / (n + 2); from x = 20 on t is 1. */
static real exponential(real x)
{
    return real_exp(real_select(x > 20, 20, x));
}

static real value(real x)
{
    real e = exponential(x);
    real n = e * (e + 2);
    return x * (n / (n + 2));
}

static real derivative(real x)
{
    real e = exponential(x);
    real n = e * (e + 2);
    real inverse = 1 / (n + 2);
    real t = n * inverse;
    return t + x * (2 * inverse) * (1 + t) * (e / (1 + e));
}

static void forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = value(x[i]);
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
    .turns = {3, {-1.1924312145154952, -2.256376396360793, 1.4905711794854284}},
    .of_result = 16,
    .of_input = 8,
    .of_gradient = 64};

LAYER_OPS(Mish) = {
    .type = {"Mish", "torch.nn.Mish", "x tanh(softplus(x))", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .activation = &(const struct layer_activation){.greatest_derivative = 1.09},
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};
