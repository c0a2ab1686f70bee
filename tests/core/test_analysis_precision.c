/* What narrower formats lose, against casts by PyTorch and rounding by NumPy, and what the analysis makes of
 * it. */
#include "support.h"

#include "request_builder.h"

#include "core/formats.h"
#include "core/kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- counts ---- */

enum { DRAWN = 4000, EXTREMES = 40 + 60 + 60, COUNT = DRAWN + EXTREMES };

/* The same numbers as in generate.py. */
static void write_numbers(double numbers[COUNT])
{
    for (int i = 0; i < DRAWN; i++)
        numbers[i] = ldexp(sin(1.7 * (1 + i)), 7 * i % 301 - 150);
    double *extremes = numbers + DRAWN;
    for (int i = 0; i < 40; i++)
        *extremes++ = 65504 + i;
    for (int i = 0; i < 60; i++)
        *extremes++ = 440 + i;
    for (int i = 0; i < 60; i++)
        *extremes++ = 57344 + 128 * i;
}

static struct stability_statistics statistics_of(const double *numbers, int64_t count)
{
    struct stability_statistics statistics;
    kernels_for(STABILITY_PRECISION_FLOAT64)->statistics(numbers, count, &statistics);
    formats_count_overflows(numbers, STABILITY_FLOAT64, count, &statistics);
    return statistics;
}

static void losses_equal_those_of_casts(void **state)
{
    (void)state;
    static double numbers[COUNT];
    write_numbers(numbers);
    struct stability_statistics statistics = statistics_of(numbers, COUNT);
    FILE *file = fopen(SOURCE_DIRECTORY "/tests/golden/analyses/casts.txt", "r");
    assert_non_null(file);
    for (int f = 0; f < STABILITY_FORMAT_COUNT; f++) {
        char name[32];
        long long overflown, flushed, subnormal;
        assert_int_equal(fscanf(file, "%31s %lld %lld %lld", name, &overflown, &flushed, &subnormal), 4);
        assert_string_equal(name, number_format_at((enum stability_format)f)->name);
        struct format_losses losses = format_losses_of(&statistics, (enum stability_format)f, 0);
        assert_int_equal(losses.finite, COUNT);
        assert_int_equal(losses.overflown, overflown);
        assert_int_equal(losses.flushed, flushed);
        assert_int_equal(losses.subnormal, subnormal);
    }
    fclose(file);
}

/* The least number that overflows is half a unit above the greatest one. */
static void overflow_begins_where_rounding_takes_it(void **state)
{
    (void)state;
    static const struct {
        enum stability_format format;
        double least;
    } cases[] = {{STABILITY_FORMAT_FLOAT16, 65520},
                 {STABILITY_FORMAT_FLOAT8_E5M2, 61440},
                 {STABILITY_FORMAT_FLOAT8_E4M3, 0x1.d000000000001p8},
                 {STABILITY_FORMAT_BFLOAT16, 0x1.ffp127},
                 {STABILITY_FORMAT_FLOAT32, 0x1.ffffffp127}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double numbers[] = {-cases[i].least, nextafter(cases[i].least, 0), INFINITY, NAN};
        struct stability_statistics statistics = statistics_of(numbers, 4);
        assert_int_equal(statistics.overflow_counts[cases[i].format], 1);
    }
}

