#include "support.h"

#include "core/kernels.h"
#include "core/random.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 30000 };

/* The variants that are built everywhere; kernels_for gives the fastest for this processor. */
statistics_function statistics_float32_baseline, statistics_float64_baseline;

struct sample {
    int64_t count;
    double values[MOST];
    float narrow[MOST];
};

static struct sample *sample;

/* Sums with the rounding errors carried along (Neumaier). */
struct sum {
    double value;
    double error;
};

static void add(struct sum *sum, double term)
{
    double value = sum->value + term;
    sum->error += fabs(sum->value) >= fabs(term) ? (sum->value - value) + term : (term - value) + sum->value;
    sum->value = value;
}

/* Two passes over the finite elements, scaled so that no square overflows or underflows. */
static struct stability_moments expected_moments(const double *values, int64_t count)
{
    struct stability_moments moments = {.min = INFINITY, .max = -INFINITY};
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            continue;
        moments.count++;
        moments.min = fmin(moments.min, values[i]);
        moments.max = fmax(moments.max, values[i]);
    }
    moments.abs_max = fmax(fabs(moments.min), fabs(moments.max));
    int scale = moments.abs_max > 0 ? ilogb(moments.abs_max) : 0;
    double size = (double)moments.count;
    struct sum sum = {0}, squares = {0}, deviations = {0};
    for (int64_t i = 0; i < count; i++)
        if (isfinite(values[i])) {
            double scaled = ldexp(values[i], -scale);
            add(&sum, scaled);
            add(&squares, scaled * scaled);
        }
    double mean = (sum.value + sum.error) / size;
    for (int64_t i = 0; i < count; i++)
        if (isfinite(values[i])) {
            double deviation = ldexp(values[i], -scale) - mean;
            add(&deviations, deviation * deviation);
        }
    double variance = (deviations.value + deviations.error) / size;
    moments.mean = ldexp(mean, scale);
    moments.variance = ldexp(variance, 2 * scale);
    moments.std = ldexp(sqrt(variance), scale);
    moments.norm = ldexp(sqrt(squares.value + squares.error), scale);
    moments.rms = ldexp(sqrt((squares.value + squares.error) / size), scale);
    return moments;
}

static void moments_are(const struct stability_moments *actual, const struct stability_moments *expected)
{
    assert_int_equal(actual->count, expected->count);
    assert_within(actual->mean, expected->mean, 1e-14 * expected->rms);
    assert_close(actual->variance, expected->variance, 1e-11);
    assert_close(actual->std, expected->std, 1e-11);
    assert_close(actual->min, expected->min, 0);
    assert_close(actual->max, expected->max, 0);
    assert_close(actual->abs_max, expected->abs_max, 0);
    assert_close(actual->norm, expected->norm, 1e-13);
    assert_close(actual->rms, expected->rms, 1e-13);
}

static void counts_are(const struct stability_statistics *actual, const double *values, int64_t count,
                       double normal)
{
    int64_t zeros = 0, nans = 0, infinities = 0, subnormals = 0;
    int64_t exponents[STABILITY_EXPONENT_COUNT] = {0};
    for (int64_t i = 0; i < count; i++) {
        zeros += values[i] == 0;
        nans += isnan(values[i]);
        infinities += !!isinf(values[i]);
        subnormals += values[i] != 0 && fabs(values[i]) < normal;
        if (values[i] == 0 || !isfinite(values[i]))
            continue;
        int bin = ilogb(values[i]) - STABILITY_EXPONENT_MIN;
        exponents[bin < 0 ? 0 : bin < STABILITY_EXPONENT_COUNT ? bin : STABILITY_EXPONENT_COUNT - 1]++;
    }
    assert_int_equal(actual->zero_count, zeros);
    assert_int_equal(actual->nan_count, nans);
    assert_int_equal(actual->inf_count, infinities);
    assert_int_equal(actual->subnormal_count, subnormals);
    assert_memory_equal(actual->exponents, exponents, sizeof exponents);
}

