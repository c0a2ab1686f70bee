/* What options do: mode, seed, limits, progress; and that nothing but the request decides. */
#include "support.h"

#include "request_builder.h"

#include <math.h>
#include <string.h>

/* ---- modes ------------------------------------------------------------------------------------------ */

static void running_statistics_are_those_of_eval_mode(void **state)
{
    (void)state;
    for (int evaluate = 0; evaluate < 2; evaluate++) {
        struct builder b = {0};
        builder_options(&b)->evaluate = evaluate;
        builder_options(&b)->precision = STABILITY_PRECISION_FLOAT64;
        builder_data(&b, "input", SHAPE(2, 1), (double[]){1, 3});
        builder_data(&b, "target", SHAPE(2, 1), (double[]){0, 0});
        builder_layer(&b, "norm", "BatchNorm1d", NULL);
        builder_integer(&b, "num_features", 1);
        builder_real(&b, "eps", 0);
        builder_weight(&b, "norm.running_mean", SHAPE(1), (double[]){-1});
        builder_weight(&b, "norm.running_var", SHAPE(1), (double[]){4});
        builder_sum_of_squares(&b);
        struct stability_report *report = builder_diagnose(&b);
        assert_int_equal(report->evaluate, evaluate);
        assert_close(report_layer(report, "norm")->outputs[0].value->all.mean, evaluate ? 1.5 : 0,
                     0); /* (1, 2) or (-1, 1) */
        assert_close(report->loss, evaluate ? 5 : 2, 0);
        /* the report shows them as they were sent */
        const struct stability_parameter_report *mean = report_parameter(report, "norm", "running_mean");
        assert_true(mean->buffer);
        assert_null(mean->gradient);
        assert_close(mean->value->all.mean, -1, 0);
        assert_int_equal(report->parameter_count, 2);
        stability_report_free(report);
        builder_free(&b);
    }
}

static struct stability_report *drop(bool evaluate, uint64_t seed)
{
    enum { COUNT = 4000 };
    double ones[COUNT], zeros[COUNT] = {0};
    for (int i = 0; i < COUNT; i++)
        ones[i] = 1;
    struct builder b = {0};
    builder_options(&b)->evaluate = evaluate;
    builder_options(&b)->seed = seed;
    builder_data(&b, "input", SHAPE(40, 100), ones);
    builder_data(&b, "target", SHAPE(40, 100), zeros);
    builder_layer(&b, "copy", "Identity", NULL);
    builder_layer(&b, "drop", "Dropout", NULL);
    builder_real(&b, "p", 0.25);
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    builder_free(&b);
    return report;
}

static void dropout_drops_in_training_alone(void **state)
{
    (void)state;
    struct stability_report *report = drop(true, 0);
    assert_int_equal(report_layer(report, "drop")->outputs[0].value->zero_count, 0);
    stability_report_free(report);
    int64_t zeros[2];
    for (uint64_t seed = 0; seed < 2; seed++) {
        report = drop(false, seed);
        const struct stability_statistics *value = report_layer(report, "drop")->outputs[0].value;
        zeros[seed] = value->zero_count;
        assert_within((double)zeros[seed], 1000, 120); /* four standard deviations */
        assert_close(value->all.max, 4 / 3.0, 1e-6);
        /* what was dropped gets no gradient: the backward pass draws the same mask */
        assert_int_equal(report_layer(report, "copy")->outputs[0].gradient->zero_count, zeros[seed]);
        stability_report_free(report);
    }
    assert_int_not_equal(zeros[0], zeros[1]);
}

/* ---- the same request ------------------------------------------------------------------------------- */

static void assert_same_statistics(const struct stability_statistics *a, const struct stability_statistics *b)
{
    assert_int_equal(!a, !b);
    if (a)
        assert_memory_equal(a, b, sizeof(*a)); /* all of its members have eight bytes: no padding */
}

static void assert_same_reports(const struct stability_report *a, const struct stability_report *b)
{
    assert_memory_equal(&a->loss, &b->loss, sizeof(double));
    assert_memory_equal(&a->gradient_norm, &b->gradient_norm, sizeof(double));
    for (size_t i = 0; i < a->layer_count; i++) {
        assert_same_statistics(a->layers[i].outputs[0].value, b->layers[i].outputs[0].value);
        assert_same_statistics(a->layers[i].outputs[0].gradient, b->layers[i].outputs[0].gradient);
        for (size_t k = 0; k < a->layers[i].parameter_count; k++) {
            assert_same_statistics(a->layers[i].parameters[k].value, b->layers[i].parameters[k].value);
            assert_same_statistics(a->layers[i].parameters[k].gradient, b->layers[i].parameters[k].gradient);
        }
    }
    assert_int_equal(a->finding_count, b->finding_count);
    for (size_t i = 0; i < a->finding_count; i++) {
        assert_string_equal(a->findings[i].message, b->findings[i].message);
        assert_string_equal(a->findings[i].fingerprint, b->findings[i].fingerprint);
    }
}

