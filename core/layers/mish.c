/* y = x tanh(log(1 + eˣ)), y' = t + x (1 - t²) σ(x) with that hyperbolic tangent t. */
#include "core/layer.h"
#include "core/real/functions.h"

/* e = eˣ gives t = n / (n + 2) with n = e (e + 2); from x = 20 on t is 1. */
struct mish {
    real tanh;       /* t */
    real complement; /* 1 - t */
    real sigmoid;    /* σ(x) */
};

static struct mish mish_of(real x)
{
    real e = real_exp(x > 20 ? 20 : x);
    real n = e * (e + 2);
    return (struct mish){n / (n + 2), 2 / (n + 2), e / (1 + e)};
}

static real derivative(real x)
{
    struct mish m = mish_of(x);
    return m.tanh + x * m.complement * (1 + m.tanh) * m.sigmoid;
}

static void forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = x[i] * mish_of(x[i]).tanh;
}

static void backward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = dy[i] * derivative(x[i]);
}

LAYER_OPS(Mish) = {
    .type = {"Mish", "torch.nn.Mish", "x tanh(softplus(x))", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .activation = &(const struct layer_activation){.greatest_derivative = 1.09},
    .unread = LAYER_UNREAD_OUTPUTS,
};
