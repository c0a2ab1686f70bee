/* x where x > 0, negative_slope x elsewhere. */
#include "core/layers/kinks.h"
#include "core/real/interval.h"

struct leaky_relu {
    double negative_slope;
};

static const struct stability_attribute attributes[] = {
    {"negative_slope", STABILITY_ATTRIBUTE_REAL, offsetof(struct leaky_relu, negative_slope), .number = 0.01,
     .documentation = "slope where x is negative"},
    {0},
};

static void forward(const struct layer_pass *pass)
{
    const real slope = (real)((const struct leaky_relu *)pass->attributes)->negative_slope;
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = x[i] > 0 ? x[i] : slope * x[i];
}

static void backward(const struct layer_pass *pass)
{
    const real slope = (real)((const struct leaky_relu *)pass->attributes)->negative_slope;
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = x[i] > 0 ? dy[i] : slope * dy[i];
}

static const struct layer_bounds bounds = {
    .forward = interval_curve_forward, .backward = interval_curve_backward, .turns = {1, {0}}};

LAYER_OPS(LeakyReLU) = {
    .type = {"LeakyReLU", "torch.nn.LeakyReLU", "x where x > 0, negative_slope x elsewhere",
             .minimum_inputs = 1, .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct leaky_relu),
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .switches = kink_at_zero,
    .activation = &(const struct layer_activation){.greatest_derivative = 1},
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};
