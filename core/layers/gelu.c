/* x Φ(x), exactly or with Φ's approximation by tanh from the same source. */
#include "core/layers/gelu.h"

#include "core/layer.h"
#include "core/real/functions.h"
#include "core/real/interval.h"

struct gelu {
    int approximate;
};

enum { NONE, TANH };
static const struct stability_attribute attributes[] = {
    {"approximate", STABILITY_ATTRIBUTE_CHOICE, offsetof(struct gelu, approximate), .choice = "none",
     .choices = "none tanh", .documentation = "how Φ is computed: exactly, or by tanh"},
    {0},
};

static const real sqrt_two_over_pi = (real)0.79788456080286535588; /* √(2/π) */
static const real cubic = (real)0.044715;

static bool uses_tanh(const struct layer_pass *pass)
{
    return ((const struct gelu *)pass->attributes)->approximate == TANH;
}

/* tanh(√(2/π) (x + 0.044715 x³)) */
static real inner_tanh(real x)
{
    return real_tanh(sqrt_two_over_pi * (x + cubic * x * x * x));
}

static real tanh_derivative(real x)
{
    real t = inner_tanh(x);
    real inner_derivative = sqrt_two_over_pi * (1 + 3 * cubic * x * x);
    return (real)0.5 * (1 + t) + (real)0.5 * x * (1 - t * t) * inner_derivative;
}

static void forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    if (uses_tanh(pass))
        for (int64_t i = 0; i < pass->outputs[0].count; i++)
            y[i] = (real)0.5 * x[i] * (1 + inner_tanh(x[i]));
    else
        gelu_forward(x, y, pass->outputs[0].count);
}

static void backward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    if (uses_tanh(pass))
        for (int64_t i = 0; i < pass->outputs[0].count; i++)
            dx[i] = dy[i] * tanh_derivative(x[i]);
    else
        gelu_backward(x, dy, dx, pass->outputs[0].count);
}

/* Turns: of both forms, minima and where the second derivatives are 0. */
static const struct layer_bounds bounds = {
    .forward = interval_curve_forward,
    .backward = interval_curve_backward,
    .turns = {6,
              {-0.7517915246935645, -0.7524614220710163, -1.4142135623730951, 1.4142135623730951,
               -1.4185040087908283, 1.4185040087908283}},
    .of_result = 8,
    .of_input = 8,
    .of_gradient = 64};

LAYER_OPS(GELU) = {
    .type = {"GELU", "torch.nn.GELU", "x Φ(x) with the normal distribution's Φ", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct gelu),
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .activation = &(const struct layer_activation){.greatest_derivative = 1.13},
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};
