/* x kept within [min, max]; the derivative is 1 at the ends too. Where min is above max y is max. */
#include "core/layer.h"
#include "core/real/interval.h"
#include "core/real/switches.h"

struct clamp {
    struct optional_real min;
    struct optional_real max;
};

static const struct stability_attribute attributes[] = {
    {"min", STABILITY_ATTRIBUTE_REAL, offsetof(struct clamp, min), .nullable = true,
     .documentation = "the least y; null: none"},
    {"max", STABILITY_ATTRIBUTE_REAL, offsetof(struct clamp, max), .nullable = true,
     .documentation = "the greatest y; null: none"},
    {0},
};

struct range {
    real min;
    real max;
};

static struct range range_of(const struct layer_pass *pass)
{
    const struct clamp *clamp = pass->attributes;
    return (struct range){clamp->min.present ? (real)clamp->min.value : -INFINITY,
                          clamp->max.present ? (real)clamp->max.value : INFINITY};
}

static bool shape(struct layer_shapes *s)
{
    const struct clamp *clamp = s->attributes;
    if (!clamp->min.present && !clamp->max.present)
        return layer_shape_fail(s, NULL, "min, max or both must be given");
    return layer_shape_same(s);
}

static void forward(const struct layer_pass *pass)
{
    const struct range range = range_of(pass);
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++) {
        real raised = x[i] < range.min ? range.min : x[i];
        y[i] = raised > range.max ? range.max : raised;
    }
}

static void backward(const struct layer_pass *pass)
{
    const struct range range = range_of(pass);
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = x[i] >= range.min && x[i] <= range.max ? dy[i] : 0;
}

static uint64_t switches(const struct layer_pass *pass)
{
    const struct range range = range_of(pass);
    return switches_between(pass->inputs[0].data, pass->inputs[0].count, range.min, range.max);
}

static struct interval_turns turns(const void *attributes_of_type)
{
    const struct clamp *clamp = attributes_of_type;
    struct interval_turns turns = {0};
    if (clamp->min.present)
        turns.at[turns.count++] = clamp->min.value;
    if (clamp->max.present)
        turns.at[turns.count++] = clamp->max.value;
    return turns;
}

static const struct layer_bounds bounds = {
    .forward = interval_curve_forward, .backward = interval_curve_backward, .turns_of = turns};

LAYER_OPS(Clamp) = {
    .type = {"Clamp", "torch.clamp", "x kept within [min, max]", .minimum_inputs = 1, .maximum_inputs = 1,
             .attributes = attributes},
    .attributes_size = sizeof(struct clamp),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .switches = switches,
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};
