/* y = log(1 + exp(beta x)) / beta, and x itself where that is the same: beta x > threshold.
 * y' = 1 / (1 + exp(-beta x)). */
#include "core/layers/kinks.h"
#include "core/real/functions.h"
#include "core/real/interval.h"

struct softplus {
    double beta;
    double threshold;
};

static const struct stability_attribute attributes[] = {
    {"beta", STABILITY_ATTRIBUTE_REAL, offsetof(struct softplus, beta), .number = 1,
     .documentation = "sharpness of the bend"},
    {"threshold", STABILITY_ATTRIBUTE_REAL, offsetof(struct softplus, threshold), .number = 20,
     .documentation = "beta x above which y is x"},
    {0},
};

static void forward(const struct layer_pass *pass)
{
    const struct softplus *attribute = pass->attributes;
    const real beta = (real)attribute->beta;
    const real threshold = (real)attribute->threshold;
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = real_select(beta * x[i] > threshold, x[i], real_softplus(beta * x[i]) / beta);
}

static void backward(const struct layer_pass *pass)
{
    const struct softplus *attribute = pass->attributes;
    const real beta = (real)attribute->beta;
    const real threshold = (real)attribute->threshold;
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = dy[i] * real_select(beta * x[i] > threshold, 1, real_sigmoid(beta * x[i]));
}

/* y jumps by 2e-9 at the default threshold. */
static uint64_t switches(const struct layer_pass *pass)
{
    const struct softplus *attribute = pass->attributes;
    double bend = attribute->threshold / attribute->beta;
    return kinks_at(pass, bend, bend);
}

/* Around where it is continued by x, with a step. */
static struct interval_turns turns(const void *attributes_of_type)
{
    const struct softplus *attribute = attributes_of_type;
    double bend = attribute->threshold / attribute->beta;
    return (struct interval_turns){3, {bend, bend * (1 - 4 * DBL_EPSILON), bend * (1 + 4 * DBL_EPSILON)}};
}

static const struct layer_bounds bounds = {.forward = interval_curve_forward,
                                           .backward = interval_curve_backward,
                                           .turns_of = turns,
                                           .of_result = 16,
                                           .of_gradient = 16};

LAYER_OPS(Softplus) = {
    .type = {"Softplus", "torch.nn.Softplus", "log(1 + exp(beta x)) / beta", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct softplus),
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .activation = &(const struct layer_activation){.greatest_derivative = 1},
    .switches = switches,
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};
