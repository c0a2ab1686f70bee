/* Rules: which layers a finding names and with what numbers, and what must hold for one. */
#include "support.h"

#include "request_builder.h"

#include <math.h>
#include <string.h>

/* ---- what a finding says ---------------------------------------------------------------------------- */

static const struct stability_finding *require(const struct stability_report *report, const char *rule,
                                               int severity)
{
    const struct stability_finding *finding = report_finding(report, rule);
    assert_non_null(finding);
    assert_int_equal(finding->severity, severity);
    return finding;
}

static void assert_layers(const struct stability_finding *finding, const char *const *names, size_t count)
{
    assert_int_equal(finding->layer_count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(finding->layers[i], names[i]);
}

/* A chain of products that each multiply by `factor`. */
static struct stability_report *chain(double factor, const char *loss)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    static const char *const weights[] = {"a.weight", "b.weight", "c.weight", "d.weight"};
    struct builder b = {0};
    builder_options(&b)->precision = STABILITY_PRECISION_FLOAT64;
    builder_data(&b, "input", SHAPE(1, 1), (double[]){1});
    builder_data(&b, "target", SHAPE(1, 1), (double[]){-1});
    for (int i = 0; i < 4; i++) {
        builder_linear(&b, names[i], NULL, 1, 1);
        builder_weight(&b, weights[i], SHAPE(1, 1), &factor);
    }
    builder_loss(&b, loss, NULL);
    struct stability_report *report = builder_diagnose(&b);
    builder_free(&b);
    return report;
}

static bool has_flag(const struct stability_layer_report *layer, const char *rule)
{
    for (size_t i = 0; i < layer->flag_count; i++)
        if (strcmp(layer->flags[i], rule) == 0)
            return true;
    return false;
}

static void a_vanishing_gradient_names_the_layers_that_it_does_not_reach(void **state)
{
    (void)state;
    struct stability_report *report = chain(1e-3, "L1Loss");
    const struct stability_finding *finding = require(report, "vanishing-gradient", STABILITY_ERROR_SEVERITY);
    /* gradients of the outputs 1e-9, 1e-6, 1e-3, 1; of the weights 1e-9 each */
    assert_layers(finding, (const char *const[]){"a", "b", "c", "d"}, 4);
    assert_close(finding_evidence(finding, "gradient_norm"), 1e-9, 1e-12);
    assert_close(finding_evidence(finding, "gradient_norm_at_loss"), 1, 0);
    assert_int_equal(report->verdict, STABILITY_UNSTABLE);
    for (size_t i = 0; i < report->layer_count; i++)
        assert_true(has_flag(&report->layers[i], "vanishing-gradient"));
    stability_report_free(report);
}

static void an_exploding_gradient_names_the_layers_that_it_reaches(void **state)
{
    (void)state;
    struct stability_report *report = chain(20, "L1Loss");
    const struct stability_finding *finding = require(report, "exploding-gradient", STABILITY_ERROR_SEVERITY);
    /* gradients of the outputs 8000, 400, 20, 1; of the weights 8000 each */
    assert_layers(finding, (const char *const[]){"a", "b", "c", "d"}, 4);
    assert_close(finding_evidence(finding, "gradient_norm"), 8000, 1e-12);
    assert_close(finding_evidence(finding, "gradient_norm_at_loss"), 1, 0);
    assert_null(report_finding(report, "vanishing-gradient"));
    stability_report_free(report);
}

static void a_loss_at_its_minimum_is_only_information(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1), (double[]){1});
    builder_data(&b, "target", SHAPE(1), (double[]){1});
    builder_layer(&b, "x", "Identity", NULL);
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    const struct stability_finding *finding = require(report, "vanishing-gradient", STABILITY_INFO);
    assert_close(finding_evidence(finding, "gradient_norm_at_loss"), 0, 0);
    assert_int_equal(report->verdict, STABILITY_STABLE);
    assert_int_equal(report->findings_by_severity[STABILITY_INFO], 1);
    stability_report_free(report);
    builder_free(&b);
}

