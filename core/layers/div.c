/* a / b */
#include "core/layers/binary.h"
#include "core/layers/explain.h"

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

static bool explain(const struct layer_pass *pass, bool backward, int64_t element, char *text, size_t size)
{
    double a, b;
    if (backward) {
        if (explain_gradient(pass, element) != 1)
            return false;
        snprintf(text, size, "the divisor's gradient, -dy a / b², overflows " REAL_NAME " at b = %.6g",
                 explain_element(&pass->inputs[1], element));
        return true;
    }
    binary_operands(pass, element, &a, &b);
    if (a == 0 && b == 0)
        snprintf(text, size, "0/0");
    else if (b == 0)
        snprintf(text, size, "division by zero: %.6g/0", a);
    else
        snprintf(text, size, "%.6g / %.6g overflows " REAL_NAME, a, b);
    return true;
}

LAYER_OPS(Div) = {
    .type = {"Div", "torch.div", "a / b, broadcast together", .minimum_inputs = 2, .maximum_inputs = 2},
    .shape = binary_shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .explain = explain,
};
