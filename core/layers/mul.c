/* a b */
#include "core/layers/binary.h"
#include "core/layers/explain.h"

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

static bool explain(const struct layer_pass *pass, bool backward, int64_t element, char *text, size_t size)
{
    double a, b;
    if (backward)
        return false;
    binary_operands(pass, element, &a, &b);
    snprintf(text, size, "%.6g * %.6g overflows " REAL_NAME, a, b);
    return true;
}

LAYER_OPS(Mul) = {
    .type = {"Mul", "torch.mul", "a b, broadcast together", .minimum_inputs = 2, .maximum_inputs = 2},
    .shape = binary_shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .explain = explain,
};
