/* x where x > 0, 0 elsewhere; NaN stays NaN. */
#include "core/layers/kinks.h"

static void forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = x[i] <= 0 ? 0 : x[i];
}

static void backward(const struct layer_pass *pass)
{
    const real *y = pass->outputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = y[i] <= 0 ? 0 : dy[i];
}

LAYER_OPS(ReLU) = {
    .type = {"ReLU", "torch.nn.ReLU", "max(x, 0)", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .activation = &(const struct layer_activation){.dies = true, .greatest_derivative = 1},
    .switches = kink_at_zero,
    .unread = LAYER_UNREAD_INPUTS,
};
