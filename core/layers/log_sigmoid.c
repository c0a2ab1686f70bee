/* y = log(1 / (1 + e⁻ˣ)) without overflow, y' = 1 / (1 + eˣ). */
#include "core/layer.h"
#include "core/real/functions.h"
#include "core/real/interval.h"

static void forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = -real_softplus(-x[i]);
}

static void backward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = dy[i] * real_sigmoid(-x[i]);
}

static const struct layer_bounds bounds = {
    .forward = interval_curve_forward, .backward = interval_curve_backward, .of_result = 8};

LAYER_OPS(LogSigmoid) = {
    .type = {"LogSigmoid", "torch.nn.LogSigmoid", "log(1 / (1 + exp(-x)))", .minimum_inputs = 1,
             .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .activation = &(const struct layer_activation){.greatest_derivative = 1},
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};
