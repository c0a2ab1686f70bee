/* sin x with y' = cos x, and cos x with y' = -sin x. */
#include "core/layer.h"
#include "core/real/real.h"

static void sin_forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = sin(x[i]);
}

static void sin_backward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = dy[i] * cos(x[i]);
}

static void cos_forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = cos(x[i]);
}

static void cos_backward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = -dy[i] * sin(x[i]);
}

LAYER_OPS(Sin) = {
    .type = {"Sin", "torch.sin", "sin(x), in radians", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = sin_forward,
    .backward = sin_backward,
    .unread = LAYER_UNREAD_OUTPUTS,
};

LAYER_OPS(Cos) = {
    .type = {"Cos", "torch.cos", "cos(x), in radians", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = cos_forward,
    .backward = cos_backward,
    .unread = LAYER_UNREAD_OUTPUTS,
};