static void check_variant(statistics_function *statistics, const void *data, const double *values,
                          double normal)
{
    struct stability_statistics actual;
    memset(&actual, 0xA5, sizeof actual);
    statistics(data, sample->count, &actual);
    struct stability_moments expected = expected_moments(values, sample->count);
    moments_are(&actual.finite, &expected);
    counts_are(&actual, values, sample->count, normal);
    assert_int_equal(actual.all.count, sample->count);
    if (actual.nan_count + actual.inf_count == 0)
        assert_memory_equal(&actual.all, &actual.finite, sizeof actual.all);
}

/* The sample in both precisions and all variants. */
static void check_sample(void)
{
    static double rounded[MOST];
    check_variant(statistics_float64_baseline, sample->values, sample->values, DBL_MIN);
    check_variant(kernels_for(STABILITY_PRECISION_FLOAT64)->statistics, sample->values, sample->values,
                  DBL_MIN);
    for (int64_t i = 0; i < sample->count; i++) {
        sample->narrow[i] = (float)sample->values[i];
        rounded[i] = (double)sample->narrow[i];
    }
    check_variant(statistics_float32_baseline, sample->narrow, rounded, (double)FLT_MIN);
    check_variant(kernels_for(STABILITY_PRECISION_FLOAT32)->statistics, sample->narrow, rounded,
                  (double)FLT_MIN);
}

static void draw_normal(int64_t count, double mean, double std)
{
    sample->count = count;
    random_normal(random_stream(5, "statistics"), 0, (size_t)count, sample->values);
    for (int64_t i = 0; i < count; i++)
        sample->values[i] = mean + std * sample->values[i];
}

static void any_length(void **state)
{
    (void)state;
    for (int64_t count = 1; count < 150; count++) {
        draw_normal(count, 0.3, 1);
        check_sample();
    }
    static const int64_t around_blocks[] = {2015, 2016, 2017, 4031, 4032, 4033, 8064, 12097, MOST};
    for (size_t i = 0; i < sizeof around_blocks / sizeof *around_blocks; i++) {
        draw_normal(around_blocks[i], 0.3, 1);
        check_sample();
    }
}

static void unaligned_data(void **state)
{
    (void)state;
    draw_normal(5000, 0, 1);
    memmove(sample->values, sample->values + 1, 4999 * sizeof *sample->values);
    sample->count = 4999;
    struct stability_statistics actual;
    kernels_for(STABILITY_PRECISION_FLOAT64)->statistics(sample->values + 3, 4990, &actual);
    struct stability_moments expected = expected_moments(sample->values + 3, 4990);
    moments_are(&actual.finite, &expected);
}

static void an_empty_tensor(void **state)
{
    (void)state;
    struct stability_statistics actual;
    statistics_float32_baseline(NULL, 0, &actual);
    assert_int_equal(actual.all.count, 0);
    assert_true(isnan(actual.all.mean) && isnan(actual.all.variance) && isnan(actual.all.std));
    assert_true(isnan(actual.all.min) && isnan(actual.all.max) && isnan(actual.all.rms));
    assert_true(actual.all.norm == 0);
}

static void signs_and_zeros(void **state)
{
    (void)state;
    for (int kind = 0; kind < 6; kind++) {
        draw_normal(9001, 0, 1);
        for (int64_t i = 0; i < sample->count; i++) {
            double x = sample->values[i];
            double zero = i % 2 ? 0.0 : -0.0;
            const double kinds[] = {fabs(x), -fabs(x), fmax(x, 0), fmin(x, 0), zero, i == 8999 ? x : zero};
            sample->values[i] = kinds[kind];
        }
        check_sample();
    }
    struct stability_statistics actual;
    const double negative_zero[] = {-0.0, -0.0};
    statistics_float64_baseline(negative_zero, 2, &actual);
    assert_false(signbit(actual.all.min) || signbit(actual.all.max) || signbit(actual.all.mean));
}

