/* a / b */
#include "core/layers/binary.h"
#include "core/real/interval.h"

static real quotient(real a, real b)
{
    return a / b;
}

static real gradient_a(real a, real b, real dy)
{
    (void)a;
    return dy / b;
}

static real gradient_b(real a, real b, real dy)
{
    return -dy * (a / b / b);
}

static void forward(const struct layer_pass *pass)
{
    binary_forward(pass, quotient);
}

static void backward(const struct layer_pass *pass)
{
    binary_backward(pass, 0, gradient_a);
    binary_backward(pass, 1, gradient_b);
}

/* Of the divisor, or of a dividend that is not broadcast. */
static bool explain_backward(const struct layer_pass *pass, const struct layer_place *place,
                             struct layer_cause *cause)
{
    const struct tensor *inputs = pass->inputs, *dy = &pass->output_gradients[0];
    if (inputs[place->tensor].count != dy->count)
        return false;
    double gradient = explain_operand(cause, OUTPUT_GRADIENT, dy, place->element), a, b;
    binary_operands(pass, place->element, cause, &a, &b);
    if (place->tensor == 0 && b == 0)
        return explain_say(cause, "the dividend's gradient divides by zero: %.6g/0", gradient);
    if (place->tensor == 0)
        return explain_say(cause, "the dividend's gradient, %.6g / %.6g, overflows " REAL_NAME, gradient, b);
    return explain_say(cause, "the divisor's gradient, -dy a / b², overflows " REAL_NAME " at b = %.6g", b);
}

static bool explain(const struct layer_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    double a, b;
    if (place->backward)
        return explain_backward(pass, place, cause);
    binary_operands(pass, place->element, cause, &a, &b);
    if (a == 0 && b == 0)
        return explain_say(cause, "0/0");
    if (b == 0)
        return explain_say(cause, "division by zero: %.6g/0", a);
    if (isinf(a) && isinf(b))
        return explain_say(cause, "inf/inf");
    return explain_say(cause, "%.6g / %.6g overflows " REAL_NAME, a, b);
}

static const struct layer_bounds bounds = {.forward = interval_pair_forward,
                                           .backward = interval_pair_backward};

LAYER_OPS(Div) = {
    .type = {"Div", "torch.div", "a / b, broadcast together", .minimum_inputs = 2, .maximum_inputs = 2},
    .shape = binary_shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .explain = explain,
    .bounds = &bounds,
};