/* The gradient of a bias before a normalisation is zero but for rounding. */
static void gradients_of_biases_do_not_count(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(4, 2), (double[]){1, 2, 4, 8, -1, 3, 2, 2});
    builder_data(&b, "target", SHAPE(4, 1), (double[]){1, 0, 0, 1});
    builder_linear(&b, "fc", NULL, 2, 1);
    b.nodes[0].attributes[2].value.boolean = true; /* bias */
    builder_weight(&b, "fc.weight", SHAPE(1, 2), (double[]){1, 1});
    builder_layer(&b, "norm", "BatchNorm1d", NULL);
    builder_integer(&b, "num_features", 1);
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    assert_true(report_parameter(report, "fc", "bias")->gradient->all.norm < 1e-5);
    assert_true(report_parameter(report, "fc", "weight")->gradient->all.norm > 1e-5);
    assert_null(report_finding(report, "vanishing-gradient"));
    stability_report_free(report);
    builder_free(&b);
}

static void the_gradient_of_a_weight_counts(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 1), (double[]){2000});
    builder_data(&b, "target", SHAPE(1, 1), (double[]){-1});
    builder_linear(&b, "fc", NULL, 1, 1);
    builder_weight(&b, "fc.weight", SHAPE(1, 1), (double[]){0});
    builder_loss(&b, "L1Loss", NULL);
    struct stability_report *report = builder_diagnose(&b);
    const struct stability_finding *finding = require(report, "exploding-gradient", STABILITY_ERROR_SEVERITY);
    assert_close(finding_evidence(finding, "gradient_norm"), 2000, 0);
    stability_report_free(report);
    builder_free(&b);
}

/* ---- units ------------------------------------------------------------------------------------------ */

static struct stability_report *activation_of(const char *type, struct stability_shape shape, double value)
{
    static double x[256], zeros[256];
    for (int64_t i = 0; i < stability_shape_count(&shape); i++)
        x[i] = value;
    struct builder b = {0};
    builder_options(&b)->precision = STABILITY_PRECISION_FLOAT64;
    builder_data(&b, "input", shape, x);
    builder_data(&b, "target", shape, zeros);
    builder_layer(&b, "act", type, NULL);
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    builder_free(&b);
    return report;
}

static void few_samples_do_not_make_a_unit_dead(void **state)
{
    (void)state;
    static const struct {
        int64_t samples;
        int64_t units;
        bool found;
    } cases[] = {{8, 1, true}, {7, 2, false}, {4, 4, true}, {3, 5, false}, {1, 16, true}, {1, 15, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stability_report *report = activation_of("ReLU", SHAPE(cases[i].samples, cases[i].units), -1);
        assert_int_equal(report_finding(report, "dead-units") != NULL, cases[i].found);
        assert_close(report->layers[0].dead_fraction, 1, 0);
        stability_report_free(report);
    }
    static double x[7 * 10], zeros[7 * 10]; /* some dead ones among seven samples: too few to tell */
    for (int i = 0; i < 70; i++)
        x[i] = i % 10 < 9 ? -1 : 1;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(7, 10), x);
    builder_data(&b, "target", SHAPE(7, 10), zeros);
    builder_layer(&b, "act", "ReLU", NULL);
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    assert_close(report->layers[0].dead_fraction, 0.9, 0);
    assert_null(report_finding(report, "dead-units"));
    stability_report_free(report);
    builder_free(&b);
}

/* One sample of the batch that gets through keeps a unit alive; in images it is the channel that counts. */
static void a_unit_is_a_channel_of_the_whole_batch(void **state)
{
    (void)state;
    static double x[2 * 12 * 4], zeros[2 * 12 * 4];
    for (int i = 0; i < 2 * 12 * 4; i++)
        x[i] = -1;
    x[1 * 48 + 0 * 4 + 3] = 1; /* sample 1, channel 0 */
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(2, 12, 2, 2), x);
    builder_data(&b, "target", SHAPE(2, 12, 2, 2), zeros);
    builder_layer(&b, "act", "ReLU", NULL);
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    assert_close(report->layers[0].dead_fraction, 11 / 12.0, 0);
    require(report, "dead-units", STABILITY_ERROR_SEVERITY);
    stability_report_free(report);
    builder_free(&b);
}

/* Three quarters of the units of a layer are dead: of 4 by chance, of 16 not. */
static void few_dead_units_are_chance(void **state)
{
    (void)state;
    for (int units = 4; units <= 16; units += 12) {
        static double x[16 * 16], zeros[16 * 16];
        for (int i = 0; i < 16 * units; i++)
            x[i] = i % 4 == 0 ? 1 : -1;
        struct builder b = {0};
        builder_data(&b, "input", SHAPE(16, units), x);
        builder_data(&b, "target", SHAPE(16, units), zeros);
        builder_layer(&b, "act", "ReLU", NULL);
        builder_sum_of_squares(&b);
        struct stability_report *report = builder_diagnose(&b);
        assert_close(report->layers[0].dead_fraction, 0.75, 0);
        assert_int_equal(report_finding(report, "dead-units") != NULL, units == 16);
        stability_report_free(report);
        builder_free(&b);
    }
}

