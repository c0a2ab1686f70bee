/* On which side of each rule's threshold a finding begins, by default and where a request sets it. */
#include "support.h"

#include "threshold_models.h"

#include <stability/registry.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NONE = -1 };

/* ---- models that put one number at a wanted value --------------------------------------------------- */

/* One element whose gradient is `value`. */
static void gradient_is(struct builder *b, double value)
{
    builder_data(b, "input", SHAPE(1), (double[]){value / 2});
    builder_data(b, "target", SHAPE(1), (double[]){0});
    builder_layer(b, "x", "Identity", NULL);
    builder_sum_of_squares(b);
}

/* A gradient of 1 at the loss, `value` at the layer before. */
static void gradient_falls_to(struct builder *b, double value)
{
    builder_data(b, "input", SHAPE(1, 1), (double[]){1});
    builder_data(b, "target", SHAPE(1, 1), (double[]){-1});
    builder_layer(b, "x", "Identity", NULL);
    builder_linear(b, "fc", NULL, 1, 1);
    builder_weight(b, "fc.weight", SHAPE(1, 1), &value);
    builder_loss(b, "L1Loss", NULL);
}

/* One element of that value, at the minimum of the loss. */
static void activation_is(struct builder *b, double value)
{
    builder_data(b, "input", SHAPE(1), &value);
    builder_data(b, "target", SHAPE(1), &value);
    builder_layer(b, "x", "Identity", NULL);
    builder_sum_of_squares(b);
}

enum { SAMPLES = 8, UNITS = 1000 };

/* A unit is on for at least the last sample, or off for all. */
static void units_off(struct builder *b, const char *type, double off, double on, double fraction)
{
    static double x[SAMPLES * UNITS], zeros[SAMPLES * UNITS];
    for (int i = 0; i < SAMPLES * UNITS; i++)
        x[i] = i % UNITS < lround(fraction * UNITS) ? off : on;
    builder_data(b, "input", SHAPE(SAMPLES, UNITS), x);
    builder_data(b, "target", SHAPE(SAMPLES, UNITS), zeros);
    builder_layer(b, "act", type, NULL);
    builder_sum_of_squares(b);
}

static void dead_fraction_is(struct builder *b, double fraction)
{
    units_off(b, "ReLU", -1, 1, fraction);
}

static void saturated_fraction_is(struct builder *b, double fraction)
{
    units_off(b, "Sigmoid", 10, 0, fraction);
}

/* ---- both sides of every default -------------------------------------------------------------------- */

