/* y = 1 / (1 + e⁻ˣ), y' = y (1 - y). */
#include "core/layer.h"
#include "core/real/functions.h"
#include "core/real/interval.h"

static void forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = real_sigmoid(x[i]);
}

static void backward(const struct layer_pass *pass)
{
    const real *y = pass->outputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = dy[i] * (1 - y[i]) * y[i];
}

static const struct layer_bounds bounds = {.forward = interval_curve_forward,
                                           .backward = interval_curve_backward,
                                           .turns = {1, {0}},
                                           .of_result = 8,
                                           .of_gradient = 16,
                                           .least = 0,
                                           .greatest = 1};

LAYER_OPS(Sigmoid) = {
    .type = {"Sigmoid", "torch.nn.Sigmoid", "1 / (1 + exp(-x))", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .activation = &(const struct layer_activation){.saturates = true, .greatest_derivative = 0.25},
    .unread = LAYER_UNREAD_INPUTS,
    .bounds = &bounds,
};
