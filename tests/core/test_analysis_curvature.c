/* Hessians that are known by hand; PyTorch's are in tests/http/test_analyses.sh. */
#include "support.h"

#include "request_builder.h"

#include <stability/stability.h>

#include <math.h>
#include <string.h>

/* Sum over two samples of (w x - t)^2 with x = (1, 0) and (0, 3): H = 2 diag(1, 9). */
static void regression(struct builder *b)
{
    builder_data(b, "input", SHAPE(2, 2), (double[]){1, 0, 0, 3});
    builder_data(b, "target", SHAPE(2, 1), (double[]){5, -5});
    builder_linear(b, "fc", NULL, 2, 1);
    builder_weight(b, "fc.weight", SHAPE(1, 2), (double[]){0.25, -1});
    builder_sum_of_squares(b);
}

static void a_regression_has_the_second_moments_of_its_data(void **state)
{
    (void)state;
    static const struct stability_member settings[] = {{"exact", {STABILITY_INTEGER, .integer = 0}}};
    for (size_t lanczos = 0; lanczos < 2; lanczos++) {
        struct builder b = {0};
        regression(&b);
        builder_ask(&b, "curvature", lanczos, settings);
        struct stability_report *report = builder_diagnose(&b);
        const struct stability_result *result = result_member(report->analyses, "curvature");
        assert_string_equal(result_member(result, "method")->text, lanczos ? "lanczos" : "exact");
        assert_close(result_number_of(result, "largest_eigenvalue"), 18, 1e-9);
        assert_close(result_number_of(result, "smallest_eigenvalue"), 2, 1e-9);
        assert_close(result_number_of(result, "trace"), 20, 1e-9);
        assert_within(result_number_of(result, "trace_standard_error"), 0, 1e-6);
        assert_close(result_number_of(result, "largest_stable_learning_rate"), 1 / 9., 1e-9);
        assert_true(result_number_of(result, "product_error") < 1e-9);
        assert_null(stability_result_member(result, "learning_rate"));
        const struct stability_result *first = result_member(result, "eigenvalues")->children;
        assert_close(first->number, 18, 1e-9);
        assert_close(first->next->number, 2, 1e-9);
        assert_null(first->next->next);
        stability_report_free(report);
        builder_free(&b);
    }
}

/* f = (a b)^2 at a = 1, b = 2, two layers of one weight: H = (2 b^2, 4 a b; 4 a b, 2 a^2). */
static void curvature_may_be_negative(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 1), (double[]){1});
    builder_data(&b, "target", SHAPE(1, 1), (double[]){0});
    builder_linear(&b, "fc1", NULL, 1, 1);
    builder_weight(&b, "fc1.weight", SHAPE(1, 1), (double[]){1});
    builder_linear(&b, "fc2", NULL, 1, 1);
    builder_weight(&b, "fc2.weight", SHAPE(1, 1), (double[]){2});
    builder_sum_of_squares(&b);
    builder_ask(&b, "curvature", 0, NULL);
    struct stability_report *report = builder_diagnose(&b);
    const struct stability_result *result = result_member(report->analyses, "curvature");
    assert_close(result_number_of(result, "largest_eigenvalue"), 5 + sqrt(73), 1e-9);
    assert_close(result_number_of(result, "smallest_eigenvalue"), 5 - sqrt(73), 1e-9);
    assert_close(result_number_of(result, "trace"), 10, 1e-9);
    stability_report_free(report);
    builder_free(&b);
}

static void the_rate_is_compared(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct builder b = {0};
        regression(&b);
        builder_ask(&b, "curvature", 0, NULL);
        builder_options(&b)->learning_rate = over ? 0.112 : 0.111;
        builder_options(&b)->learning_rate_given = true;
        struct stability_report *report = builder_diagnose(&b);
        const struct stability_result *result = result_member(report->analyses, "curvature");
        assert_close(result_number_of(result, "learning_rate"), over ? 0.112 : 0.111, 0);
        assert_int_equal(result_member(result, "learning_rate_is_stable")->boolean, !over);
        stability_report_free(report);
        builder_free(&b);
    }
}

