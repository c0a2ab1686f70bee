/* x to a fixed exponent, with y' = exponent x^(exponent - 1), and the square. */
#include "core/layers/explain.h"
#include "core/real/interval.h"

struct power {
    double exponent;
};

static const struct stability_attribute attributes[] = {
    {"exponent", STABILITY_ATTRIBUTE_REAL, offsetof(struct power, exponent), .required = true,
     .documentation = "the power that x is raised to"},
    {0},
};

/* y = x^exponent. Exponents that take no more than a product, a quotient
 * or a root do not go through pow, as in PyTorch. */
static void raise(const real *x, int64_t count, double exponent, real *y)
{
    if (exponent == 2)
        for (int64_t i = 0; i < count; i++)
            y[i] = x[i] * x[i];
    else if (exponent == 3)
        for (int64_t i = 0; i < count; i++)
            y[i] = x[i] * x[i] * x[i];
    else if (exponent == 0.5)
        for (int64_t i = 0; i < count; i++)
            y[i] = sqrt(x[i]);
    else if (exponent == -0.5)
        for (int64_t i = 0; i < count; i++)
            y[i] = 1 / sqrt(x[i]);
    else if (exponent == -1)
        for (int64_t i = 0; i < count; i++)
            y[i] = 1 / x[i];
    else if (exponent == -2)
        for (int64_t i = 0; i < count; i++)
            y[i] = 1 / (x[i] * x[i]);
    else
        for (int64_t i = 0; i < count; i++)
            y[i] = pow(x[i], (real)exponent);
}

static void pow_forward(const struct layer_pass *pass)
{
    const struct power *power = pass->attributes;
    raise(pass->inputs[0].data, pass->inputs[0].count, power->exponent, pass->outputs[0].data);
}

static void pow_backward(const struct layer_pass *pass)
{
    const struct power *power = pass->attributes;
    const real exponent = (real)power->exponent;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    raise(pass->inputs[0].data, pass->inputs[0].count, power->exponent - 1, dx);
    for (int64_t i = 0; i < pass->inputs[0].count; i++)
        dx[i] = exponent == 0 ? 0 : dy[i] * (exponent * dx[i]);
}

static void square_forward(const struct layer_pass *pass)
{
    raise(pass->inputs[0].data, pass->inputs[0].count, 2, pass->outputs[0].data);
}

static void square_backward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->inputs[0].count; i++)
        dx[i] = dy[i] * (2 * x[i]);
}

static bool explain_power(double exponent, const struct layer_pass *pass, const struct layer_place *place,
                          struct layer_cause *cause)
{
    double x = explain_operand(cause, "input", &pass->inputs[0], place->element);
    double taken = place->backward ? exponent - 1 : exponent;
    const char *what = place->backward ? "the derivative's " : "";
    if (place->backward)
        explain_operand(cause, OUTPUT_GRADIENT, &pass->output_gradients[0], place->element);
    if (x == 0)
        return explain_say(cause, "%s(0)^%g divides by zero", what, taken);
    if (x < 0 && taken != floor(taken))
        return explain_say(cause, "%s(%.6g)^%g is no number: a fractional power of a negative one", what, x,
                           taken);
    if (place->backward)
        return explain_say(cause,
                           "the gradient that arrives times the derivative %g (%.6g)^%g overflows " REAL_NAME,
                           exponent, x, taken);
    return explain_say(cause, "(%.6g)^%g overflows " REAL_NAME, x, taken);
}

static bool pow_explain(const struct layer_pass *pass, const struct layer_place *place,
                        struct layer_cause *cause)
{
    return explain_power(((const struct power *)pass->attributes)->exponent, pass, place, cause);
}

static bool square_explain(const struct layer_pass *pass, const struct layer_place *place,
                           struct layer_cause *cause)
{
    return explain_power(2, pass, place, cause);
}

static const struct layer_bounds pow_bounds = {.forward = interval_curve_forward,
                                               .backward = interval_curve_backward,
                                               .turns = {1, {0}},
                                               .of_result = 8,
                                               .has_domain = true};

LAYER_OPS(Pow) = {
    .type = {"Pow", "torch.pow", "x to the power of exponent", .minimum_inputs = 1, .maximum_inputs = 1,
             .attributes = attributes},
    .attributes_size = sizeof(struct power),
    .shape = layer_shape_same,
    .forward = pow_forward,
    .backward = pow_backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .explain = pow_explain,
    .bounds = &pow_bounds,
};

static const struct layer_bounds square_bounds = {
    .forward = interval_curve_forward, .backward = interval_curve_backward, .turns = {1, {0}}};

LAYER_OPS(Square) = {
    .type = {"Square", "torch.square", "x²", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = square_forward,
    .backward = square_backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .explain = square_explain,
    .bounds = &square_bounds,
};
