/* The analysis ranges: bounds worked out by hand, what is proved, and witnesses that hold when they are
 * posted again. */
#include "support.h"

#include "request_builder.h"

#include <math.h>
#include <string.h>

static const struct stability_result *operation(const struct stability_result *ranges, const char *layer,
                                                const char *pass)
{
    for (const struct stability_result *o = result_member(ranges, "operations")->children; o; o = o->next) {
        const struct stability_result *name = result_member(o, "layer");
        bool same = name->kind == STABILITY_RESULT_NULL ? !layer : layer && strcmp(name->text, layer) == 0;
        if (same && strcmp(result_member(o, "pass")->text, pass) == 0)
            return o;
    }
    fail_msg("there is no %s pass of '%s'", pass, layer ? layer : "the loss");
    return NULL;
}

static void expect_range(const struct stability_result *of, const char *name, double low, double high)
{
    const struct stability_result *range = result_member(of, name);
    double error = 1e-5 * (1 + fabs(low) + fabs(high));
    double found_low = result_member(range, "low")->number, found_high = result_member(range, "high")->number;
    if (!(found_low <= low && found_low >= low - error && found_high >= high && found_high <= high + error))
        fail_msg("%s is [%.9g, %.9g] where [%.9g, %.9g] was expected", name, found_low, found_high, low,
                 high);
}

static void expect_status(const struct stability_result *operation, const char *status)
{
    if (strcmp(result_member(operation, "status")->text, status) != 0)
        fail_msg("%s is %s, not %s: %s", result_member(operation, "layer")->text,
                 result_member(operation, "status")->text, status,
                 result_member(operation, "how")->kind == STABILITY_RESULT_TEXT
                     ? result_member(operation, "how")->text
                     : "-");
}

static struct stability_member settings[4];

/* With the input in [low, high]. */
static struct stability_report *analysed(struct builder *b, const double *range,
                                         const struct stability_result **ranges)
{
    settings[0] = (struct stability_member){"input", {STABILITY_LIST, .list = {2, range, false}}};
    builder_ask(b, "ranges", range ? 1 : 0, settings);
    struct stability_report *report = builder_diagnose(b);
    *ranges = result_member(report->analyses, "ranges");
    return report;
}

/* y = (x0 - 2 x1 + 0.5, 3 x0), z = relu(y), loss Σ (z - 1)²: over [-1, 2] y0 lies in [-4.5, 4.5] and y1 in
 * [-3, 6], so dz in [-2, 7] and [-2, 10]. dx = dy W. */
static void of_a_small_network(void **state)
{
    (void)state;
    struct builder b = {0};
    const struct stability_result *ranges;
    builder_data(&b, "input", SHAPE(1, 2), (double[]){0, 1});
    builder_data(&b, "target", SHAPE(1, 2), (double[]){1, 1});
    builder_layer(&b, "before", "Identity", NULL);
    builder_layer(&b, "fc", "Linear", NULL);
    builder_integer(&b, "in_features", 2);
    builder_integer(&b, "out_features", 2);
    builder_weight(&b, "fc.weight", SHAPE(2, 2), (double[]){1, -2, 3, 0});
    builder_weight(&b, "fc.bias", SHAPE(2), (double[]){0.5, 0});
    builder_layer(&b, "act", "ReLU", NULL);
    builder_sum_of_squares(&b);
    struct stability_report *report = analysed(&b, (double[]){-1, 2}, &ranges);
    assert_string_equal(result_member(ranges, "status")->text, "proved");
    expect_range(operation(ranges, "fc", "forward"), "output", -4.5, 6);
    expect_range(operation(ranges, "act", "forward"), "output", 0, 6);
    expect_range(operation(ranges, NULL, "backward"), "gradient", -2, 10);
    expect_range(operation(ranges, "act", "backward"), "gradient", -2, 10);
    /* dW = dy x with dy in [-2, 10] and x in [-1, 2]: [-10, 20], and by midpoints 4 * 0.5 -+ (10 * 2 - 4 *
     * 0.5) */
    expect_range(operation(ranges, "fc", "backward"), "parameter_gradient", -16, 20);
    stability_report_free(report);
    builder_free(&b);
}

