/* 0 within [-lambd, lambd]; outside x itself (Hardshrink), or what is left of it (Softshrink). */
#include "core/layers/kinks.h"
#include "core/real/interval.h"

struct shrink {
    double lambd;
};

static const struct stability_attribute hard_attributes[] = {
    {"lambd", STABILITY_ATTRIBUTE_REAL, offsetof(struct shrink, lambd), .number = 0.5,
     .documentation = "half the width of the range that becomes 0"},
    {0},
};

static const struct stability_attribute soft_attributes[] = {
    {"lambd", STABILITY_ATTRIBUTE_REAL, offsetof(struct shrink, lambd), .maximum = INFINITY, .number = 0.5,
     .documentation = "half the width of the range that becomes 0"},
    {0},
};

static real half_width(const struct layer_pass *pass)
{
    return (real)((const struct shrink *)pass->attributes)->lambd;
}

static void hard_forward(const struct layer_pass *pass)
{
    const real lambda = half_width(pass);
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = x[i] >= -lambda && x[i] <= lambda ? 0 : x[i];
}

static void soft_forward(const struct layer_pass *pass)
{
    const real lambda = half_width(pass);
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = x[i] > lambda ? x[i] - lambda : x[i] < -lambda ? x[i] + lambda : 0;
}

static void backward(const struct layer_pass *pass)
{
    const real lambda = half_width(pass);
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = x[i] >= -lambda && x[i] <= lambda ? 0 : dy[i];
}

static uint64_t switches(const struct layer_pass *pass)
{
    const struct shrink *shrink = pass->attributes;
    return kinks_at(pass, -shrink->lambd, shrink->lambd);
}

static struct interval_turns turns(const void *attributes_of_type)
{
    const struct shrink *attribute = attributes_of_type;
    return (struct interval_turns){2, {-attribute->lambd, attribute->lambd}};
}

static const struct layer_bounds bounds = {
    .forward = interval_curve_forward, .backward = interval_curve_backward, .turns_of = turns};

LAYER_OPS(Hardshrink) = {
    .type = {"Hardshrink", "torch.nn.Hardshrink", "0 where |x| <= lambd, x elsewhere", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = hard_attributes},
    .attributes_size = sizeof(struct shrink),
    .shape = layer_shape_same,
    .forward = hard_forward,
    .backward = backward,
    .switches = switches,
    .activation = &(const struct layer_activation){.greatest_derivative = 1},
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};

LAYER_OPS(Softshrink) = {
    .type = {"Softshrink", "torch.nn.Softshrink",
             "0 where |x| <= lambd, x moved by lambd towards 0 elsewhere", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = soft_attributes},
    .attributes_size = sizeof(struct shrink),
    .shape = layer_shape_same,
    .forward = soft_forward,
    .backward = backward,
    .switches = switches,
    .activation = &(const struct layer_activation){.greatest_derivative = 1},
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};