static void every_exponent(void **state)
{
    (void)state;
    /* Wide ranges, where comparing with each exponent would be slow; subnormals; more than the bins' range.
     */
    static const double spreads[] = {1, 4, 10, 25, 60, 200};
    for (size_t k = 0; k < sizeof spreads / sizeof *spreads; k++) {
        draw_normal(12000, 0, spreads[k]);
        for (int64_t i = 0; i < sample->count; i++)
            sample->values[i] = (i % 3 ? 1 : -1) * exp(fmin(fmax(sample->values[i], -740), 87));
        check_sample();
    }
    sample->count = 0;
    for (int exponent = -1074; exponent <= 1023; exponent++)
        sample->values[sample->count++] = ldexp(1.5, exponent < -1022 ? exponent + 1 : exponent);
    check_variant(statistics_float64_baseline, sample->values, sample->values, DBL_MIN);
    check_variant(kernels_for(STABILITY_PRECISION_FLOAT64)->statistics, sample->values, sample->values,
                  DBL_MIN);
    sample->count = 0;
    for (int exponent = -149; exponent <= 127; exponent++)
        sample->values[sample->count++] = ldexp(1, exponent);
    check_sample();
}

static void a_large_mean_does_not_cancel(void **state)
{
    (void)state;
    draw_normal(20000, 1e8, 1e-3);
    check_variant(statistics_float64_baseline, sample->values, sample->values, DBL_MIN);
    draw_normal(20000, -1000, 0.25);
    check_sample();
    for (int64_t i = 0; i < sample->count; i++)
        sample->values[i] = i == 0 ? 1e6 : i < 9000 ? 3 : -5e5 + 1e-3 * (double)i;
    check_sample();
}

static void a_constant_has_no_variance(void **state)
{
    (void)state;
    sample->count = 10001;
    for (int64_t i = 0; i < sample->count; i++)
        sample->values[i] = (double)0.1f;
    check_sample();
    struct stability_statistics actual;
    statistics_float64_baseline(sample->values, sample->count, &actual);
    assert_true(actual.all.variance == 0 && actual.all.mean == (double)0.1f);
}

static void squares_neither_overflow_nor_vanish(void **state)
{
    (void)state;
    static const double scales[] = {1e300, 1e-300, 1e160, 1e-160, 5e-320, 1e307};
    for (size_t k = 0; k < sizeof scales / sizeof *scales; k++) {
        draw_normal(9000, 0.5, 1);
        for (int64_t i = 0; i < sample->count; i++)
            sample->values[i] *= scales[k];
        check_variant(statistics_float64_baseline, sample->values, sample->values, DBL_MIN);
    }
    /* Blocks of scales far apart, in either order. */
    for (int order = 0; order < 2; order++) {
        draw_normal(9000, 0.5, 1);
        for (int64_t i = 0; i < sample->count; i++)
            sample->values[i] *= (i < 4500) == order ? 1e250 : i % 2 ? 1 : 1e-250;
        check_variant(statistics_float64_baseline, sample->values, sample->values, DBL_MIN);
    }
    const double greatest[] = {DBL_MAX, DBL_MAX, -DBL_MAX};
    struct stability_statistics actual;
    statistics_float64_baseline(greatest, 3, &actual);
    assert_close(actual.all.mean, DBL_MAX / 3, 1e-15);
    assert_close(actual.all.rms, DBL_MAX, 1e-15);
    assert_true(isinf(actual.all.norm) && isinf(actual.all.variance));
    assert_close(actual.all.std, DBL_MAX * sqrt(8.0 / 9), 1e-15);
}

static void non_finite_elements_stand_apart(void **state)
{
    (void)state;
    static const double guests[] = {NAN, INFINITY, -INFINITY};
    for (int kind = 1; kind < 8; kind++) /* which of the three are there */
        for (int64_t period = 1; period < 5000; period = 3 * period + 1) {
            draw_normal(9000, 0.3, 1);
            for (int64_t i = period / 2; i < sample->count; i += period) {
                int guest = (int)(i / period % 3);
                if (kind >> guest & 1)
                    sample->values[i] = guests[guest];
            }
            if (period > 1)
                check_sample();
        }
}