/* An elementwise function over [low, high], by its extremes. */
static const struct {
    const char *type;
    double low;
    double high;
    double least;
    double greatest;
} functions[] = {
    {"Abs", -3, 2, 0, 3},
    {"Square", -3, 2, 0, 9},
    {"Neg", -3, 2, -2, 3},
    {"Exp", -1, 2, 0.36787944117144233, 7.38905609893065},
    {"Log", 0.5, 4, -0.6931471805599453, 1.3862943611198906},
    {"Sqrt", 0, 9, 0, 3},
    {"Reciprocal", 0.25, 2, 0.5, 4},
    {"Sigmoid", -2, 1, 0.11920292202211755, 0.7310585786300049},
    {"Tanh", -1, 2, -0.7615941559557649, 0.9640275800758169},
    {"ReLU6", -1, 8, 0, 6},
    {"SiLU", -4, 1, -0.27846454276107377, 0.7310585786300049}, /* the minimum of x sigmoid(x) */
    {"GELU", -3, 1, -0.16997120747990369, 0.8413447460685429}, /* that of x Phi(x) */
    {"Mish", -3, 1, -0.3088426595, 0.8650983882673103},
    {"Hardswish", -4, 4, -0.375, 4},
    {"Softsign", -3, 1, -0.75, 0.5},
    {"Sin", 0.5, 3, 0.1411200080598672, 1},
    {"Cos", 2, 4, -1, -0.4161468365471424},
    {"Softmax", -1, 1, 0.11920292202211755, 0.8807970779778823}, /* of two: 1 / (1 + e^2) */
    {"LogSoftmax", -1, 1, -2.1269280110429727, -0.1269280110429726},
    {"Sum", -1, 1, -2, 2},
    {"Mean", -1, 3, -1, 3},
    {"LogSumExp", -1, 1, -0.3068528194400547, 1.6931471805599452},
};

static void of_functions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        struct builder b = {0};
        const struct stability_result *ranges;
        bool reduces = !strcmp(functions[i].type, "Sum") || !strcmp(functions[i].type, "Mean") ||
                       !strcmp(functions[i].type, "LogSumExp");
        builder_data(&b, "input", SHAPE(2), (double[]){functions[i].low, functions[i].high});
        builder_data(&b, "target", reduces ? SCALAR : SHAPE(2), (double[]){0, 0});
        builder_layer(&b, "f", functions[i].type, NULL);
        if (!strcmp(functions[i].type, "LogSumExp") || strstr(functions[i].type, "oftmax"))
            builder_integer(&b, "dim", 0);
        builder_sum_of_squares(&b);
        struct stability_report *report = analysed(&b, NULL, &ranges);
        expect_range(operation(ranges, "f", "forward"), "output", functions[i].least, functions[i].greatest);
        expect_status(operation(ranges, "f", "forward"), "proved");
        stability_report_free(report);
        builder_free(&b);
    }
}

/* Posts the first input of the witness of an operation, and expects the report to say that it is the origin.
 */
static void post_again(const struct stability_result *witness, const char *const *types, size_t count,
                       struct stability_shape shape, const char *layer)
{
    struct builder b = {0};
    double data[16], target[16] = {0};
    size_t elements = 0;
    const struct stability_result *values =
        result_member(result_member(result_member(witness, "data"), "input"), "data");
    for (const struct stability_result *value = values->children; value && elements < 16; value = value->next)
        data[elements++] = value->number;
    assert_int_equal(elements, stability_shape_count(&shape));
    builder_data(&b, "input", shape, data);
    builder_data(&b, "target", shape, target);
    for (size_t i = 0; i < count; i++)
        builder_layer(&b, types[i], types[i], NULL);
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    const struct stability_finding *finding = report_finding(report, "non-finite");
    assert_non_null(finding);
    if (layer)
        assert_string_equal(finding->layers[0], layer);
    stability_report_free(report);
    builder_free(&b);
}

