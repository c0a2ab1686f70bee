/* √x with y' = 1 / (2 y), and 1/√x with y' = -y³ / 2. */
#include "core/layers/explain.h"
#include "core/real/interval.h"

static void sqrt_forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = sqrt(x[i]);
}

static void sqrt_backward(const struct layer_pass *pass)
{
    const real *y = pass->outputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = dy[i] / (2 * y[i]);
}

static void rsqrt_forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = 1 / sqrt(x[i]);
}

static void rsqrt_backward(const struct layer_pass *pass)
{
    const real *y = pass->outputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = (real)-0.5 * dy[i] * (y[i] * y[i] * y[i]);
}

static bool sqrt_explain(const struct layer_pass *pass, const struct layer_place *place,
                         struct layer_cause *cause)
{
    if (!place->backward)
        return explain_say(cause, "sqrt(%.6g): no number, below 0",
                           explain_operand(cause, "input", &pass->inputs[0], place->element));
    double y = explain_operand(cause, "output", &pass->outputs[0], place->element);
    double dy = explain_operand(cause, OUTPUT_GRADIENT, &pass->output_gradients[0], place->element);
    if (y == 0)
        return explain_say(cause, "the derivative of sqrt at 0 is infinite%s", dy == 0 ? ", times 0" : "");
    return explain_say(cause, "the derivative of sqrt overflows " REAL_NAME " at %.6g", y * y);
}

static bool rsqrt_explain(const struct layer_pass *pass, const struct layer_place *place,
                          struct layer_cause *cause)
{
    if (place->backward) {
        double y = explain_operand(cause, "output", &pass->outputs[0], place->element);
        explain_operand(cause, OUTPUT_GRADIENT, &pass->output_gradients[0], place->element);
        return explain_say(cause, "the derivative of 1/sqrt overflows " REAL_NAME " at %.6g", 1 / y / y);
    }
    double x = explain_operand(cause, "input", &pass->inputs[0], place->element);
    if (x == 0)
        return explain_say(cause, "1/sqrt(0): division by zero");
    return explain_say(cause, "1/sqrt(%.6g): no number, below 0", x);
}

static const struct layer_bounds bounds = {.forward = interval_curve_forward,
                                           .backward = interval_curve_backward,
                                           .turns = {1, {0}},
                                           .has_domain = true};

LAYER_OPS(Sqrt) = {
    .type = {"Sqrt", "torch.sqrt", "√x", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = sqrt_forward,
    .backward = sqrt_backward,
    .unread = LAYER_UNREAD_INPUTS,
    .explain = sqrt_explain,
    .bounds = &bounds,
};

LAYER_OPS(Rsqrt) = {
    .type = {"Rsqrt", "torch.rsqrt", "1 / √x", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = rsqrt_forward,
    .backward = rsqrt_backward,
    .unread = LAYER_UNREAD_INPUTS,
    .explain = rsqrt_explain,
    .bounds = &bounds,
};
