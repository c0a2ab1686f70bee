/* What operations say of the first NaN or infinity that arises in them. */
#include "support.h"

#include "request_builder.h"

#include <math.h>
#include <string.h>

static void expect_cause(struct builder *b, const char *pass, const char *cause)
{
    struct stability_report *report = builder_diagnose(b);
    const struct stability_finding *finding = report_finding(report, "non-finite");
    if (!finding)
        fail_msg("there is no finding to say '%s'", cause);
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
    {"Exp", 0, 57.5, 9.37415750215027e+24, "backward", "the gradient of exp, "},
    {"Pow", 0.5, 1e-40, -1e19, "backward", "times the derivative 0.5 (9.99995e-41)^-0.5 overflows float32"},
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
    {"Div", 0, 1e-20, -1e19, "backward", "the dividend's gradient, 2e+19 / 1e-20, overflows float32"},
    {"Mul", 0, 1e30, -1e19, "backward", "2e+19, the gradient that arrives, * 1e+30 overflows float32"},
    {"Add", 3e38, 3e38, 0, "forward", "3e+38 + 3e+38 is beyond the largest float32"},
    {"Sub", 3e38, -3e38, 0, "forward", "3e+38 - -3e+38 is beyond the largest float32"},
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

/* Sums of products: which product is the greatest. */
static void of_sums_of_products(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(2, 3), (double[]){1, 2, 3, 4, 1e30, 5});
    builder_data(&b, "target", SHAPE(2, 2), (double[4]){0});
    builder_linear(&b, "operation", NULL, 3, 2);
    builder_weight(&b, "operation.weight", SHAPE(2, 3), (double[]){1, 0, 1, 1, -1e20, 1});
    builder_sum_of_squares(&b);
    expect_cause(
        &b, "element 3 of the output",
        "a sum of 3 products, the greatest 1e+30 (input) * -1e+20 (weight), is beyond the largest float32");
    b = (struct builder){0};
    builder_data(&b, "input", SHAPE(1, 1, 2), (double[]){1e30, 1});
    builder_data(&b, "target", SHAPE(1, 1, 1), (double[1]){0});
    builder_layer(&b, "operation", "Conv1d", NULL);
    builder_integer(&b, "in_channels", 1);
    builder_integer(&b, "out_channels", 1);
    builder_integer(&b, "kernel_size", 2);
    builder_boolean(&b, "bias", false);
    builder_weight(&b, "operation.weight", SHAPE(1, 1, 2), (double[]){-1e10, 2});
    builder_sum_of_squares(&b);
    expect_cause(&b, "the output",
                 "a sum of products of the input, up to 1e+30, and the weight, up to 1e+10");
}

static void of_a_matrix_product(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "a", SHAPE(2, 1, 2), (double[]){1, 1, 1, -1e20});
    builder_data(&b, "b", SHAPE(2, 2), (double[]){1, 1, 1, 2e30});
    builder_data(&b, "target", SHAPE(2, 1, 2), (double[4]){0});
    builder_layer(&b, "operation", "MatMul", "a b");
    builder_sum_of_squares(&b);
    expect_cause(&b, "element 3 of the output",
                 "the greatest -1e+20 (input 0) * 2e+30 (input 1), is beyond the largest float32");
}

/* dy is 2 (0 - -1e19): times a weight, an input, or twice. */
static void of_sums_in_the_backward_pass(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 1), (double[]){0});
    builder_data(&b, "target", SHAPE(1, 1), (double[]){-1e19});
    builder_layer(&b, "before", "Identity", NULL);
    builder_linear(&b, "first", NULL, 1, 1);
    builder_weight(&b, "first.weight", SHAPE(1, 1), (double[]){1});
    builder_linear(&b, "operation", NULL, 1, 1);
    builder_weight(&b, "operation.weight", SHAPE(1, 1), (double[]){1e20});
    builder_sum_of_squares(&b);
    expect_cause(&b, "the gradient of its input of layer 'operation'",
                 "2e+19 (gradient of the output) * 1e+20 (weight) is beyond the largest float32");
    b = (struct builder){0};
    builder_data(&b, "input", SHAPE(1, 1), (double[]){1e20});
    builder_data(&b, "target", SHAPE(1, 1), (double[]){-1e19});
    builder_linear(&b, "operation", NULL, 1, 1);
    builder_weight(&b, "operation.weight", SHAPE(1, 1), (double[]){0});
    builder_sum_of_squares(&b);
    expect_cause(&b, "the gradient of 'weight'", "2e+19 (gradient of the output) * 1e+20 (input)");
}

