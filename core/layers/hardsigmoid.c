/* The sigmoid in three straight pieces, h(x) = (x + 3) / 6 kept within [0, 1], and Hardswish, x h(x). */
#include "core/layers/kinks.h"
#include "core/real/interval.h"

static real hardsigmoid(real x)
{
    real shifted = x + 3;
    return (shifted < 0 ? 0 : shifted > 6 ? 6 : shifted) / 6;
}

static void hardsigmoid_forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = hardsigmoid(x[i]);
}

static void hardsigmoid_backward(const struct layer_pass *pass)
{
    const real sixth = (real)(1.0F / 6.0F); /* PyTorch's factor, in float64 too: 3e-8 above 1/6 */
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = x[i] > -3 && x[i] < 3 ? dy[i] * sixth : 0;
}

static void hardswish_forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = x[i] * hardsigmoid(x[i]);
}

static void hardswish_backward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = x[i] < -3 ? 0 : x[i] > 3 ? dy[i] : dy[i] * (x[i] / 3 + (real)0.5);
}

static uint64_t switches(const struct layer_pass *pass)
{
    return kinks_at(pass, -3, 3);
}

static const struct layer_bounds sigmoid_bounds = {.forward = interval_curve_forward,
                                                   .backward = interval_curve_backward,
                                                   .turns = {3, {-3, -1.5, 3}},
                                                   .of_result = 4,
                                                   .least = 0,
                                                   .greatest = 1};

LAYER_OPS(Hardsigmoid) = {
    .type = {"Hardsigmoid", "torch.nn.Hardsigmoid", "(x + 3) / 6 kept within [0, 1]", .minimum_inputs = 1,
             .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = hardsigmoid_forward,
    .backward = hardsigmoid_backward,
    .switches = switches,
    .activation = &(const struct layer_activation){.dies = true,
                                                   .saturates = true,
                                                   .greatest_derivative = 1.0 / 6},
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &sigmoid_bounds,
};

static const struct layer_bounds swish_bounds = {.forward = interval_curve_forward,
                                                 .backward = interval_curve_backward,
                                                 .turns = {3, {-3, -1.5, 3}},
                                                 .of_result = 8,
                                                 .of_gradient = 8};

LAYER_OPS(Hardswish) = {
    .type = {"Hardswish", "torch.nn.Hardswish", "x times (x + 3) / 6 kept within [0, 1]", .minimum_inputs = 1,
             .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = hardswish_forward,
    .backward = hardswish_backward,
    .switches = switches,
    .activation = &(const struct layer_activation){.dies = true, .greatest_derivative = 1.5},
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &swish_bounds,
};
