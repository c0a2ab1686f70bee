/* What becomes of training, on losses whose course is known. */
#include "support.h"

#include "request_builder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* w = 1 reads x = 2: the loss is 4 w², its gradient 8 w; a step of gradient descent multiplies w by 1 - 8 lr.
 */
static void quadratic(struct builder *b)
{
    builder_data(b, "input", SHAPE(1, 1), (double[]){2});
    builder_data(b, "target", SHAPE(1, 1), (double[]){0});
    builder_linear(b, "fc", NULL, 1, 1);
    builder_weight(b, "fc.weight", SHAPE(1, 1), (double[]){1});
    builder_loss(b, "MSELoss", NULL);
}

#define REAL(title, number) ((struct stability_member){title, {STABILITY_REAL, .real = (number)}})
#define INTEGER(title, number) ((struct stability_member){title, {STABILITY_INTEGER, .integer = (number)}})
#define WORD(title, text) ((struct stability_member){title, {STABILITY_STRING, .string = (text)}})
#define YES(title) ((struct stability_member){title, {STABILITY_BOOLEAN, .boolean = true}})

/* The report of a builder with one analysis; freed with stability_report_free. */
static struct stability_report *analyse(struct builder *b, const char *name, size_t count,
                                        const struct stability_member *settings)
{
    builder_ask(b, name, count, settings);
    struct stability_report *report = builder_diagnose(b);
    builder_options(b)->analysis_count = 0;
    return report;
}

static void expect_outcome(struct builder *b, double rate, const char *outcome, int64_t step,
                           const char *further)
{
    const struct stability_member settings[] = {REAL("learning_rate", rate)};
    struct stability_report *report = analyse(b, "training", 1, settings);
    const struct stability_result *training = result_member(report->analyses, "training");
    assert_string_equal(result_member(training, "outcome")->text, outcome);
    assert_int_equal(result_member(training, "step")->integer, step);
    assert_true(strlen(result_member(training, "message")->text) > 20);
    const struct stability_result *next = result_member(training, "further_outcomes")->children;
    assert_int_equal(next != NULL, further != NULL);
    if (next)
        assert_string_equal(result_member(next, "outcome")->text, further);
    stability_report_free(report);
    builder_free(b);
}

/* The loss grows by 1.96 a step: 4, 7.84, 15.4, 30.1. */
static void a_rate_beyond_the_curvature_diverges(void **state)
{
    (void)state;
    struct builder b = {0};
    quadratic(&b);
    expect_outcome(&b, 0.3, "diverged", 3, NULL);
}

static void a_loss_that_leaves_the_precision_is_not_finite(void **state)
{
    (void)state;
    struct builder b = {0};
    quadratic(&b);
    expect_outcome(&b, 1e30, "non_finite", 2, NULL);
    b = (struct builder){0};
    quadratic(&b);
    expect_outcome(&b, 1e10, "diverged", 1, "non_finite");
    b = (struct builder){0};
    quadratic(&b);
    ((double *)(uintptr_t)b.data[0].tensor.data)[0] = NAN;
    expect_outcome(&b, 0.01, "non_finite", 1, NULL);
}

static void a_tiny_rate_makes_no_progress(void **state)
{
    (void)state;
    struct builder b = {0};
    quadratic(&b);
    expect_outcome(&b, 1e-7, "no_progress", 20, NULL);
}

static void a_good_rate_makes_progress(void **state)
{
    (void)state;
    struct builder b = {0};
    quadratic(&b);
    expect_outcome(&b, 0.05, "progress", 20, NULL);
}

/* |w|, from 1 by 0.6: 1, 0.4, 0.2, 0.4, 0.2 ... */
static void steps_across_the_minimum_oscillate(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 1), (double[]){1});
    builder_data(&b, "target", SHAPE(1, 1), (double[]){0});
    builder_linear(&b, "fc", NULL, 1, 1);
    builder_weight(&b, "fc.weight", SHAPE(1, 1), (double[]){1});
    builder_loss(&b, "L1Loss", NULL);
    expect_outcome(&b, 0.6, "oscillation", 3, NULL);
}

