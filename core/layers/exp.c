/* y = eˣ = y'. */
#include "core/layers/explain.h"
#include "core/real/functions.h"
#include "core/real/interval.h"

static void forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = real_exp(x[i]);
}

static void backward(const struct layer_pass *pass)
{
    const real *y = pass->outputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = dy[i] * y[i];
}

static bool explain(const struct layer_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    if (!place->backward)
        return explain_say(cause, "exp(%.6g) overflows " REAL_NAME,
                           explain_operand(cause, "input", &pass->inputs[0], place->element));
    double y = explain_operand(cause, "output", &pass->outputs[0], place->element);
    double dy = explain_operand(cause, OUTPUT_GRADIENT, &pass->output_gradients[0], place->element);
    if (isnan(dy * y))
        return explain_say(cause, "%g * %g: the gradient that arrives times exp(x)", dy, y);
    return explain_say(cause, "the gradient of exp, %.6g * %.6g, overflows " REAL_NAME, dy, y);
}

static const struct layer_bounds bounds = {
    .forward = interval_curve_forward, .backward = interval_curve_backward, .of_result = 8};

LAYER_OPS(Exp) = {
    .type = {"Exp", "torch.exp", "exp(x)", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_INPUTS,
    .explain = explain,
    .bounds = &bounds,
};
