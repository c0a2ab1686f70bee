/* x kept within a range, with y' = 0 at its ends and outside: Hardtanh, and ReLU6 with [0, 6]. */
#include "core/layers/kinks.h"
#include "core/real/interval.h"

struct hardtanh {
    double min_val;
    double max_val;
};

static const struct stability_attribute attributes[] = {
    {"min_val", STABILITY_ATTRIBUTE_REAL, offsetof(struct hardtanh, min_val), .number = -1,
     .documentation = "the least y"},
    {"max_val", STABILITY_ATTRIBUTE_REAL, offsetof(struct hardtanh, max_val), .number = 1,
     .documentation = "the greatest y"},
    {0},
};

static bool hardtanh_shape(struct layer_shapes *shapes)
{
    const struct hardtanh *range = shapes->attributes;
    if (!(range->max_val > range->min_val))
        return layer_shape_fail(shapes, "max_val", "max_val must be above min_val = %g, got %g",
                                range->min_val, range->max_val);
    return layer_shape_same(shapes);
}

static void forward(const struct layer_pass *pass, real low, real high)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = x[i] < low ? low : x[i] > high ? high : x[i];
}

static void backward(const struct layer_pass *pass, real low, real high)
{
    const real *y = pass->outputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = y[i] <= low || y[i] >= high ? 0 : dy[i];
}

static void hardtanh_forward(const struct layer_pass *pass)
{
    const struct hardtanh *range = pass->attributes;
    forward(pass, (real)range->min_val, (real)range->max_val);
}

static void hardtanh_backward(const struct layer_pass *pass)
{
    const struct hardtanh *range = pass->attributes;
    backward(pass, (real)range->min_val, (real)range->max_val);
}

static void relu6_forward(const struct layer_pass *pass)
{
    forward(pass, 0, 6);
}

static void relu6_backward(const struct layer_pass *pass)
{
    backward(pass, 0, 6);
}

static uint64_t hardtanh_switches(const struct layer_pass *pass)
{
    const struct hardtanh *range = pass->attributes;
    return kinks_at(pass, range->min_val, range->max_val);
}

static uint64_t relu6_switches(const struct layer_pass *pass)
{
    return kinks_at(pass, 0, 6);
}

static struct interval_turns hardtanh_turns(const void *attributes_of_type)
{
    const struct hardtanh *attribute = attributes_of_type;
    return (struct interval_turns){2, {attribute->min_val, attribute->max_val}};
}

static const struct layer_bounds hardtanh_bounds = {
    .forward = interval_curve_forward, .backward = interval_curve_backward, .turns_of = hardtanh_turns};

LAYER_OPS(Hardtanh) = {
    .type = {"Hardtanh", "torch.nn.Hardtanh", "x kept within [min_val, max_val]", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct hardtanh),
    .shape = hardtanh_shape,
    .forward = hardtanh_forward,
    .backward = hardtanh_backward,
    .switches = hardtanh_switches,
    .activation = &(const struct layer_activation){.dies = true, .saturates = true, .greatest_derivative = 1},
    .unread = LAYER_UNREAD_INPUTS,
    .bounds = &hardtanh_bounds,
};

static const struct layer_bounds relu6_bounds = {
    .forward = interval_curve_forward, .backward = interval_curve_backward, .turns = {2, {0, 6}}};

LAYER_OPS(ReLU6) = {
    .type = {"ReLU6", "torch.nn.ReLU6", "x kept within [0, 6]", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = relu6_forward,
    .backward = relu6_backward,
    .switches = relu6_switches,
    .activation = &(const struct layer_activation){.dies = true, .greatest_derivative = 1},
    .unread = LAYER_UNREAD_INPUTS,
    .bounds = &relu6_bounds,
};
