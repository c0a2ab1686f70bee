/* y = x / (1 + |x|), y' = 1 / (1 + |x|)². */
#include "core/layers/kinks.h"
#include "core/real/interval.h"

static real derivative(real x)
{
    real divisor = 1 + fabs(x);
    return 1 / (divisor * divisor);
}

static void forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = x[i] / (1 + fabs(x[i]));
}

static void backward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = dy[i] * derivative(x[i]);
}

static const struct layer_bounds bounds = {.forward = interval_curve_forward,
                                           .backward = interval_curve_backward,
                                           .turns = {1, {0}},
                                           .of_result = 8,
                                           .least = -1,
                                           .greatest = 1};

LAYER_OPS(Softsign) = {
    .type = {"Softsign", "torch.nn.Softsign", "x / (1 + |x|)", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .switches = kink_at_zero, /* of the derivative */
    .activation = &(const struct layer_activation){.saturates = true, .greatest_derivative = 1},
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};
