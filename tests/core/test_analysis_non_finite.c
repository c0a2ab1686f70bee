/* The analysis non_finite: its result as a tree, on models whose numbers are known. */
#include "support.h"

#include "request_builder.h"

#include <math.h>
#include <string.h>

static struct stability_report *analysed(struct builder *b, const struct stability_result **result)
{
    builder_ask(b, "non_finite", 0, NULL);
    struct stability_report *report = builder_diagnose(b);
    *result = result_member(report->analyses, "non_finite");
    return report;
}

static size_t length(const struct stability_result *list)
{
    size_t count = 0;
    for (const struct stability_result *child = list->children; child; child = child->next)
        count++;
    return count;
}

static void expect_text(const struct stability_result *of, const char *name, const char *expected)
{
    assert_int_equal(result_member(of, name)->kind, STABILITY_RESULT_TEXT);
    assert_string_equal(result_member(of, name)->text, expected);
}

/* log(exp(100) - exp(100)), as inf - inf. */
static void an_infinity_and_the_nan_of_it(void **state)
{
    (void)state;
    struct builder b = {0};
    const struct stability_result *result;
    builder_data(&b, "input", SHAPE(1, 3), (double[]){1, 100, 2});
    builder_data(&b, "target", SHAPE(1, 3), (double[3]){0});
    builder_layer(&b, "exp", "Exp", NULL);
    builder_layer(&b, "difference", "Sub", "exp exp");
    builder_sum_of_squares(&b);
    struct stability_report *report = analysed(&b, &result);
    assert_true(result_member(result, "found")->boolean);
    const struct stability_result *first = result_member(result, "first"),
                                  *nan = result_member(result, "first_nan");
    expect_text(first, "pass", "forward");
    expect_text(first, "layer", "exp");
    expect_text(first, "type", "Exp");
    expect_text(first, "where", "the output");
    expect_text(first, "how", "exp(100) overflows float32");
    assert_int_equal(length(result_member(first, "element")), 2);
    assert_int_equal(result_item(result_member(first, "element"), 1)->integer, 1);
    assert_true(isinf(result_member(first, "value")->number));
    const struct stability_result *operand = result_item(result_member(first, "operands"), 0);
    expect_text(operand, "name", "input");
    assert_close(result_member(operand, "value")->number, 100, 0);
    assert_int_equal(result_item(result_member(operand, "element"), 1)->integer, 1);

    expect_text(nan, "layer", "difference");
    expect_text(nan, "how", "inf - inf");
    assert_true(isnan(result_member(nan, "value")->number));
    assert_int_equal(length(result_member(nan, "operands")), 2);
    assert_true(isinf(result_member(result_item(result_member(nan, "operands"), 1), "value")->number));

    const struct stability_result *spread = result_member(result, "spread");
    expect_text(result_item(spread, 0), "layer", "exp");
    assert_int_equal(result_member(result_item(spread, 0), "inf_count")->integer, 1);
    assert_int_equal(result_member(result_item(spread, 0), "count")->integer, 3);
    expect_text(result_item(spread, 1), "layer", "difference");
    assert_int_equal(result_member(result_item(spread, 1), "nan_count")->integer, 1);
    expect_text(result_item(spread, 2), "pass", "backward");
    stability_report_free(report);
    builder_free(&b);
}

static void in_the_data(void **state)
{
    (void)state;
    struct builder b = {0};
    const struct stability_result *result;
    builder_data(&b, "input", SHAPE(2, 2), (double[]){-INFINITY, -INFINITY, 0, -INFINITY});
    builder_data(&b, "target", SHAPE(2, 2), (double[4]){0});
    builder_layer(&b, "softmax", "Softmax", NULL);
    builder_integer(&b, "dim", 1);
    builder_sum_of_squares(&b);
    struct stability_report *report = analysed(&b, &result);
    expect_text(result_member(result, "first"), "pass", "data");
    expect_text(result_member(result, "first"), "where", "data 'input'");
    assert_int_equal(result_member(result_member(result, "first"), "layer")->kind, STABILITY_RESULT_NULL);
    expect_text(result_member(result, "first_nan"), "layer", "softmax");
    assert_non_null(strstr(result_member(result_member(result, "first_nan"), "how")->text,
                           "every element of the row is -inf"));
    stability_report_free(report);
    builder_free(&b);
}

/* y = √x, dx = dy / (2 y): 2 / 0 where x is 0. */
static void in_the_backward_pass(void **state)
{
    (void)state;
    struct builder b = {0};
    const struct stability_result *result;
    builder_data(&b, "input", SHAPE(2, 1), (double[]){4, 0});
    builder_data(&b, "target", SHAPE(2, 1), (double[]){0, -1});
    builder_layer(&b, "before", "Identity", NULL);
    builder_layer(&b, "root", "Sqrt", NULL);
    builder_sum_of_squares(&b);
    struct stability_report *report = analysed(&b, &result);
    const struct stability_result *first = result_member(result, "first");
    expect_text(first, "pass", "backward");
    expect_text(first, "layer", "root");
    expect_text(first, "where", "the gradient of its input");
    assert_int_equal(result_item(result_member(first, "element"), 0)->integer, 1);
    assert_close(result_member(result_item(result_member(first, "operands"), 0), "value")->number, 0,
                 0); /* y */
    assert_close(result_member(result_item(result_member(first, "operands"), 1), "value")->number, 2,
                 0);                                              /* dy */
    assert_int_equal(length(result_member(result, "spread")), 1); /* to "before" */
    expect_text(result_item(result_member(result, "spread"), 0), "layer", "before");
    stability_report_free(report);
    builder_free(&b);
}

/* y = 8 x with x = 2: 16 forward, dy = 32 and dw = 64 backward. */
static void how_near_it_was(void **state)
{
    (void)state;
    struct builder b = {0};
    const struct stability_result *result;
    builder_data(&b, "input", SHAPE(1, 1), (double[]){2});
    builder_data(&b, "target", SHAPE(1, 1), (double[]){0});
    builder_linear(&b, "fc", NULL, 1, 1);
    builder_weight(&b, "fc.weight", SHAPE(1, 1), (double[]){8});
    builder_sum_of_squares(&b);
    struct stability_report *report = analysed(&b, &result);
    assert_false(result_member(result, "found")->boolean);
    assert_int_equal(result_member(result, "first")->kind, STABILITY_RESULT_NULL);
    assert_int_equal(result_member(result, "first_nan")->kind, STABILITY_RESULT_NULL);
    assert_int_equal(length(result_member(result, "spread")), 0);
    const struct stability_result *forward = result_member(result_member(result, "greatest"), "forward");
    const struct stability_result *backward = result_member(result_member(result, "greatest"), "backward");
    assert_close(result_member(forward, "magnitude")->number, 16, 0);
    expect_text(forward, "layer", "fc");
    expect_text(forward, "tensor", "output");
    assert_close(result_member(forward, "doublings_left")->number, 124,
                 1e-6); /* log2 of the limit is just below 128 */
    assert_close(result_member(backward, "magnitude")->number, 64, 0);
    expect_text(backward, "tensor", "weight");
    assert_close(result_member(backward, "doublings_left")->number, 122, 1e-6);
    stability_report_free(report);
    builder_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_infinity_and_the_nan_of_it),
        cmocka_unit_test(in_the_data),
        cmocka_unit_test(in_the_backward_pass),
        cmocka_unit_test(how_near_it_was),
    };
    return cmocka_run_group_tests_name("analysis non_finite", tests, NULL, NULL);
}