/* The defaults are written down here once more: one that changes must change here too. */
static const struct boundary {
    const char *rule;
    const char *threshold;
    double number;
    double beyond; /* the nearest number on the side of the finding that is worth telling apart */
    void (*arrange)(struct builder *b, double value);
    int severity_at;
    int severity_beyond;
} boundaries[] = {
    {"dead-units", "fraction", 0.5, 0.501, dead_fraction_is, NONE, STABILITY_WARNING},
    {"dead-units", "fraction_error", 0.9, 0.901, dead_fraction_is, STABILITY_WARNING,
     STABILITY_ERROR_SEVERITY},
    {"saturated-units", "fraction", 0.5, 0.501, saturated_fraction_is, NONE, STABILITY_WARNING},
    {"saturated-units", "fraction_error", 0.9, 0.901, saturated_fraction_is, STABILITY_WARNING,
     STABILITY_ERROR_SEVERITY},
    {"saturated-units", "concentration", 0.95, 0.95 * (1 + 1e-9), concentration_is, NONE, STABILITY_WARNING},
    {"exploding-activation", "rms", 1e3, 1e3 * (1 + 1e-12), activation_is, NONE, STABILITY_WARNING},
    {"exploding-activation", "rms_error", 1e6, 1e6 * (1 + 1e-12), activation_is, STABILITY_WARNING,
     STABILITY_ERROR_SEVERITY},
    {"vanishing-activation", "rms", 1e-6, 1e-6 * (1 - 1e-12), activation_is, NONE, STABILITY_WARNING},
    {"exploding-gradient", "gradient_norm", 1e3, 1e3 * (1 + 1e-12), gradient_is, NONE,
     STABILITY_ERROR_SEVERITY},
    {"vanishing-gradient", "gradient_norm", 1e-6, 1e-6 * (1 - 1e-12), gradient_falls_to, NONE,
     STABILITY_ERROR_SEVERITY},
    {"vanishing-gradient", "fall", 0.1, 0.1 * (1 - 1e-12), gradient_falls_by, STABILITY_INFO,
     STABILITY_ERROR_SEVERITY},
    {"vanishing-gradient", "through_time", 1e-10, 1e-10 * (1 - 1e-9), gradient_through_time_is, NONE,
     STABILITY_WARNING},
    {"vanishing-gradient", "gates", 0.4, 0.4 * (1 - 1e-9), a_step_of_gates_passes, NONE, STABILITY_WARNING},
    {"loss-mismatch", "log_sum_exp", 0.01, 0.01 * (1 + 1e-9), log_sum_exp_is, NONE, STABILITY_ERROR_SEVERITY},
    {"input-scale", "rms", 30, 30 * (1 + 1e-12), input_rms_is, NONE, STABILITY_WARNING},
    {"input-scale", "rms_error", 1e4, 1e4 * (1 + 1e-12), input_rms_is, STABILITY_WARNING,
     STABILITY_ERROR_SEVERITY},
    {"input-scale", "rms_least", 1e-4, 1e-4 * (1 - 1e-12), input_rms_is, NONE, STABILITY_WARNING},
    {"input-scale", "rms_least_error", 1e-5, 1e-5 * (1 - 1e-12), input_rms_is, STABILITY_WARNING,
     STABILITY_ERROR_SEVERITY},
    {"input-scale", "feature_ratio", 100, 100 * (1 + 1e-12), feature_ratio_is, NONE, STABILITY_WARNING},
    {"input-scale", "feature_ratio_error", 1e3, 1e3 * (1 + 1e-12), feature_ratio_is, STABILITY_WARNING,
     STABILITY_ERROR_SEVERITY},
    {"symmetric-weights", "fraction", 0.25, 0.251, twin_fraction_is, NONE, STABILITY_WARNING},
    {"symmetric-weights", "fraction_error", 0.75, 0.751, twin_fraction_is, STABILITY_WARNING,
     STABILITY_ERROR_SEVERITY},
    {"poor-initialization", "shrink", 1e-4, 1e-4 * (1 - 1e-9), chain_shrinks_by, NONE, STABILITY_WARNING},
    {"poor-initialization", "shrink_scheme", 1e-2, 1e-2 * (1 - 1e-9), wrong_chain_shrinks_by, NONE,
     STABILITY_WARNING},
    {"poor-initialization", "grow", 1e3, 1e3 * (1 + 1e-9), chain_grows_by, NONE, STABILITY_WARNING},
    {"poor-initialization", "excess", 12, 12 * (1 + 1e-9), weight_excess_is, NONE, STABILITY_WARNING},
    {"rank-collapse", "spread", 1e-4, 1e-4 * (1 - 1e-6), spread_is, NONE, STABILITY_WARNING},
    {"rank-collapse", "token_spread", 1e-2, 1e-2 * (1 - 1e-6), token_spread_is, NONE, STABILITY_WARNING},
    {"learning-rate", "ratio_high", 0.1, 0.1 * (1 + 1e-12), update_ratio_is, NONE, STABILITY_WARNING},
    {"learning-rate", "ratio_low", 1e-6, 1e-6 * (1 - 1e-12), update_ratio_is, NONE, STABILITY_INFO},
    {"learning-rate", "ratio_low_warning", 1e-8, 1e-8 * (1 - 1e-12), update_ratio_is, STABILITY_INFO,
     STABILITY_WARNING},
    {"update-ratio", "ratio", 1, 1 + 1e-12, update_ratio_is, NONE, STABILITY_WARNING},
    {"low-precision-overflow", "fraction", 0, 0.001, overflow_fraction_is, NONE, STABILITY_WARNING},
    {"low-precision-underflow", "fraction", 0.5, 0.501, underflow_fraction_is, NONE, STABILITY_WARNING},
    {"low-precision-underflow", "loss", 0.1, 0.1 * (1 - 1e-12), underflow_at_loss, STABILITY_WARNING,
     STABILITY_INFO},
};
enum { BOUNDARY_COUNT = sizeof(boundaries) / sizeof(boundaries[0]) };

static void begin(struct builder *b, const struct boundary *boundary, double value)
{
    builder_options(b)->precision = STABILITY_PRECISION_FLOAT64;
    boundary->arrange(b, value);
}

/* Thresholds that decide on the severity alone: the evidence shows another one. */
static bool is_shown(const struct boundary *boundary)
{
    static const char *const hidden[] = {"fall", "feature_ratio_error", "rms_least_error", "loss"};
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        if (strcmp(boundary->threshold, hidden[i]) == 0)
            return false;
    return true;
}

/* Diagnoses, and expects the rule's finding with that severity; frees the builder. */
static void expect(struct builder *b, const struct boundary *boundary, int severity, double threshold)
{
    struct stability_report *report = builder_diagnose(b);
    const struct stability_finding *finding = report_finding(report, boundary->rule);
    if ((finding ? (int)finding->severity : NONE) != severity)
        fail_msg("%s: severity %d where %d was expected", boundary->rule,
                 finding ? (int)finding->severity : NONE, severity);
    if (finding && is_shown(boundary))
        assert_close(finding_evidence(finding, "threshold"), threshold, 0);
    stability_report_free(report);
    builder_free(b);
}

/* The threshold that a finding of this severity rests on, by the table above. */
static double default_threshold(const struct boundary *boundary, int severity)
{
    for (int i = 0; i < BOUNDARY_COUNT; i++)
        if (strcmp(boundaries[i].rule, boundary->rule) == 0 && boundaries[i].severity_beyond == severity)
            return boundaries[i].number;
    return NAN;
}