/* What Dropout draws makes the loss go up and down: that is no oscillation. */
static void dropout_is_not_taken_for_oscillation(void **state)
{
    (void)state;
    struct builder b = {0};
    double input[32], target[4] = {1, -1, 2, 0.5};
    for (int i = 0; i < 32; i++)
        input[i] = sin(i);
    builder_data(&b, "input", SHAPE(4, 8), input);
    builder_data(&b, "target", SHAPE(4, 1), target);
    builder_linear(&b, "fc1", NULL, 8, 16);
    builder_layer(&b, "drop", "Dropout", NULL);
    builder_linear(&b, "fc2", NULL, 16, 1);
    builder_loss(&b, "MSELoss", NULL);
    expect_outcome(&b, 0.02, "progress", 20, NULL);
}

/* Gradients 8 w for w = 1, 0.6, 0.36, 0.216: the upper quartile is the greatest but none. */
static void a_threshold_comes_from_the_norms(void **state)
{
    (void)state;
    struct builder b = {0};
    quadratic(&b);
    const struct stability_member settings[] = {REAL("learning_rate", 0.05), INTEGER("steps", 4),
                                                REAL("clip_grad_norm", 4)};
    struct stability_report *report = analyse(&b, "training", 2, settings);
    const struct stability_result *clipping =
        result_member(result_member(report->analyses, "training"), "clipping");
    assert_within(result_member(clipping, "suggested_max_norm")->number, 8, 1e-5);
    assert_within(result_member(clipping, "median_gradient_norm")->number, (4.8 + 2.88) / 2, 1e-5);
    assert_true(result_member(clipping, "clipped_fraction")->number == 0);
    stability_report_free(report);

    /* Clipped to 4, w goes 1, 0.8, 0.6: norms 8, 6.4, 4.8, 3.2. */
    report = analyse(&b, "training", 3, settings);
    const struct stability_result *training = result_member(report->analyses, "training");
    assert_true(result_member(result_member(training, "clipping"), "clipped_fraction")->number == 0.75);
    assert_within(result_member(training, "gradient_norms")->children->next->number, 6.4, 1e-4);
    const struct stability_result *layer = result_member(training, "layers")->children;
    assert_string_equal(result_member(layer, "layer")->text, "fc");
    assert_within(result_member(layer, "weight_changes")->children->number, 0.2, 1e-6);
    assert_within(result_member(layer, "weight_changes")->children->next->number, 0.25, 1e-6);
    stability_report_free(report);
    builder_free(&b);
}

/* ---- learning_rate ---- */

static double edge(const struct stability_result *result, const char *name)
{
    const struct stability_result *rate = result_member(result_member(result, name), "rate");
    return rate->kind == STABILITY_RESULT_NULL ? NAN : rate->number;
}

/* The loss rises from 2 / the curvature, 0.25, and in five steps to four times its start from where
 * (8 lr - 1)^10 is 4; it moves by 2.5e-4 where 1 - (1 - 8 lr)^10 is that. Edges are found to 1.8 %. */
static void edges_are_where_the_mathematics_says(void **state)
{
    (void)state;
    struct builder b = {0};
    quadratic(&b);
    struct stability_report *report = analyse(&b, "learning_rate", 0, NULL);
    const struct stability_result *result = result_member(report->analyses, "learning_rate");
    assert_close(edge(result, "rises_from"), 0.25, 0.02);
    assert_close(edge(result, "diverges_from"), (1 + pow(4, 0.1)) / 8, 0.02);
    assert_close(edge(result, "moves_from"), 2.5e-4 / 80, 0.02);
    assert_close(edge(result, "suggested"), edge(result, "rises_from") / 3, 1e-12);
    assert_string_equal(result_member(result, "effect")->text, "falls");
    const struct stability_result *ratio = result_member(result, "update_ratios")->children;
    assert_within(result_member(ratio, "update_ratio")->number, 0.08, 1e-6);
    assert_null(report_finding(report, "learning-rate"));
    stability_report_free(report);
    builder_free(&b);
}

