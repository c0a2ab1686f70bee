/* The analysis non_finite: its result as a tree, on models whose numbers are known. */
#include "support.h"

#include "request_builder.h"

#include <math.h>
#include <string.h>

static struct stability_report *analysed(struct builder *b, const struct stability_result **result)
{
    static const struct stability_analysis asked = {.name = "non_finite"};
    builder_options(b)->analyses = &asked;
    builder_options(b)->analysis_count = 1;
    struct stability_report *report = builder_diagnose(b);
    *result = stability_result_member(report->analyses, "non_finite");
    assert_non_null(*result);
    return report;
}

static const struct stability_result *member(const struct stability_result *of, const char *name)
{
    const struct stability_result *found = stability_result_member(of, name);
    if (!found)
        fail_msg("there is no member '%s'", name);
    return found;
}

static const struct stability_result *item(const struct stability_result *list, size_t index)
{
    const struct stability_result *child = list->children;
    for (size_t i = 0; child && i < index; i++)
        child = child->next;
    assert_non_null(child);
    return child;
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
    assert_int_equal(member(of, name)->kind, STABILITY_RESULT_TEXT);
    assert_string_equal(member(of, name)->text, expected);
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
    assert_true(member(result, "found")->boolean);
    const struct stability_result *first = member(result, "first"), *nan = member(result, "first_nan");
    expect_text(first, "pass", "forward");
    expect_text(first, "layer", "exp");
    expect_text(first, "type", "Exp");
    expect_text(first, "where", "the output");
    expect_text(first, "how", "exp(100) overflows float32");
    assert_int_equal(length(member(first, "element")), 2);
    assert_int_equal(item(member(first, "element"), 1)->integer, 1);
    assert_true(isinf(member(first, "value")->number));
    const struct stability_result *operand = item(member(first, "operands"), 0);
    expect_text(operand, "name", "input");
    assert_close(member(operand, "value")->number, 100, 0);
    assert_int_equal(item(member(operand, "element"), 1)->integer, 1);

    expect_text(nan, "layer", "difference");
    expect_text(nan, "how", "inf - inf");
    assert_true(isnan(member(nan, "value")->number));
    assert_int_equal(length(member(nan, "operands")), 2);
    assert_true(isinf(member(item(member(nan, "operands"), 1), "value")->number));

    const struct stability_result *spread = member(result, "spread");
    expect_text(item(spread, 0), "layer", "exp");
    assert_int_equal(member(item(spread, 0), "inf_count")->integer, 1);
    assert_int_equal(member(item(spread, 0), "count")->integer, 3);
    expect_text(item(spread, 1), "layer", "difference");
    assert_int_equal(member(item(spread, 1), "nan_count")->integer, 1);
    expect_text(item(spread, 2), "pass", "backward");
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
    expect_text(member(result, "first"), "pass", "data");
    expect_text(member(result, "first"), "where", "data 'input'");
    assert_int_equal(member(member(result, "first"), "layer")->kind, STABILITY_RESULT_NULL);
    expect_text(member(result, "first_nan"), "layer", "softmax");
    assert_non_null(
        strstr(member(member(result, "first_nan"), "how")->text, "every element of the row is -inf"));
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
    const struct stability_result *first = member(result, "first");
    expect_text(first, "pass", "backward");
    expect_text(first, "layer", "root");
    expect_text(first, "where", "the gradient of its input");
    assert_int_equal(item(member(first, "element"), 0)->integer, 1);
    assert_close(member(item(member(first, "operands"), 0), "value")->number, 0, 0); /* y */
    assert_close(member(item(member(first, "operands"), 1), "value")->number, 2, 0); /* dy */
    assert_int_equal(length(member(result, "spread")), 1);                           /* to "before" */
    expect_text(item(member(result, "spread"), 0), "layer", "before");
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
    assert_false(member(result, "found")->boolean);
    assert_int_equal(member(result, "first")->kind, STABILITY_RESULT_NULL);
    assert_int_equal(member(result, "first_nan")->kind, STABILITY_RESULT_NULL);
    assert_int_equal(length(member(result, "spread")), 0);
    const struct stability_result *forward = member(member(result, "greatest"), "forward");
    const struct stability_result *backward = member(member(result, "greatest"), "backward");
    assert_close(member(forward, "magnitude")->number, 16, 0);
    expect_text(forward, "layer", "fc");
    expect_text(forward, "tensor", "output");
    assert_close(member(forward, "doublings_left")->number, 124,
                 1e-6); /* log2 of the limit is just below 128 */
    assert_close(member(backward, "magnitude")->number, 64, 0);
    expect_text(backward, "tensor", "weight");
    assert_close(member(backward, "doublings_left")->number, 122, 1e-6);
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
