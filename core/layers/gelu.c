/* y = x Φ(x) with the normal distribution's Φ(x) = (1 + erf(x/√2)) / 2, or with its approximation by tanh:
 * Hendrycks, Gimpel 2016, Gaussian error linear units, section 2. */
#include "core/layer.h"
#include "core/real/real.h"

struct gelu {
    int approximate;
};

enum { NONE, TANH };
static const struct stability_attribute attributes[] = {
    {"approximate", STABILITY_ATTRIBUTE_CHOICE, offsetof(struct gelu, approximate), .choice = "none",
     .choices = "none tanh", .documentation = "how Φ is computed: exactly, or by tanh"},
    {0},
};

static const real sqrt_half = (real)0.70710678118654752440;           /* √(1/2) */
static const real sqrt_two_over_pi = (real)0.79788456080286535588;    /* √(2/π) */
static const real normal_density_at_0 = (real)0.39894228040143267794; /* 1/√(2π) */
static const real cubic = (real)0.044715;

static bool uses_tanh(const struct layer_pass *pass)
{
    return ((const struct gelu *)pass->attributes)->approximate == TANH;
}

static real normal_distribution(real x)
{
    return (real)0.5 * (1 + erf(x * sqrt_half));
}

static real exact_derivative(real x)
{
    return normal_distribution(x) + x * normal_density_at_0 * exp((real)-0.5 * x * x);
}

/* tanh(√(2/π) (x + 0.044715 x³)) */
static real inner_tanh(real x)
{
    return tanh(sqrt_two_over_pi * (x + cubic * x * x * x));
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
        for (int64_t i = 0; i < pass->outputs[0].count; i++)
            y[i] = x[i] * normal_distribution(x[i]);
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
        for (int64_t i = 0; i < pass->outputs[0].count; i++)
            dx[i] = dy[i] * exact_derivative(x[i]);
}

LAYER_OPS(GELU) = {
    .type = {"GELU", "torch.nn.GELU", "x Φ(x) with the normal distribution's Φ", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct gelu),
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .activation = &(const struct layer_activation){.greatest_derivative = 1.13},
    .unread = LAYER_UNREAD_OUTPUTS,
};
