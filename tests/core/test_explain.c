/* What operations say of the first NaN or infinity that arises in them. */
#include "support.h"

#include "request_builder.h"

#include <math.h>
#include <string.h>

static void expect_cause(struct builder *b, const char *pass, const char *cause)
{
    struct stability_report *report = builder_diagnose(b);
    const struct stability_finding *finding = report_finding(report, "non-finite");
    assert_non_null(finding);
    if (!strstr(finding->message, pass))
        fail_msg("'%s' does not say '%s'", finding->message, pass);
    if (!strstr(finding->cause, cause))
        fail_msg("'%s' does not say '%s'", finding->cause, cause);
    stability_report_free(report);
    builder_free(b);
}

/* One element through an operation; the target is `target`, and the gradient that arrives 2 (y - target). */
static const struct {
    const char *type;
    double exponent; /* of Pow */
    double x;
    double target;
    const char *pass;
    const char *cause;
} unary_cases[] = {
    {"Exp", 0, 100, 0, "forward", "exp(100) overflows float32"},
    {"Log", 0, 0, 0, "forward", "log(0): minus infinity"},
    {"Log", 0, -2, 0, "forward", "log(-2): no number, below 0"},
    {"Log", 0, 1e-40, 0, "backward", "the derivative of log overflows float32 at 9.99995e-41"},
    {"Log1p", 0, -1, 0, "forward", "log1p(-1): minus infinity"},
    {"Log1p", 0, -3, 0, "forward", "log1p(-3): no number, below -1"},
    {"Sqrt", 0, -4, 0, "forward", "sqrt(-4): no number, below 0"},
    {"Sqrt", 0, 0, 1, "backward", "the derivative of sqrt at 0 is infinite"},
    {"Sqrt", 0, 0, 0, "backward", "is infinite, times 0"},
    {"Rsqrt", 0, 0, 0, "forward", "1/sqrt(0): division by zero"},
    {"Rsqrt", 0, -1, 0, "forward", "1/sqrt(-1): no number, below 0"},
    {"Rsqrt", 0, 1e-30, 0, "backward", "the derivative of 1/sqrt overflows float32 at 1e-30"},
    {"Reciprocal", 0, 0, 0, "forward", "1/0: division by zero"},
    {"Reciprocal", 0, 1e-39, 0, "forward", "overflows float32"},
    {"Reciprocal", 0, 0x1p-80, 0x1p80, "backward", "the derivative of 1/x overflows float32 at 8.27181e-25"},
    {"Square", 0, 1e30, 0, "forward", "(1e+30)^2 overflows float32"},
    {"Pow", 4, 1e20, 0, "forward", "(1e+20)^4 overflows float32"},
    {"Pow", -3, 0, 0, "forward", "(0)^-3 divides by zero"},
    {"Pow", 0.3, -2, 0, "forward", "a fractional power of a negative one"},
    {"Pow", 0.5, 0, 1, "backward", "the derivative's (0)^-0.5 divides by zero"},
    {"Var", 0, 3, 0, "forward", "0/0: a variance over 1 element"},
};

static void of_one_input(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(unary_cases) / sizeof(unary_cases[0]); i++) {
        struct builder b = {0};
        builder_data(&b, "input", SHAPE(1), &unary_cases[i].x);
        builder_data(&b, "target", strcmp(unary_cases[i].type, "Var") == 0 ? SCALAR : SHAPE(1),
                     &unary_cases[i].target);
        builder_layer(&b, "before", "Identity", NULL);
        builder_layer(&b, "operation", unary_cases[i].type, NULL);
        if (strcmp(unary_cases[i].type, "Pow") == 0)
            builder_real(&b, "exponent", unary_cases[i].exponent);
        builder_sum_of_squares(&b);
        expect_cause(&b, unary_cases[i].pass, unary_cases[i].cause);
    }
}

static const struct {
    const char *type;
    double a;
    double b;
    double target;
    const char *pass;
    const char *cause;
} binary_cases[] = {
    {"Mul", 1e30, -1e20, 0, "forward", "1e+30 * -1e+20 overflows float32"},
    {"Div", 0, 0, 0, "forward", "0/0"},
    {"Div", -3, 0, 0, "forward", "division by zero: -3/0"},
    {"Div", 1e30, 1e-30, 0, "forward", "1e+30 / 1e-30 overflows float32"},
    {"Div", 1, 0x1p-80, 0x1p80, "backward",
     "the divisor's gradient, -dy a / b², overflows float32 at b = 8.27181e-25"},
    {"Add", 3e38, 3e38, 0, "forward", "beyond the largest float32"},
};

static void of_two_inputs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(binary_cases) / sizeof(binary_cases[0]); i++) {
        struct builder b = {0};
        double target = binary_cases[i].target;
        builder_data(&b, "a", SHAPE(1), &binary_cases[i].a);
        builder_data(&b, "b", SHAPE(1), &binary_cases[i].b);
        builder_data(&b, "target", SHAPE(1), &target);
        builder_layer(&b, "left", "Identity", "a");
        builder_layer(&b, "right", "Identity", "b");
        builder_layer(&b, "operation", binary_cases[i].type, "left right");
        builder_sum_of_squares(&b);
        expect_cause(&b, binary_cases[i].pass, binary_cases[i].cause);
    }
}

static void of_a_broadcast_input(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "a", SHAPE(2, 1, 2), (double[]){1, 2, 3, 4});
    builder_data(&b, "b", SHAPE(3, 1), (double[]){1, 2, 0});
    builder_data(&b, "target", SHAPE(2, 3, 2), (double[12]){0});
    builder_layer(&b, "operation", "Div", "a b");
    builder_sum_of_squares(&b);
    expect_cause(&b, "element 4 of the output", "division by zero: 1/0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_one_input),
        cmocka_unit_test(of_two_inputs),
        cmocka_unit_test(of_a_broadcast_input),
    };
    return cmocka_run_group_tests_name("explanations", tests, NULL, NULL);
}