static void a_finding_begins_beyond_the_default(void **state)
{
    const struct boundary *boundary = *state;
    struct builder at = {0}, beyond = {0};
    begin(&at, boundary, boundary->number);
    expect(&at, boundary, boundary->severity_at, default_threshold(boundary, boundary->severity_at));
    begin(&beyond, boundary, boundary->beyond);
    expect(&beyond, boundary, boundary->severity_beyond, boundary->number);
}

static void a_request_sets_the_threshold(void **state)
{
    const struct boundary *boundary = *state;
    struct builder at = {0}, beyond = {0};
    double way = boundary->beyond - boundary->number;
    begin(&at, boundary, boundary->beyond); /* no longer beyond */
    builder_threshold(&at, boundary->rule, boundary->threshold, boundary->beyond);
    expect(&at, boundary, boundary->severity_at, default_threshold(boundary, boundary->severity_at));
    begin(&beyond, boundary, boundary->number); /* beyond by now */
    builder_threshold(&beyond, boundary->rule, boundary->threshold, boundary->number - way);
    expect(&beyond, boundary, boundary->severity_beyond, boundary->number - way);
}

static bool is_first_row(const struct boundary *boundary)
{
    for (size_t i = 0; i < stability_rule_type_count(); i++) {
        const struct stability_rule_type *rule = stability_rule_type_at(i);
        if (strcmp(rule->name, boundary->rule) == 0)
            return strcmp(rule->thresholds[0].name, boundary->threshold) == 0;
    }
    fail_msg("there is no rule '%s'", boundary->rule);
    return false;
}

static void an_unnamed_threshold_is_the_rules_first(void **state)
{
    const struct boundary *boundary = *state;
    if (!is_first_row(boundary))
        return;
    struct builder b = {0};
    double threshold = boundary->number - (boundary->beyond - boundary->number);
    begin(&b, boundary, boundary->number);
    builder_threshold(&b, boundary->rule, "", threshold);
    expect(&b, boundary, boundary->severity_beyond, threshold);
}

static bool has_boundary(const char *rule, const char *threshold, double number)
{
    for (int i = 0; i < BOUNDARY_COUNT; i++)
        if (strcmp(boundaries[i].rule, rule) == 0 && strcmp(boundaries[i].threshold, threshold) == 0)
            return boundaries[i].number == number;
    return false;
}

static void every_threshold_of_the_registry_is_tested(void **state)
{
    (void)state;
    size_t count = 0;
    for (size_t i = 0; i < stability_rule_type_count(); i++) {
        const struct stability_rule_type *rule = stability_rule_type_at(i);
        for (const struct stability_threshold *row = rule->thresholds; row && row->name; row++, count++)
            if (!has_boundary(rule->name, row->name, row->number))
                fail_msg("%s: threshold %s = %g is not among the boundaries", rule->name, row->name,
                         row->number);
    }
    assert_int_equal(count, BOUNDARY_COUNT);
}

static void thresholds_that_do_not_exist_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *rule;
        const char *threshold;
        const char *pointer;
    } cases[] = {
        {"dead-unit", "fraction", "/options/thresholds/dead-unit"},
        {"dead-units", "fractoin", "/options/thresholds/dead-units/fractoin"},
        {"non-finite", "", "/options/thresholds/non-finite"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct builder b = {0};
        activation_is(&b, 1);
        builder_threshold(&b, cases[i].rule, cases[i].threshold, 1);
        builder_expect_error(&b, STABILITY_ERROR_UNKNOWN_MEMBER, cases[i].pointer);
        builder_free(&b);
    }
    struct builder b = {0};
    activation_is(&b, 1);
    builder_threshold(&b, "dead-units", "fraction", 1);
    b.thresholds[0].value = (struct stability_value){STABILITY_STRING, .string = "half"};
    builder_expect_error(&b, STABILITY_ERROR_INVALID_VALUE, "/options/thresholds/dead-units/fraction");
    builder_free(&b);
}

int main(void)
{
    struct CMUnitTest tests[3 * BOUNDARY_COUNT + 2];
    static char names[3 * BOUNDARY_COUNT][96];
    static const struct {
        CMUnitTestFunction function;
        const char *what;
    } sides[] = {{a_finding_begins_beyond_the_default, "begins beyond its default"},
                 {a_request_sets_the_threshold, "is set by a request"},
                 {an_unnamed_threshold_is_the_rules_first, "needs no name where it is the first"}};
    size_t count = 0;
    for (int i = 0; i < BOUNDARY_COUNT; i++) {
        for (int k = 0; k < 3; k++, count++) {
            snprintf(names[count], sizeof(names[count]), "%s %s %s", boundaries[i].rule,
                     boundaries[i].threshold, sides[k].what);
            tests[count] = (struct CMUnitTest){.name = names[count],
                                               .test_func = sides[k].function,
                                               .initial_state = (void *)(uintptr_t)&boundaries[i]};
        }
    }
    const struct CMUnitTest others[] = {
        cmocka_unit_test(every_threshold_of_the_registry_is_tested),
        cmocka_unit_test(thresholds_that_do_not_exist_are_refused),
    };
    memcpy(&tests[count], others, sizeof(others));
    count += sizeof(others) / sizeof(others[0]);
    return _cmocka_run_group_tests("thresholds", tests, count, NULL, NULL);
}