/* Adam's first step is the rate itself, for every element. */
static void ratios_are_those_of_the_optimizer(void **state)
{
    (void)state;
    struct builder b = {0};
    quadratic(&b);
    builder_options(&b)->precision = STABILITY_PRECISION_FLOAT64;
    const struct stability_member settings[] = {WORD("optimizer", "Adam")};
    struct stability_report *report = analyse(&b, "learning_rate", 1, settings);
    const struct stability_result *result = result_member(report->analyses, "learning_rate");
    assert_within(result_member(result_member(result, "update_ratios")->children, "update_ratio")->number,
                  1e-3, 1e-9);
    assert_true(result_member(result, "learning_rate")->number == 1e-3);
    stability_report_free(report);
    builder_free(&b);
}

static void nothing_is_told_of_what_is_not_finite(void **state)
{
    (void)state;
    struct builder b = {0};
    quadratic(&b);
    ((double *)(uintptr_t)b.data[0].tensor.data)[0] = INFINITY;
    struct stability_report *report = analyse(&b, "learning_rate", 0, NULL);
    const struct stability_result *result = result_member(report->analyses, "learning_rate");
    assert_true(isnan(edge(result, "suggested")) && isnan(edge(result, "diverges_from")));
    assert_null(report_finding(report, "learning-rate"));
    stability_report_free(report);
    builder_free(&b);
}

/* ---- findings ---- */

static void expect_finding(const char *analysis, double rate, bool given, int severity)
{
    struct builder b = {0};
    const struct stability_member settings[] = {REAL("learning_rate", rate)};
    quadratic(&b);
    if (!given)
        builder_options(&b)->learning_rate = rate;
    struct stability_report *report = analyse(&b, analysis, given ? 1 : 0, settings);
    const struct stability_finding *finding = report_finding(report, "learning-rate");
    assert_int_equal(finding != NULL, severity >= 0);
    if (finding) {
        assert_int_equal(finding->severity, severity);
        assert_within(finding_evidence(finding, "learning_rate"), rate, 0);
        assert_true(strlen(finding->cause) > 10);
    }
    stability_report_free(report);
    builder_free(&b);
}

static void findings_rest_on_what_was_tried(void **state)
{
    (void)state;
    const char *const analyses[] = {"training", "learning_rate"};
    for (int i = 0; i < 2; i++) {
        expect_finding(analyses[i], 0.05, true, -1);
        expect_finding(analyses[i], 0.3, true, STABILITY_ERROR_SEVERITY);
        expect_finding(analyses[i], 0.3, false, STABILITY_INFO);
        expect_finding(analyses[i], 1e-8, true, STABILITY_WARNING);
    }
    expect_finding("learning_rate", 0.255, true, STABILITY_WARNING);
    expect_finding("learning_rate", 2e-6, true, STABILITY_INFO);
}

/* ---- what is refused ---- */

