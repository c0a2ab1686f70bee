/* erf x = 2/√π ∫ exp(-t²) dt from 0 to x, with y' = 2/√π exp(-x²). */
#include "core/layer.h"
#include "core/real/functions.h"

static const real two_over_sqrt_pi = (real)1.1283791670955126;

static void forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = real_erf(x[i]);
}

static void backward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = dy[i] * (two_over_sqrt_pi * real_exp(-x[i] * x[i]));
}

LAYER_OPS(Erf) = {
    .type = {"Erf", "torch.erf", "the error function, 2/√π times the integral of exp(-t²) from 0 to x",
             .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_OUTPUTS,
};