/* s (1 - s) = 0.25 / 20 at 4.35654 */
static void saturated_is_below_a_twentieth_of_the_greatest_derivative(void **state)
{
    (void)state;
    struct stability_report *report = activation_of("Sigmoid", SHAPE(4, 4), 4.3565);
    assert_close(report->layers[0].saturated_fraction, 0, 0);
    stability_report_free(report);
    report = activation_of("Sigmoid", SHAPE(4, 4), -4.3566);
    assert_close(report->layers[0].saturated_fraction, 1, 0);
    require(report, "saturated-units", STABILITY_ERROR_SEVERITY);
    stability_report_free(report);
}

static void each_activation_fails_in_its_own_way(void **state)
{
    (void)state;
    struct stability_report *report = activation_of("ReLU", SHAPE(8, 8), -50);
    assert_null(report_finding(report, "saturated-units"));
    require(report, "dead-units", STABILITY_ERROR_SEVERITY);
    stability_report_free(report);
    report = activation_of("Sigmoid", SHAPE(8, 8), 2000); /* its derivative underflows to 0 */
    assert_null(report_finding(report, "dead-units"));
    require(report, "saturated-units", STABILITY_ERROR_SEVERITY);
    stability_report_free(report);
    report = activation_of("Identity", SHAPE(8, 8), 0);
    assert_false(report->layers[0].is_activation);
    assert_true(isnan(report->layers[0].dead_fraction) && isnan(report->layers[0].saturated_fraction));
    stability_report_free(report);
}

/* ---- the report as a whole -------------------------------------------------------------------------- */

static void findings_come_most_severe_first(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_options(&b)->precision = STABILITY_PRECISION_FLOAT64;
    builder_data(&b, "input", SHAPE(1), (double[]){2000});
    builder_data(&b, "target", SHAPE(1), (double[]){0});
    builder_layer(&b, "x", "Identity", NULL);
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    assert_int_equal(report->finding_count, 2);
    assert_string_equal(report->findings[0].rule, "exploding-gradient");
    assert_string_equal(report->findings[1].rule, "exploding-activation");
    assert_int_equal(report->findings_by_severity[STABILITY_ERROR_SEVERITY], 1);
    assert_int_equal(report->findings_by_severity[STABILITY_WARNING], 1);
    assert_int_equal(report->layers[0].flag_count, 2);
    stability_report_free(report);
    builder_free(&b);
}

static void a_fingerprint_depends_on_rule_and_layers_alone(void **state)
{
    (void)state;
    struct stability_report *few = chain(20, "L1Loss"), *more = chain(30, "L1Loss"),
                            *other = chain(1e-3, "L1Loss");
    const char *fingerprint = report_finding(few, "exploding-gradient")->fingerprint;
    assert_int_equal(strlen(fingerprint), 16);
    assert_string_equal(fingerprint, report_finding(more, "exploding-gradient")->fingerprint);
    assert_string_not_equal(fingerprint, report_finding(other, "vanishing-gradient")->fingerprint);
    stability_report_free(few);
    stability_report_free(more);
    stability_report_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vanishing_gradient_names_the_layers_that_it_does_not_reach),
        cmocka_unit_test(an_exploding_gradient_names_the_layers_that_it_reaches),
        cmocka_unit_test(a_loss_at_its_minimum_is_only_information),
        cmocka_unit_test(gradients_of_biases_do_not_count),
        cmocka_unit_test(the_gradient_of_a_weight_counts),
        cmocka_unit_test(few_samples_do_not_make_a_unit_dead),
        cmocka_unit_test(few_dead_units_are_chance),
        cmocka_unit_test(a_unit_is_a_channel_of_the_whole_batch),
        cmocka_unit_test(saturated_is_below_a_twentieth_of_the_greatest_derivative),
        cmocka_unit_test(each_activation_fails_in_its_own_way),
        cmocka_unit_test(findings_come_most_severe_first),
        cmocka_unit_test(a_fingerprint_depends_on_rule_and_layers_alone),
    };
    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