/* A chain of operations over a range; the pass of one of them is witnessed. */
static const struct {
    const char *types[3];
    double low;
    double high;
    const char *layer;
    const char *pass;
} failing[] = {
    {{"Exp"}, -1, 200, "Exp", "forward"},
    {{"Log"}, -1, 1, "Log", "forward"},
    {{"Reciprocal"}, -1, 1, "Reciprocal", "forward"},
    {{"Abs", "Sqrt"}, -1, 1, "Sqrt", "backward"},             /* the derivative at 0 */
    {{"Sin", "Log"}, 0.5, 5, "Log", "forward"},               /* sin is negative from π on */
    {{"Tanh", "Reciprocal"}, -3, 7, "Reciprocal", "forward"}, /* 0 only by bisection */
    {{"Square", "Exp"}, -10, 1, "Exp", "forward"},
};

static void of_what_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(failing) / sizeof(failing[0]); i++) {
        struct builder b = {0};
        const struct stability_result *ranges;
        size_t count = 0;
        builder_data(&b, "input", SHAPE(2, 1), (double[]){0.7, 0.8});
        builder_data(&b, "target", SHAPE(2, 1), (double[]){0, 0});
        for (; count < 3 && failing[i].types[count]; count++)
            builder_layer(&b, failing[i].types[count], failing[i].types[count], NULL);
        builder_sum_of_squares(&b);
        struct stability_report *report = analysed(&b, (double[]){failing[i].low, failing[i].high}, &ranges);
        const struct stability_result *failed = operation(ranges, failing[i].layer, failing[i].pass);
        assert_string_equal(result_member(ranges, "status")->text, "witnessed");
        expect_status(failed, "witnessed");
        assert_int_equal(result_member(failed, "how")->kind, STABILITY_RESULT_TEXT);
        assert_false(result_member(failed, "follows")->boolean);
        post_again(result_member(failed, "witness"), failing[i].types, count, SHAPE(2, 1), failing[i].layer);
        stability_report_free(report);
        builder_free(&b);
    }
}

/* exp(x) / Σ exp(x) fails over [0, 100] where softmax is proved; log of sigmoid only where that rounds to 0.
 */
static void softmax_is_safe_where_exp_is_not(void **state)
{
    (void)state;
    struct builder b = {0};
    const struct stability_result *ranges;
    builder_data(&b, "input", SHAPE(1, 3), (double[]){0, 1, 2});
    builder_data(&b, "target", SHAPE(1, 3), (double[3]){0});
    builder_layer(&b, "softmax", "Softmax", NULL);
    builder_integer(&b, "dim", 1);
    builder_layer(&b, "sigmoid", "Sigmoid", NULL);
    builder_layer(&b, "log", "Log", NULL);
    builder_sum_of_squares(&b);
    struct stability_report *report = analysed(&b, (double[]){-1e30, 1e30}, &ranges);
    assert_string_equal(result_member(ranges, "status")->text, "proved");
    expect_status(operation(ranges, "log", "forward"), "proved"); /* sigmoid of [0, 1] is at least 1/2 */
    stability_report_free(report);
    builder_free(&b);
}

/* Over [-5, 5] the engine's variance may be 0, but eps is not; with eps 0 nothing is proved. */
static void a_normalisation_needs_its_eps(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct builder b = {0};
        const struct stability_result *ranges;
        builder_data(&b, "input", SHAPE(1, 5), (double[]){0, 1, 2, 3, 4});
        builder_data(&b, "target", SHAPE(1, 5), (double[5]){0});
        builder_layer(&b, "norm", "LayerNorm", NULL);
        builder_integer(&b, "normalized_shape", 5);
        builder_real(&b, "eps", with ? 1e-5 : 0);
        builder_boolean(&b, "elementwise_affine", false);
        builder_sum_of_squares(&b);
        struct stability_report *report = analysed(&b, (double[]){-5, 5}, &ranges);
        expect_status(operation(ranges, "norm", "forward"), with ? "proved" : "witnessed");
        if (with) {
            double high =
                result_member(result_member(operation(ranges, "norm", "forward"), "output"), "high")->number;
            assert_true(high >= 2 && high < 2.01); /* √(5 - 1) */
        }
        stability_report_free(report);
        builder_free(&b);
    }
}