static struct stability_report *drawn_network(uint64_t seed)
{
    double x[8 * 5], target[8 * 3] = {0};
    for (int i = 0; i < 8 * 5; i++)
        x[i] = sin(i);
    struct builder b = {0};
    builder_options(&b)->seed = seed;
    builder_data(&b, "input", SHAPE(8, 5), x);
    builder_data(&b, "target", SHAPE(8, 3), target);
    builder_linear(&b, "fc1", NULL, 5, 16);
    builder_layer(&b, "act", "GELU", NULL);
    builder_layer(&b, "drop", "Dropout", NULL);
    builder_linear(&b, "fc2", NULL, 16, 3);
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    builder_free(&b);
    return report;
}

static void the_same_request_gives_the_same_report(void **state)
{
    (void)state;
    struct stability_report *first = drawn_network(7), *second = drawn_network(7), *other = drawn_network(8);
    assert_same_reports(first, second);
    assert_true(first->loss != other->loss);
    stability_report_free(first);
    stability_report_free(second);
    stability_report_free(other);
}

/* ---- limits and progress ---------------------------------------------------------------------------- */

static void small_network(struct builder *b)
{
    static const double numbers[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    builder_data(b, "input", SHAPE(3, 4), numbers);
    builder_data(b, "target", SHAPE(3, 2), numbers);
    builder_linear(b, "fc1", NULL, 4, 5);
    builder_layer(b, "act", "ReLU", NULL);
    builder_linear(b, "fc2", NULL, 5, 2);
    builder_sum_of_squares(b);
}

static void each_limit_is_exact(void **state)
{
    (void)state;
    struct builder b = {0};
    small_network(&b);
    struct stability_error error = {0};
    struct stability_plan *plan = stability_plan_new(&b.request, &error);
    assert_non_null(plan);
    int64_t bytes = stability_plan_bytes(plan);
    stability_plan_free(plan);
    struct {
        int64_t *limit;
        int64_t needed;
        const char *pointer;
    } limits[] = {
        {&builder_options(&b)->limits.layers, 3, "/model/layers"},
        {&builder_options(&b)->limits.parameters, 4 * 5 + 5 * 2, "/model"},
        {&builder_options(&b)->limits.elements, 4 * 5, "/model/layers/0"},
        {&builder_options(&b)->limits.bytes, bytes, "/model"},
    };
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        int64_t usual = *limits[i].limit;
        *limits[i].limit = limits[i].needed;
        stability_report_free(builder_diagnose(&b));
        *limits[i].limit = limits[i].needed - 1;
        builder_expect_error(&b, STABILITY_ERROR_MODEL_TOO_LARGE, limits[i].pointer);
        *limits[i].limit = usual;
    }
    builder_free(&b);
}

static void the_plan_counts_operations(void **state)
{
    (void)state;
    struct builder b = {0};
    small_network(&b);
    struct stability_error error = {0};
    struct stability_plan *plan = stability_plan_new(&b.request, &error);
    assert_non_null(plan);
    /* a product is 2 m n k, once forward and twice backward; ReLU one operation for an element, and three in
     * all */
    assert_int_equal(stability_plan_flops(plan), 3 * 2 * 3 * 4 * 5 + 3 * 3 * 5 + 3 * 2 * 3 * 5 * 2);
    stability_plan_free(plan);
    builder_free(&b);
}

struct steps {
    int64_t calls;
    int64_t stop_at;
};

static bool count_steps(void *context, const char *stage, int64_t done, int64_t total)
{
    struct steps *steps = context;
    assert_true(strcmp(stage, "forward") == 0 || strcmp(stage, "backward") == 0);
    assert_true(done >= 0 && done < total);
    return steps->calls++ != steps->stop_at;
}

static void work_stops_when_it_is_told_to(void **state)
{
    (void)state;
    struct builder b = {0};
    struct steps steps = {0, -1};
    small_network(&b);
    builder_options(&b)->progress = count_steps;
    builder_options(&b)->progress_context = &steps;
    stability_report_free(builder_diagnose(&b));
    assert_true(steps.calls >= 2 * 3);
    for (int64_t stop = steps.calls - 1; stop >= 0; stop--) {
        struct stability_error error = {0};
        steps = (struct steps){0, stop};
        struct stability_plan *plan = stability_plan_new(&b.request, &error);
        assert_non_null(plan);
        assert_null(stability_diagnose(plan, &error));
        assert_int_equal(error.code, STABILITY_ERROR_CANCELLED);
        assert_int_equal(steps.calls, stop + 1);
        stability_plan_free(plan);
    }
    builder_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(running_statistics_are_those_of_eval_mode),
        cmocka_unit_test(dropout_drops_in_training_alone),
        cmocka_unit_test(the_same_request_gives_the_same_report),
        cmocka_unit_test(each_limit_is_exact),
        cmocka_unit_test(the_plan_counts_operations),
        cmocka_unit_test(work_stops_when_it_is_told_to),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
