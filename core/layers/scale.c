/* y = factor x + shift. */
#include "core/layers/explain.h"
#include "core/real/interval.h"

struct scale {
    double factor;
    double shift;
};

static const struct stability_attribute attributes[] = {
    {"factor", STABILITY_ATTRIBUTE_REAL, offsetof(struct scale, factor), .number = 1,
     .documentation = "what x is multiplied by"},
    {"shift", STABILITY_ATTRIBUTE_REAL, offsetof(struct scale, shift), .documentation = "what is added then"},
    {0},
};

static void forward(const struct layer_pass *pass)
{
    const struct scale *scale = pass->attributes;
    const real factor = (real)scale->factor;
    const real shift = (real)scale->shift;
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = factor * x[i] + shift;
}

static void backward(const struct layer_pass *pass)
{
    const real factor = (real)((const struct scale *)pass->attributes)->factor;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = factor * dy[i];
}

static bool explain(const struct layer_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    const struct scale *scale = pass->attributes;
    const struct tensor *of = place->backward ? &pass->output_gradients[0] : &pass->inputs[0];
    double x = explain_operand(cause, place->backward ? OUTPUT_GRADIENT : "input", of, place->element);
    if (isnan(scale->factor * x))
        return explain_say(cause, "%g * %g", scale->factor, x);
    if (place->backward || scale->shift == 0)
        return explain_say(cause, "%.6g * %.6g overflows " REAL_NAME, scale->factor, x);
    return explain_say(cause, "%.6g * %.6g + %.6g overflows " REAL_NAME, scale->factor, x, scale->shift);
}

static const struct layer_bounds bounds = {.forward = interval_curve_forward,
                                           .backward = interval_curve_backward};

LAYER_OPS(Scale) = {
    .type = {"Scale", "x * factor + shift", "factor x + shift", .minimum_inputs = 1, .maximum_inputs = 1,
             .attributes = attributes},
    .attributes_size = sizeof(struct scale),
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .explain = explain,
    .bounds = &bounds,
};