static void of_a_factor(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1), (double[]){1e20});
    builder_data(&b, "target", SHAPE(1), (double[]){0});
    builder_layer(&b, "operation", "Scale", NULL);
    builder_real(&b, "factor", -1e20);
    builder_sum_of_squares(&b);
    expect_cause(&b, "the output", "-1e+20 * 1e+20 overflows float32");
}

/* One element and one target through a loss. */
static const struct {
    const char *type;
    const char *option; /* a boolean attribute that is set to `on`, or NULL */
    bool on;
    double x;
    double target;
    const char *cause;
} loss_cases[] = {
    {"MSELoss", NULL, false, 1e30, 0, "(x - t)² with x = 1e+30 and t = 0 overflows float32"},
    {"L1Loss", NULL, false, 3e38, -3e38, "|x - t| with x = 3e+38 and t = -3e+38 overflows float32"},
    {"SmoothL1Loss", NULL, false, 3e38, -3e38, "with x = 3e+38 and t = -3e+38 overflows float32"},
    {"HuberLoss", NULL, false, 3e38, -3e38, "with x = 3e+38 and t = -3e+38 overflows float32"},
    {"BCELoss", NULL, false, 2, 1, "with x = 2 and t = 1 is no number"},
    {"BCELoss", NULL, false, -0.5, 1, "with x = -0.5 and t = 1 is no number"},
    {"KLDivLoss", NULL, false, 0, -1, "t (log t - x) with x = 0 and t = -1 is no number"},
    {"KLDivLoss", "log_target", true, 0, 100, "exp(t) (t - x) with x = 0 and t = 100 overflows float32"},
    {"PoissonNLLLoss", NULL, false, 100, 1, "exp(x) - t x with x = 100 and t = 1 overflows float32"},
    {"PoissonNLLLoss", "log_input", false, -1, 1, "x - t log(x + eps) with x = -1 and t = 1 is no number"},
    {"SoftMarginLoss", NULL, false, -100, 1, "log(1 + exp(-t x)) with x = -100 and t = 1 overflows float32"},
};

static void of_losses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(loss_cases) / sizeof(loss_cases[0]); i++) {
        struct builder b = {0};
        builder_data(&b, "input", SHAPE(1), &loss_cases[i].x);
        builder_data(&b, "target", SHAPE(1), &loss_cases[i].target);
        builder_layer(&b, "before", "Identity", NULL);
        builder_loss(&b, loss_cases[i].type, NULL);
        if (loss_cases[i].option)
            builder_boolean(&b, loss_cases[i].option, loss_cases[i].on);
        expect_cause(&b, "the loss", loss_cases[i].cause);
    }
}

static void of_classification(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 2), (double[]){3e38, -3e38});
    builder_integers(&b, "target", SHAPE(1), (int64_t[]){1});
    builder_layer(&b, "before", "Identity", NULL);
    builder_loss(&b, "CrossEntropyLoss", NULL);
    expect_cause(&b, "the loss",
                 "x = -3e+38 and 3e+38 the greatest of the row, is not finite: the distance overflows");
    b = (struct builder){0};
    builder_data(&b, "input", SHAPE(1, 2), (double[]){1, 2});
    builder_integers(&b, "target", SHAPE(1), (int64_t[]){-100});
    builder_layer(&b, "before", "Identity", NULL);
    builder_loss(&b, "NLLLoss", NULL);
    expect_cause(&b, "the loss", "0/0: the mean of no rows");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_one_input),         cmocka_unit_test(of_two_inputs),
        cmocka_unit_test(of_a_broadcast_input), cmocka_unit_test(of_sums_of_products),
        cmocka_unit_test(of_a_matrix_product),  cmocka_unit_test(of_sums_in_the_backward_pass),
        cmocka_unit_test(of_a_factor),          cmocka_unit_test(of_losses),
        cmocka_unit_test(of_classification),
    };
    return cmocka_run_group_tests_name("explanations", tests, NULL, NULL);
}