/* 300 * 300 is too much for float16, and is seen. */
static void narrower_formats_are_judged_too(void **state)
{
    (void)state;
    struct builder b = {0};
    const struct stability_result *ranges;
    builder_data(&b, "input", SHAPE(1), (double[]){300});
    builder_data(&b, "target", SHAPE(1), (double[]){0});
    builder_layer(&b, "before", "Identity", NULL);
    builder_layer(&b, "square", "Square", NULL);
    builder_loss(&b, "L1Loss", NULL);
    struct stability_report *report = analysed(&b, NULL, &ranges);
    assert_string_equal(result_member(ranges, "status")->text, "proved");
    assert_string_equal(result_member(operation(ranges, "before", "forward"), "float16")->text, "proved");
    assert_string_equal(result_member(operation(ranges, "square", "forward"), "float16")->text, "witnessed");
    assert_string_equal(result_member(operation(ranges, "square", "forward"), "bfloat16")->text, "proved");
    stability_report_free(report);
    builder_free(&b);
}

/* w = 2 ± 0.5 and x in [1, 3]: y in [1.5, 7.5]. */
static void weights_may_have_a_radius(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 1), (double[]){1});
    builder_data(&b, "target", SHAPE(1, 1), (double[]){0});
    builder_linear(&b, "fc", NULL, 1, 1);
    builder_weight(&b, "fc.weight", SHAPE(1, 1), (double[]){2});
    builder_sum_of_squares(&b);
    settings[0] = (struct stability_member){"input", {STABILITY_LIST, .list = {2, (double[]){1, 3}, false}}};
    settings[1] = (struct stability_member){"weights", {STABILITY_REAL, .real = 0.5}};
    builder_ask(&b, "ranges", 2, settings);
    struct stability_report *report = builder_diagnose(&b);
    /* the midpoint form is wider than the corners' [1.5, 7.5] where both factors have a radius */
    const struct stability_result *output =
        result_member(operation(result_member(report->analyses, "ranges"), "fc", "forward"), "output");
    assert_true(result_member(output, "low")->number <= 1.5 &&
                result_member(output, "low")->number >= 0.5 - 1e-4);
    expect_range(operation(result_member(report->analyses, "ranges"), "fc", "forward"), "output",
                 result_member(output, "low")->number, 7.5);
    stability_report_free(report);
    builder_free(&b);
}

static void expect_refusal(struct stability_value value, const char *name, const char *pointer)
{
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1), (double[]){1});
    builder_data(&b, "target", SHAPE(1), (double[]){0});
    builder_layer(&b, "before", "Identity", NULL);
    builder_loss(&b, "L1Loss", NULL);
    settings[0] = (struct stability_member){name, value};
    builder_ask(&b, "ranges", 1, settings);
    builder_expect_error(&b, STABILITY_ERROR_INVALID_ATTRIBUTE, pointer);
    builder_free(&b);
}

static void settings_are_checked(void **state)
{
    (void)state;
    static const double three[] = {1, 2, 3}, reversed[] = {2, 1}, infinite[] = {0, INFINITY},
                        four[] = {0, 1, 0, 1};
    struct stability_value value = {STABILITY_LIST, .list = {3, three, false}};
    expect_refusal(value, "input", "/options/analyses/ranges/input");
    value.list.count = 2;
    value.list.items = reversed;
    expect_refusal(value, "input", "/options/analyses/ranges/input");
    value.list.items = infinite;
    expect_refusal(value, "input", "/options/analyses/ranges/input");
    value = (struct stability_value){STABILITY_TENSOR, .tensor = {STABILITY_FLOAT64, {2, {2, 2}}, four}};
    expect_refusal(value, "input", "/options/analyses/ranges/input"); /* two ranges, one input */
    expect_refusal((struct stability_value){STABILITY_REAL, .real = -1}, "weights",
                   "/options/analyses/ranges/weights");
    expect_refusal((struct stability_value){STABILITY_INTEGER, .integer = -1}, "attempts",
                   "/options/analyses/ranges/attempts");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_small_network),
        cmocka_unit_test(of_functions),
        cmocka_unit_test(of_what_fails),
        cmocka_unit_test(softmax_is_safe_where_exp_is_not),
        cmocka_unit_test(a_normalisation_needs_its_eps),
        cmocka_unit_test(narrower_formats_are_judged_too),
        cmocka_unit_test(weights_may_have_a_radius),
        cmocka_unit_test(settings_are_checked),
    };
    return cmocka_run_group_tests_name("analysis ranges", tests, NULL, NULL);
}
