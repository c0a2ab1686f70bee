/* Jacobians whose singular values are known by hand; PyTorch's are in tests/http/test_analyses.sh. */
#include "support.h"

#include "request_builder.h"

#include <stability/stability.h>

#include <math.h>
#include <string.h>

static const struct stability_result *result_of(const struct stability_report *report)
{
    return result_member(report->analyses, "jacobian");
}

static void expect_values(const struct stability_result *object, double largest, double smallest)
{
    assert_within(result_number_of(object, "largest_singular_value"), largest, 1e-12 * largest);
    assert_within(result_number_of(object, "smallest_singular_value"), smallest, 1e-12 * largest);
}

/* x -> diag(3, 1, 0.5) x -> ReLU -> diag(2, 2, 8) x, of (1, 1, 1) and (1, 1, -1). */
static void two_blocks(struct builder *b)
{
    builder_data(b, "input", SHAPE(2, 3), (double[]){1, 1, 1, 1, 1, -1});
    builder_data(b, "target", SHAPE(2, 3), (double[6]){0});
    builder_linear(b, "fc1", NULL, 3, 3);
    builder_weight(b, "fc1.weight", SHAPE(3, 3), (double[]){3, 0, 0, 0, 1, 0, 0, 0, 0.5});
    builder_layer(b, "act", "ReLU", NULL);
    builder_linear(b, "fc2", NULL, 3, 3);
    builder_weight(b, "fc2.weight", SHAPE(3, 3), (double[]){2, 0, 0, 0, 2, 0, 0, 0, 8});
    builder_sum_of_squares(b);
}

static void blocks_and_samples_are_told_apart(void **state)
{
    (void)state;
    struct builder b = {0};
    two_blocks(&b);
    builder_ask(&b, "jacobian", 0, NULL);
    struct stability_report *report = builder_diagnose(&b);
    const struct stability_result *whole = result_member(result_of(report), "whole");
    const struct stability_result *blocks = result_member(result_of(report), "blocks");
    assert_true(result_member(whole, "per_sample")->boolean);
    const struct stability_result *first = result_item(result_member(whole, "samples"), 0);
    const struct stability_result *second = result_item(result_member(whole, "samples"), 1);
    expect_values(first, 6, 2);
    expect_values(second, 6, 0); /* the third unit is off */
    assert_close(result_number_of(first, "condition_number"), 3, 1e-12);
    assert_true(isinf(result_number_of(second, "condition_number")));
    assert_within(result_number_of(second, "rank"), 2, 0);
    expect_values(whole, 6, 0);
    assert_close(result_number_of(whole, "mean_squared_singular_value"), (36 + 4 + 16 + 36 + 4) / 6., 1e-12);
    assert_string_equal(result_member(whole, "state")->text, "regular");
    expect_values(result_item(result_member(result_item(blocks, 0), "samples"), 0), 3, 0.5);
    expect_values(result_item(blocks, 1), 8, 2);
    assert_string_equal(result_item(result_member(result_item(blocks, 0), "layers"), 1)->text, "act");
    assert_null(result_item(blocks, 1)->next);
    stability_report_free(report);
    builder_free(&b);
}

static void lanczos_agrees_with_the_whole_matrix(void **state)
{
    (void)state;
    struct stability_member settings[] = {{"exact", {STABILITY_INTEGER, .integer = 1}}};
    struct builder b = {0};
    two_blocks(&b);
    builder_ask(&b, "jacobian", 1, settings);
    struct stability_report *report = builder_diagnose(&b);
    const struct stability_result *whole = result_member(result_of(report), "whole");
    assert_string_equal(result_member(whole, "method")->text, "lanczos");
    assert_true(result_member(whole, "converged")->boolean);
    const struct stability_result *first = result_item(result_member(whole, "samples"), 0);
    assert_close(result_number_of(first, "largest_singular_value"), 6, 1e-9);
    assert_close(result_number_of(first, "smallest_singular_value"), 2, 1e-6);
    assert_true(result_number_of(whole, "product_error") < 1e-10);
    assert_true(result_number_of(whole, "condition_number_at_least") > 1000);
    stability_report_free(report);
    builder_free(&b);
}

/* diag(scale, rest, rest, ...) */
static const char *state_of_diagonal(double first, double rest)
{
    enum { SIZE = 20 };
    double weight[SIZE * SIZE] = {0}, x[SIZE], zeros[SIZE] = {0};
    for (int i = 0; i < SIZE; i++) {
        weight[i * SIZE + i] = i ? rest : first;
        x[i] = 1;
    }
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, SIZE), x);
    builder_data(&b, "target", SHAPE(1, SIZE), zeros);
    builder_linear(&b, "fc", NULL, SIZE, SIZE);
    builder_weight(&b, "fc.weight", SHAPE(SIZE, SIZE), weight);
    builder_sum_of_squares(&b);
    builder_ask(&b, "jacobian", 0, NULL);
    struct stability_report *report = builder_diagnose(&b);
    static char text[32];
    strncpy(text, result_member(result_member(result_of(report), "whole"), "state")->text, sizeof(text) - 1);
    stability_report_free(report);
    builder_free(&b);
    return text;
}

