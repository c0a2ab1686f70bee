/* a b */
#include "core/layers/binary.h"
#include "core/real/interval.h"

static real product(real a, real b)
{
    return a * b;
}

static real gradient_a(real a, real b, real dy)
{
    (void)a;
    return dy * b;
}

static real gradient_b(real a, real b, real dy)
{
    (void)b;
    return dy * a;
}

static void forward(const struct layer_pass *pass)
{
    binary_forward(pass, product);
}

static void backward(const struct layer_pass *pass)
{
    binary_backward(pass, 0, gradient_a);
    binary_backward(pass, 1, gradient_b);
}

static bool explain(const struct layer_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    double a, b;
    if (place->backward)
        return binary_explain_product(pass, place, cause);
    binary_operands(pass, place->element, cause, &a, &b);
    if (isnan(a * b))
        return explain_say(cause, "%g * %g", a, b);
    return explain_say(cause, "%.6g * %.6g overflows " REAL_NAME, a, b);
}

static const struct layer_bounds bounds = {.forward = interval_pair_forward,
                                           .backward = interval_pair_backward};

LAYER_OPS(Mul) = {
    .type = {"Mul", "torch.mul", "a b, broadcast together", .minimum_inputs = 2, .maximum_inputs = 2},
    .shape = binary_shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .explain = explain,
    .bounds = &bounds,
};