static void expect_reason(struct builder *b, const char *reason)
{
    builder_ask(b, "curvature", 0, NULL);
    struct stability_report *report = builder_diagnose(b);
    const struct stability_result *result = result_member(report->analyses, "curvature");
    assert_string_equal(result_member(result, "reason")->text, reason);
    assert_null(stability_result_member(result, "eigenvalues"));
    stability_report_free(report);
    builder_free(b);
}

static void where_there_is_none_it_says_why(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 2), (double[]){1, 2});
    builder_data(&b, "target", SHAPE(1, 2), (double[]){1, 2});
    builder_layer(&b, "act", "ReLU", NULL);
    builder_sum_of_squares(&b);
    expect_reason(&b, "the loss depends on no parameter");

    memset(&b, 0, sizeof(b));
    builder_data(&b, "input", SHAPE(1, 1), (double[]){1});
    builder_data(&b, "target", SHAPE(1, 1), (double[]){1});
    builder_linear(&b, "fc", NULL, 1, 1);
    builder_weight(&b, "fc.weight", SHAPE(1, 1), (double[]){0});
    builder_layer(&b, "act", "ReLU", NULL);
    builder_sum_of_squares(&b);
    expect_reason(&b, "the gradient jumps here: an activation is exactly at its kink");

    memset(&b, 0, sizeof(b));
    builder_data(&b, "input", SHAPE(1, 1), (double[]){1});
    builder_data(&b, "target", SHAPE(1, 1), (double[]){1});
    builder_linear(&b, "fc", NULL, 1, 1);
    builder_weight(&b, "fc.weight", SHAPE(1, 1), (double[]){-1});
    builder_layer(&b, "log", "Log", NULL);
    builder_sum_of_squares(&b);
    expect_reason(&b, "the loss or its gradient is not finite");
}

static void settings_have_ranges(void **state)
{
    (void)state;
    static const struct stability_member setting = {"probes", {STABILITY_INTEGER, .integer = 1}};
    struct builder b = {0};
    regression(&b);
    builder_ask(&b, "curvature", 1, &setting);
    builder_expect_error(&b, STABILITY_ERROR_INVALID_ATTRIBUTE, "/options/analyses/curvature/probes");
    builder_free(&b);
}

static void memory_is_counted_beforehand(void **state)
{
    (void)state;
    static const struct stability_member setting = {"exact", {STABILITY_INTEGER, .integer = 0}};
    double weight[400], x[20];
    for (int i = 0; i < 400; i++)
        weight[i] = sin(i);
    for (int i = 0; i < 20; i++)
        x[i] = cos(i);
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 20), x);
    builder_data(&b, "target", SHAPE(1, 20), x);
    builder_linear(&b, "fc", NULL, 20, 20);
    builder_weight(&b, "fc.weight", SHAPE(20, 20), weight);
    builder_sum_of_squares(&b);
    builder_options(&b)->limits.bytes = 200000; /* a hundred vectors of 400 are 320000 */
    stability_report_free(builder_diagnose(&b));
    builder_ask(&b, "curvature", 1, &setting);
    builder_expect_error(&b, STABILITY_ERROR_MODEL_TOO_LARGE, "/options/analyses/curvature");
    builder_free(&b);
}

static void it_can_be_stopped(void **state)
{
    (void)state;
    struct builder b = {0};
    regression(&b);
    builder_ask(&b, "curvature", 0, NULL);
    builder_expect_stop(&b, "curvature", 30);
    builder_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_regression_has_the_second_moments_of_its_data),
        cmocka_unit_test(curvature_may_be_negative),
        cmocka_unit_test(the_rate_is_compared),
        cmocka_unit_test(where_there_is_none_it_says_why),
        cmocka_unit_test(settings_have_ranges),
        cmocka_unit_test(memory_is_counted_beforehand),
        cmocka_unit_test(it_can_be_stopped),
    };
    return cmocka_run_group_tests_name("curvature", tests, NULL, NULL);
}