/* Where most of a block or all of it is not finite; zeros, subnormals and a mean far from 0 between. */
static void what_is_not_finite_leaves_no_trace(void **state)
{
    (void)state;
    static const double means[] = {0, 0.3, -1000, 5e-320, 1e-42, 1e300, 1e-250};
    for (size_t k = 0; k < sizeof means / sizeof *means; k++)
        for (int holes = 0; holes < 6; holes++) {
            draw_normal(20000, means[k], fabs(means[k]) / 7);
            for (int64_t i = 0; i < sample->count; i++) {
                const bool hole[] = {i < 4032,   i % 4032 != 17,        i >= 4032 && i < 12000,
                                     i != 10000, i / 2016 % 2 && i % 5, i % 1000 == 7};
                sample->values[i] = hole[holes] ? (i % 7 ? NAN : -INFINITY) : sample->values[i];
            }
            if (fabs(means[k]) < 1e38)
                check_sample();
            check_variant(statistics_float64_baseline, sample->values, sample->values, DBL_MIN);
        }
}

static struct stability_statistics statistics_of(const float *values, int64_t count)
{
    struct stability_statistics statistics;
    statistics_float32_baseline(values, count, &statistics);
    return statistics;
}

/* As PyTorch's mean, var, min, max, norm over the same elements. */
static void all_moments_follow_the_arithmetic(void **state)
{
    (void)state;
    const float nan[] = {1, NAN, INFINITY};
    struct stability_statistics s = statistics_of(nan, 3);
    assert_int_equal(s.all.count, 3);
    assert_true(isnan(s.all.mean) && isnan(s.all.variance) && isnan(s.all.std) && isnan(s.all.min) &&
                isnan(s.all.max) && isnan(s.all.abs_max) && isnan(s.all.norm) && isnan(s.all.rms));
    assert_true(s.finite.count == 1 && s.finite.mean == 1 && s.finite.variance == 0 && s.finite.norm == 1);

    const float positive[] = {1, INFINITY, -2};
    s = statistics_of(positive, 3);
    assert_true(s.all.mean == INFINITY && isnan(s.all.variance) && isnan(s.all.std) && s.all.min == -2);
    assert_true(s.all.max == INFINITY && s.all.abs_max == INFINITY && s.all.norm == INFINITY);
    assert_true(s.all.rms == INFINITY && s.finite.count == 2 && s.finite.mean == -0.5);

    const float negative[] = {-INFINITY, 4};
    s = statistics_of(negative, 2);
    assert_true(s.all.mean == -INFINITY && s.all.min == -INFINITY && s.all.max == 4);
    assert_true(s.all.abs_max == INFINITY);

    const float both[] = {-INFINITY, INFINITY};
    s = statistics_of(both, 2);
    assert_true(isnan(s.all.mean) && s.all.min == -INFINITY && s.all.max == INFINITY && s.inf_count == 2);
    assert_true(s.finite.count == 0 && isnan(s.finite.mean) && s.finite.norm == 0);

    const float only[] = {INFINITY};
    s = statistics_of(only, 1);
    assert_true(s.all.mean == INFINITY && s.all.min == INFINITY && s.all.max == INFINITY);
}

static int set_up(void **state)
{
    (void)state;
    sample = malloc(sizeof *sample);
    return sample ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    free(sample);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_length),
        cmocka_unit_test(unaligned_data),
        cmocka_unit_test(an_empty_tensor),
        cmocka_unit_test(signs_and_zeros),
        cmocka_unit_test(every_exponent),
        cmocka_unit_test(a_large_mean_does_not_cancel),
        cmocka_unit_test(a_constant_has_no_variance),
        cmocka_unit_test(squares_neither_overflow_nor_vanish),
        cmocka_unit_test(non_finite_elements_stand_apart),
        cmocka_unit_test(what_is_not_finite_leaves_no_trace),
        cmocka_unit_test(all_moments_follow_the_arithmetic),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