static void vanishing_is_not_collapse(void **state)
{
    (void)state;
    assert_string_equal(state_of_diagonal(1, 1), "regular");
    assert_string_equal(state_of_diagonal(1e-4, 1e-4), "vanishing");
    assert_string_equal(state_of_diagonal(1, 1e-4), "rank-collapse");
    assert_string_equal(state_of_diagonal(1e4, 1e4), "exploding");
    assert_string_equal(state_of_diagonal(0, 0), "zero");
}

/* Two samples, normalised together. */
static void a_batch_normalisation_couples_samples(void **state)
{
    (void)state;
    for (int evaluate = 0; evaluate < 2; evaluate++) {
        struct builder b = {0};
        builder_data(&b, "input", SHAPE(3, 2), (double[]){1, 2, 3, 5, 8, 13});
        builder_data(&b, "target", SHAPE(3, 2), (double[6]){0});
        builder_layer(&b, "norm", "BatchNorm1d", NULL);
        builder_integer(&b, "num_features", 2);
        builder_sum_of_squares(&b);
        builder_options(&b)->evaluate = evaluate;
        builder_ask(&b, "jacobian", 0, NULL);
        struct stability_report *report = builder_diagnose(&b);
        const struct stability_result *whole = result_member(result_of(report), "whole");
        assert_int_equal(result_member(whole, "per_sample")->boolean, evaluate);
        assert_within(result_number_of(whole, "output_size"), evaluate ? 2 : 6, 0);
        if (evaluate)
            expect_values(whole, 1 / sqrt(1 + 1e-5), 1 / sqrt(1 + 1e-5));
        stability_report_free(report);
        builder_free(&b);
    }
}

/* ---- tokens ---- */

static void tokens_are_compared(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 2, 2), (double[]){3, 0, 3, 4});
    builder_data(&b, "target", SHAPE(1, 2, 2), (double[4]){0});
    builder_linear(&b, "fc", NULL, 2, 2);
    builder_weight(&b, "fc.weight", SHAPE(2, 2), (double[]){1, 0, 0, 1});
    builder_linear(&b, "flat", NULL, 2, 2);
    builder_weight(&b, "flat.weight", SHAPE(2, 2), (double[]){1, 0, 0, 0});
    builder_sum_of_squares(&b);
    builder_ask(&b, "jacobian", 0, NULL);
    struct stability_report *report = builder_diagnose(&b);
    const struct stability_result *tokens = result_member(result_of(report), "tokens");
    assert_string_equal(result_member(result_item(tokens, 0), "layer")->text, "fc");
    assert_close(result_number_of(result_item(tokens, 0), "mean_cosine"), 0.6, 1e-12);
    assert_close(result_number_of(result_item(tokens, 0), "rank_one_residual"), sqrt(8 / 34.), 1e-12);
    assert_close(result_number_of(result_item(tokens, 1), "mean_cosine"), 1, 1e-12);
    assert_within(result_number_of(result_item(tokens, 1), "rank_one_residual"), 0, 0);
    stability_report_free(report);
    builder_free(&b);
}

/* ---- what has none ---- */

static void what_is_not_finite_is_not_known(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 2), (double[]){0, 1});
    builder_data(&b, "target", SHAPE(1, 2), (double[2]){0});
    builder_layer(&b, "root", "Sqrt", NULL);
    builder_sum_of_squares(&b);
    builder_ask(&b, "jacobian", 0, NULL);
    struct stability_report *report = builder_diagnose(&b);
    const struct stability_result *whole = result_member(result_of(report), "whole");
    assert_true(isnan(result_number_of(whole, "largest_singular_value")));
    assert_int_equal(result_member(whole, "state")->kind, STABILITY_RESULT_NULL);
    stability_report_free(report);
    builder_free(&b);
}

static void settings_have_ranges(void **state)
{
    (void)state;
    static const struct {
        struct stability_member setting;
        enum stability_code code;
        const char *pointer;
    } cases[] = {
        {{"samples", {STABILITY_INTEGER, .integer = 0}},
         STABILITY_ERROR_INVALID_ATTRIBUTE,
         "/options/analyses/jacobian/samples"},
        {{"tolerance", {STABILITY_REAL, .real = 0}},
         STABILITY_ERROR_INVALID_ATTRIBUTE,
         "/options/analyses/jacobian/tolerance"},
        {{"iteration", {STABILITY_INTEGER, .integer = 5}},
         STABILITY_ERROR_UNKNOWN_ATTRIBUTE,
         "/options/analyses/jacobian/iteration"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct builder b = {0};
        two_blocks(&b);
        builder_ask(&b, "jacobian", 1, &cases[i].setting);
        builder_expect_error(&b, cases[i].code, cases[i].pointer);
        builder_free(&b);
    }
}

static void it_can_be_stopped(void **state)
{
    (void)state;
    struct builder b = {0};
    two_blocks(&b);
    builder_ask(&b, "jacobian", 0, NULL);
    builder_expect_stop(&b, "jacobian", 5);
    builder_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_and_samples_are_told_apart),
        cmocka_unit_test(lanczos_agrees_with_the_whole_matrix),
        cmocka_unit_test(vanishing_is_not_collapse),
        cmocka_unit_test(a_batch_normalisation_couples_samples),
        cmocka_unit_test(tokens_are_compared),
        cmocka_unit_test(what_is_not_finite_is_not_known),
        cmocka_unit_test(settings_have_ranges),
        cmocka_unit_test(it_can_be_stopped),
    };
    return cmocka_run_group_tests_name("jacobian", tests, NULL, NULL);
}