static void settings_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const double one_beta[] = {0.9}, beta_of_one[] = {0.9, 1};
    const struct {
        size_t count;
        struct stability_member settings[2];
        const char *pointer;
        enum stability_code code;
    } cases[] = {
        {1, {WORD("optimizer", "Adagrad")}, "optimizer", STABILITY_ERROR_INVALID_ATTRIBUTE},
        {1, {INTEGER("steps", 0)}, "steps", STABILITY_ERROR_INVALID_ATTRIBUTE},
        {1, {INTEGER("steps", 100000)}, "steps", STABILITY_ERROR_INVALID_ATTRIBUTE},
        {1, {REAL("learning_rate", 0)}, "learning_rate", STABILITY_ERROR_INVALID_ATTRIBUTE},
        {1, {REAL("clip_grad_norm", -1)}, "clip_grad_norm", STABILITY_ERROR_INVALID_ATTRIBUTE},
        {1, {REAL("weight_decay", -1)}, "weight_decay", STABILITY_ERROR_INVALID_ATTRIBUTE},
        {1, {YES("nesterov")}, "nesterov", STABILITY_ERROR_INVALID_ATTRIBUTE},
        {1, {REAL("eps", 1e-6)}, "eps", STABILITY_ERROR_INVALID_ATTRIBUTE},
        {2,
         {WORD("optimizer", "Adam"), REAL("momentum", 0.9)},
         "momentum",
         STABILITY_ERROR_INVALID_ATTRIBUTE},
        {2,
         {WORD("optimizer", "AdamW"), {"betas", {STABILITY_LIST, .list = {1, one_beta, false}}}},
         "betas",
         STABILITY_ERROR_INVALID_ATTRIBUTE},
        {2,
         {WORD("optimizer", "AdamW"), {"betas", {STABILITY_LIST, .list = {2, beta_of_one, false}}}},
         "betas",
         STABILITY_ERROR_INVALID_ATTRIBUTE},
        {1, {REAL("lr", 0.1)}, "lr", STABILITY_ERROR_UNKNOWN_ATTRIBUTE},
    };
    const char *const names[] = {"training", "learning_rate"};
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        struct builder b = {0};
        const char *name = names[i % 2];
        const struct stability_analysis analysis = {name, {cases[i / 2].count, cases[i / 2].settings}};
        char pointer[128];
        snprintf(pointer, sizeof(pointer), "/options/analyses/%s/%s", name, cases[i / 2].pointer);
        quadratic(&b);
        builder_options(&b)->analyses = &analysis;
        builder_options(&b)->analysis_count = 1;
        builder_expect_error(&b, cases[i / 2].code, pointer);
        assert_int_equal(stability_code_status(cases[i / 2].code), 422);
        builder_free(&b);
    }
}

/* The plan asks for the bytes of the analysis; a budget below refuses. */
static void the_budget_counts(void **state)
{
    (void)state;
    const char *const names[] = {"training", "learning_rate"};
    for (int i = 0; i < 2; i++) {
        struct builder b = {0};
        struct stability_error error = {0};
        const struct stability_analysis analysis = {names[i], {0}};
        quadratic(&b);
        struct stability_plan *plain = stability_plan_new(&b.request, &error);
        int64_t without = stability_plan_bytes(plain);
        builder_options(&b)->analyses = &analysis;
        builder_options(&b)->analysis_count = 1;
        struct stability_plan *plan = stability_plan_new(&b.request, &error);
        assert_true(stability_plan_bytes(plan) > without);
        builder_options(&b)->limits.bytes = without;
        char pointer[64];
        snprintf(pointer, sizeof(pointer), "/options/analyses/%s", names[i]);
        builder_expect_error(&b, STABILITY_ERROR_MODEL_TOO_LARGE, pointer);
        stability_plan_free(plain);
        stability_plan_free(plan);
        builder_free(&b);
    }
}

static void training_can_be_stopped(void **state)
{
    (void)state;
    struct builder b = {0};
    quadratic(&b);
    builder_ask(&b, "training", 0, NULL);
    builder_expect_stop(&b, "training", 10);
    builder_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_beyond_the_curvature_diverges),
        cmocka_unit_test(a_loss_that_leaves_the_precision_is_not_finite),
        cmocka_unit_test(a_tiny_rate_makes_no_progress),
        cmocka_unit_test(a_good_rate_makes_progress),
        cmocka_unit_test(steps_across_the_minimum_oscillate),
        cmocka_unit_test(dropout_is_not_taken_for_oscillation),
        cmocka_unit_test(a_threshold_comes_from_the_norms),
        cmocka_unit_test(edges_are_where_the_mathematics_says),
        cmocka_unit_test(ratios_are_those_of_the_optimizer),
        cmocka_unit_test(nothing_is_told_of_what_is_not_finite),
        cmocka_unit_test(findings_rest_on_what_was_tried),
        cmocka_unit_test(settings_that_do_not_fit_are_refused),
        cmocka_unit_test(the_budget_counts),
        cmocka_unit_test(training_can_be_stopped),
    };
    return cmocka_run_group_tests_name("training and learning rates", tests, NULL, NULL);
}
