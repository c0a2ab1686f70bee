/* log x with y' = 1 / x, and log(1 + x) with y' = 1 / (1 + x). */
#include "core/layers/explain.h"
#include "core/real/functions.h"
#include "core/real/interval.h"

static void log_forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = real_log(x[i]);
}

static void log_backward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = dy[i] / x[i];
}

static void log1p_forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = real_log1p(x[i]);
}

static void log1p_backward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = dy[i] / (1 + x[i]);
}

static bool explain_as(const char *function, double zero, const struct layer_pass *pass,
                       const struct layer_place *place, struct layer_cause *cause)
{
    double x = explain_operand(cause, "input", &pass->inputs[0], place->element);
    if (!place->backward && x == zero)
        return explain_say(cause, "%s(%g): minus infinity", function, x);
    if (!place->backward)
        return explain_say(cause, "%s(%.6g): no number, below %g", function, x, zero);
    double dy = explain_operand(cause, OUTPUT_GRADIENT, &pass->output_gradients[0], place->element);
    if (x == zero)
        return explain_say(cause, "%g/0: the derivative of %s at %g is infinite", dy, function, x);
    return explain_say(cause, "the derivative of %s overflows " REAL_NAME " at %.6g", function, x);
}

static bool log_explain(const struct layer_pass *pass, const struct layer_place *place,
                        struct layer_cause *cause)
{
    return explain_as("log", 0, pass, place, cause);
}

static bool log1p_explain(const struct layer_pass *pass, const struct layer_place *place,
                          struct layer_cause *cause)
{
    return explain_as("log1p", -1, pass, place, cause);
}

static const struct layer_bounds log_bounds = {.forward = interval_curve_forward,
                                               .backward = interval_curve_backward,
                                               .turns = {1, {0}},
                                               .of_result = 8,
                                               .has_domain = true};

LAYER_OPS(Log) = {
    .type = {"Log", "torch.log", "log(x), natural", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = log_forward,
    .backward = log_backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .explain = log_explain,
    .bounds = &log_bounds,
};

static const struct layer_bounds log1p_bounds = {.forward = interval_curve_forward,
                                                 .backward = interval_curve_backward,
                                                 .turns = {1, {-1}},
                                                 .of_result = 8,
                                                 .has_domain = true};

LAYER_OPS(Log1p) = {
    .type = {"Log1p", "torch.log1p", "log(1 + x), exact near 0", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = log1p_forward,
    .backward = log1p_backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .explain = log1p_explain,
    .bounds = &log1p_bounds,
};
