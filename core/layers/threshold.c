/* x where it is above a threshold, a value elsewhere. */
#include "core/layers/kinks.h"
#include "core/real/interval.h"

struct threshold {
    double threshold;
    double value;
};

static const struct stability_attribute attributes[] = {
    {"threshold", STABILITY_ATTRIBUTE_REAL, offsetof(struct threshold, threshold), .required = true,
     .documentation = "the greatest x that is replaced"},
    {"value", STABILITY_ATTRIBUTE_REAL, offsetof(struct threshold, value), .required = true,
     .documentation = "what it is replaced by"},
    {0},
};

static void forward(const struct layer_pass *pass)
{
    const struct threshold *attribute = pass->attributes;
    const real threshold = (real)attribute->threshold;
    const real value = (real)attribute->value;
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = x[i] <= threshold ? value : x[i];
}

static void backward(const struct layer_pass *pass)
{
    const real threshold = (real)((const struct threshold *)pass->attributes)->threshold;
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = x[i] <= threshold ? 0 : dy[i];
}

static uint64_t switches(const struct layer_pass *pass)
{
    const struct threshold *attribute = pass->attributes;
    return kinks_at(pass, attribute->threshold, attribute->threshold);
}

static struct interval_turns turns(const void *attributes_of_type)
{
    const struct threshold *attribute = attributes_of_type;
    return (struct interval_turns){1, {attribute->threshold}};
}

static const struct layer_bounds bounds = {
    .forward = interval_curve_forward, .backward = interval_curve_backward, .turns_of = turns};

LAYER_OPS(Threshold) = {
    .type = {"Threshold", "torch.nn.Threshold", "x where x > threshold, value elsewhere", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct threshold),
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .switches = switches,
    .activation = &(const struct layer_activation){.dies = true, .greatest_derivative = 1},
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};