static void scales_reach_from_the_least_to_the_greatest(void **state)
{
    (void)state;
    double numbers[] = {0, 0x1.8p-30, -3};
    struct stability_statistics statistics = statistics_of(numbers, 3);
    struct scale_range range = format_scale_range(&statistics, STABILITY_FORMAT_FLOAT16);
    assert_true(range.any);
    assert_int_equal(range.least, 5);              /* 1.5 * 2^-25 is rounded to 2^-24 */
    assert_int_equal(range.normal, 16);            /* 1.5 * 2^-14 */
    assert_int_equal(range.greatest, 14);          /* 3 * 2^14 = 49152 */
    assert_int_equal(scale_range_best(&range), 9); /* no scale keeps all normal */
    for (int k = range.least - 1; k <= range.greatest + 1; k++) {
        struct format_losses losses = format_losses_of(&statistics, STABILITY_FORMAT_FLOAT16, k);
        assert_int_equal(losses.flushed, k < range.least);
        assert_int_equal(losses.overflown, k > range.greatest);
    }
    static const struct {
        struct scale_range range;
        int best;
    } cases[] = {{{true, 10, -20, -9}, 0},
                 {{true, 10, -20, -3}, 3},
                 {{true, 3, -20, -9}, -3},
                 {{true, -4, 6, 12}, -4}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(scale_range_best(&cases[i].range), cases[i].best);
}

static void zeros_have_no_scale(void **state)
{
    (void)state;
    double zeros[4] = {0}, nothing[1] = {NAN};
    struct stability_statistics statistics = statistics_of(zeros, 4);
    assert_false(format_scale_range(&statistics, STABILITY_FORMAT_FLOAT16).any);
    statistics = statistics_of(nothing, 1);
    assert_false(format_scale_range(&statistics, STABILITY_FORMAT_FLOAT16).any);
    assert_int_equal(format_losses_of(&statistics, STABILITY_FORMAT_FLOAT16, 0).finite, 0);
}

/* ---- rounding ---- */

static bool same_bits(double a, double b)
{
    return isnan(a) ? isnan(b) : memcmp(&a, &b, sizeof(a)) == 0;
}

static void rounding_equals_casts_bit_for_bit(void **state)
{
    (void)state;
    static const enum stability_format formats[] = {STABILITY_FORMAT_FLOAT16, STABILITY_FORMAT_BFLOAT16,
                                                    STABILITY_FORMAT_FLOAT8_E4M3,
                                                    STABILITY_FORMAT_FLOAT8_E5M2};
    FILE *file = fopen(SOURCE_DIRECTORY "/tests/golden/analyses/rounding.txt", "r");
    assert_non_null(file);
    char words[5][40];
    int count = 0;
    while (fscanf(file, "%39s %39s %39s %39s %39s", words[0], words[1], words[2], words[3], words[4]) == 5) {
        for (int f = 0; f < 4; f++) {
            double number = strtod(words[0], NULL);
            formats_round(&number, 1, formats[f]);
            if (!same_bits(number, strtod(words[f + 1], NULL)))
                fail_msg("%s in %s: %a, expected %s", words[0], number_format_at(formats[f])->name, number,
                         words[f + 1]);
        }
        count++;
    }
    assert_int_equal(count, 836);
    fclose(file);
}

/* Every number of a format stays, and so do the numbers beyond it. */
static void numbers_of_a_format_stay(void **state)
{
    (void)state;
    for (int f = 0; f < STABILITY_FORMAT_COUNT; f++) {
        const struct number_format *format = number_format_at((enum stability_format)f);
        int steps = format->least_normal - format->least_subnormal < 3 ? 4 : 8;
        for (int exponent = format->least_normal; exponent < ilogb(format->greatest); exponent++)
            for (int k = 0; k < steps; k++) {
                double number = ldexp(1 + (double)k / steps, exponent), rounded = -number;
                formats_round(&rounded, 1, (enum stability_format)f);
                assert_true(same_bits(rounded, -number));
            }
        double special[] = {ldexp(1, format->least_subnormal), format->greatest, -0.0, 1e308, INFINITY};
        formats_round(special, 5, (enum stability_format)f);
        assert_true(same_bits(special[0], ldexp(1, format->least_subnormal)));
        assert_true(same_bits(special[1], format->greatest));
        assert_true(same_bits(special[2], -0.0));
        for (int i = 3; i < 5; i++)
            assert_true(same_bits(special[i], format->has_infinity ? INFINITY : NAN));
    }
}

/* ---- runs in a format ---- */

static const struct stability_result *emulated(const struct stability_report *report, const char *format)
{
    const struct stability_result *member =
        stability_result_member(stability_result_member(report->analyses, "precision"), format);
    return stability_result_member(member, "emulated");
}

/* 300 * 300 is beyond float16, and 2^-14 * 2^-14 below it; 1 + 2^-9 needs more bits than bfloat16 has. */
static struct stability_report *products(const double input[2], size_t setting_count)
{
    static const struct stability_member off = {"emulate", {STABILITY_BOOLEAN, .boolean = false}};
    struct builder b = {0};
    builder_ask(&b, "precision", setting_count, &off);
    builder_data(&b, "input", SHAPE(1, 2), input);
    builder_data(&b, "target", SHAPE(1, 2), (double[]){0, 0});
    builder_layer(&b, "same", "Identity", NULL);
    builder_layer(&b, "square", "Square", NULL);
    builder_linear(&b, "fc", NULL, 2, 2);
    builder_weight(&b, "fc.weight", SHAPE(2, 2), (double[]){1, 0, 0, 1});
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    builder_free(&b);
    return report;
}

static void the_first_layer_that_diverges_is_named(void **state)
{
    (void)state;
    struct stability_report *report = products((double[]){300, 1}, 0);
    const struct stability_result *half = emulated(report, "float16");
    const struct stability_result *first = stability_result_member(half, "first_divergence");
    assert_string_equal(stability_result_member(first, "layer")->text, "square");
    assert_string_equal(stability_result_member(first, "pass")->text, "forward");
    assert_true(isinf(stability_result_member(first, "error")->number));
    const struct stability_result *single = emulated(report, "float32");
    assert_int_equal(stability_result_member(single, "first_divergence")->kind, STABILITY_RESULT_NULL);
    assert_within(stability_result_member(single, "loss_error")->number, 0, 0);
    stability_report_free(report);

    report = products((double[]){1 + 0x1p-9, 1}, 0);
    const struct stability_result *layer =
        stability_result_member(emulated(report, "bfloat16"), "layers")->children;
    double x = 1 + 0x1p-9;
    assert_close(stability_result_member(layer, "forward_error")->number, 0x1p-9 / sqrt(x * x + 1), 1e-12);
    stability_report_free(report);

    report = products((double[]){0x1p-7, 0x1p-7}, 0); /* gradients of 2^-13 and 2^-19 */
    first = stability_result_member(emulated(report, "float8_e4m3"), "first_divergence");
    assert_string_equal(stability_result_member(first, "layer")->text, "square");
    stability_report_free(report);
}

static void runs_are_only_made_when_asked_for(void **state)
{
    (void)state;
    struct stability_report *report = products((double[]){1, 1}, 1);
    assert_null(emulated(report, "float16"));
    stability_report_free(report);
}

/* ---- the analysis ---- */

static struct stability_report *small_gradients(int64_t exponent)
{
    struct builder b = {0};
    struct stability_member setting = {"loss_scale_exponent", {STABILITY_INTEGER, .integer = exponent}};
    builder_options(&b)->precision = STABILITY_PRECISION_FLOAT64;
    builder_ask(&b, "precision", 1, &setting);
    builder_data(&b, "input", SHAPE(1, 4), (double[]){100000, 0x1p-30, 1, 2});
    builder_data(&b, "target", SHAPE(1, 1), (double[]){-5});
    builder_linear(&b, "fc", NULL, 4, 1);
    builder_weight(&b, "fc.weight", SHAPE(1, 4), (double[]){0, 0, 0, 0});
    builder_loss(&b, "L1Loss", NULL);
    struct stability_report *report = builder_diagnose(&b);
    builder_free(&b);
    return report;
}

static const struct stability_result *gradient_of(const struct stability_report *report, const char *format)
{
    const struct stability_result *member =
        stability_result_member(stability_result_member(report->analyses, "precision"), format);
    const struct stability_result *loss = stability_result_member(member, "losses")->children;
    while (loss && !(strcmp(stability_result_member(loss, "tensor")->text, "weight") == 0 &&
                     stability_result_member(loss, "gradient")->boolean))
        loss = loss->next;
    return loss;
}

static double fraction(const struct stability_result *loss, const char *what)
{
    return stability_result_member(loss, what)->number;
}

static void a_scale_moves_gradients_alone(void **state)
{
    (void)state;
    struct stability_report *report = small_gradients(0);
    const struct stability_result *loss = gradient_of(report, "float16"); /* 1e5, 2^-30, 1 and 2 */
    assert_close(fraction(loss, "overflow"), 0.25, 0);
    assert_close(fraction(loss, "underflow"), 0.25, 0);
    assert_close(fraction(loss, "subnormal"), 0, 0);
    assert_null(gradient_of(report, "bfloat16"));
    const struct stability_result *member =
        stability_result_member(stability_result_member(report->analyses, "precision"), "float16");
    assert_int_equal(stability_result_member(member, "first_overflow")->kind, STABILITY_RESULT_NULL);
    const struct stability_result *scale = stability_result_member(member, "loss_scale");
    assert_int_equal(stability_result_member(scale, "loses_nothing")->kind, STABILITY_RESULT_NULL);
    assert_close(stability_result_member(scale, "best")->number, 0.5, 0);
    stability_report_free(report);
    report = small_gradients(20);
    loss = gradient_of(report, "float16");
    assert_close(fraction(loss, "overflow"), 0.75, 0);
    assert_close(fraction(loss, "underflow"), 0, 0);
    stability_report_free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_equal_those_of_casts),
        cmocka_unit_test(overflow_begins_where_rounding_takes_it),
        cmocka_unit_test(scales_reach_from_the_least_to_the_greatest),
        cmocka_unit_test(zeros_have_no_scale),
        cmocka_unit_test(rounding_equals_casts_bit_for_bit),
        cmocka_unit_test(numbers_of_a_format_stay),
        cmocka_unit_test(the_first_layer_that_diverges_is_named),
        cmocka_unit_test(runs_are_only_made_when_asked_for),
        cmocka_unit_test(a_scale_moves_gradients_alone),
    };
    return cmocka_run_group_tests_name("precision", tests, NULL, NULL);
}
