/* max(x, 0), its relatives with a slope or a ceiling. */
#include "core/layer.h"
#include "core/real/switches.h"

static void forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = x[i] <= 0 ? 0 : x[i]; /* so that NaN stays NaN */
}

static void backward(const struct layer_pass *pass)
{
    const real *y = pass->outputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = y[i] <= 0 ? 0 : dy[i];
}

static const struct layer_activation activation = {.dies = true, .greatest_derivative = 1};

static uint64_t switches(const struct layer_pass *pass)
{
    return switches_above(pass->inputs[0].data, pass->inputs[0].count, 0);
}

LAYER_OPS(ReLU) = {
    .type = {.type = "ReLU",
             .torch = "torch.nn.ReLU",
             .documentation = "max(x, 0)",
             .minimum_inputs = 1,
             .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .switches = switches,
    .activation = &activation,
    .unread = LAYER_UNREAD_INPUTS,
};
