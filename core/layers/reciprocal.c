/* y = 1 / x, y' = -y². */
#include "core/layers/explain.h"
#include "core/real/interval.h"

static void forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = 1 / x[i];
}

static void backward(const struct layer_pass *pass)
{
    const real *y = pass->outputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = -dy[i] * (y[i] * y[i]);
}

static bool explain(const struct layer_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    if (place->backward) {
        double y = explain_operand(cause, "output", &pass->outputs[0], place->element);
        explain_operand(cause, OUTPUT_GRADIENT, &pass->output_gradients[0], place->element);
        return explain_say(cause, "the derivative of 1/x overflows " REAL_NAME " at %.6g", 1 / y);
    }
    double x = explain_operand(cause, "input", &pass->inputs[0], place->element);
    if (x == 0)
        return explain_say(cause, "1/0: division by zero");
    return explain_say(cause, "1/%.6g overflows " REAL_NAME, x);
}

static const struct layer_bounds bounds = {
    .forward = interval_curve_forward, .backward = interval_curve_backward, .turns = {1, {0}}};

LAYER_OPS(Reciprocal) = {
    .type = {"Reciprocal", "torch.reciprocal", "1 / x", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_INPUTS,
    .explain = explain,
    .bounds = &bounds,
};
