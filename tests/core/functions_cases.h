/* Tests of core/real/functions.h in the precision of REAL_BITS, which the including file defines. */
#include "core/real/functions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static long double sigmoid_reference(long double x)
{
    return 1 / (1 + expl(-x));
}

static long double softplus_reference(long double x)
{
    return (x > 0 ? x : 0) + log1pl(expl(-fabsl(x)));
}

#if REAL_BITS == 32
#define EXP_LOW -103
#define EXP_HIGH 88.7
#else
#define EXP_LOW -745
#define EXP_HIGH 709.7
#endif

static const struct function {
    const char *name;
    real (*function)(real x);
    long double (*reference)(long double x);
    double bound; /* of the error, in units in the last place; with and without fused multiply-add */
    double low;   /* where the result is neither 0 nor infinite */
    double high;
} functions[] = {
    {"exp", real_exp, expl, 1.1, EXP_LOW, EXP_HIGH},
    {"expm1", real_expm1, expm1l, 1.75, EXP_LOW, EXP_HIGH},
    {"log", real_log, logl, 0.9, 0, (double)REAL_MAX},
    {"log1p", real_log1p, log1pl, 0.9, -0.999, (double)REAL_MAX},
    {"softplus", real_softplus, softplus_reference, 1.75, EXP_LOW, EXP_HIGH},
    {"sigmoid", real_sigmoid, sigmoid_reference, 2.5, EXP_LOW, EXP_HIGH},
    {"tanh", real_tanh, tanhl, 2.4, -100, 100},
    {"erf", real_erf, erfl, 1.6, -10, 10},
};
enum { FUNCTION_COUNT = sizeof(functions) / sizeof(functions[0]), POINTS = 200000 };

static bool is_precise(void)
{
    volatile long double one = 1;
    return REAL_BITS == 32 || one + LDBL_EPSILON > one; /* not under valgrind */
}

/* |got - expected| in units in the last place of what a real can hold next to `expected`. */
static double error_of(real got, long double expected)
{
    int exponent;
    frexpl(expected == 0 ? (long double)REAL_MIN : expected, &exponent);
    exponent -= REAL_FRACTION + 1;
    int least = 1 - REAL_BIAS - REAL_FRACTION;
    return (double)fabsl(ldexpl((long double)got - expected, exponent < least ? -least : -exponent));
}

static uint64_t next_bits(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state ^ *state >> 33;
}

/* In turn even over the whole range, over what is near 0 or 1, and over all exponents. */
static real draw(const struct function *function, int index, uint64_t *state)
{
    double u = (double)(next_bits(state) >> 11) * 0x1p-53;
    double x = function->low + u * (function->high - function->low);
    if (index % 3 == 1)
        x = 4 * u - 2;
    if (index % 3 == 2)
        x = (double)real_from_bits((real_bits)next_bits(state));
    return (real)(x >= function->low && x <= function->high ? x : u);
}

static void errors_are_bounded(void **unused)
{
    (void)unused;
    if (!is_precise())
        skip();
    for (int f = 0; f < FUNCTION_COUNT; f++) {
        uint64_t state = 1;
        double worst = 0;
        real at = 0;
        for (int i = 0; i < POINTS; i++) {
            real x = draw(&functions[f], i, &state);
            double error = error_of(functions[f].function(x), functions[f].reference((long double)x));
            if (!(error <= worst)) {
                worst = error;
                at = x;
            }
        }
        print_message("%-8s %.2f units in the last place, at %a\n", functions[f].name, worst, (double)at);
        assert_true(worst <= functions[f].bound);
    }
}

static bool is_same(real a, real b)
{
    return isnan(b) ? isnan(a) : a == b && !signbit(a) == !signbit(b);
}

static void special_values(void **unused)
{
    (void)unused;
    const real zero = 0, half = (real)0.5, infinity = INFINITY;
    const struct {
        const char *name;
        real (*function)(real x);
        real x;
        real expected;
    } cases[] = {
        {"exp", real_exp, zero, 1},
        {"exp", real_exp, infinity, infinity},
        {"exp", real_exp, REAL_MAX, infinity},
        {"exp", real_exp, -infinity, 0},
        {"exp", real_exp, -REAL_MAX, 0},
        {"expm1", real_expm1, zero, 0},
        {"expm1", real_expm1, -zero, -zero},
        {"expm1", real_expm1, REAL_MIN / 2, REAL_MIN / 2},
        {"expm1", real_expm1, infinity, infinity},
        {"expm1", real_expm1, REAL_MAX, infinity},
        {"expm1", real_expm1, -infinity, -1},
        {"expm1", real_expm1, -REAL_MAX, -1},
        {"log", real_log, 1, 0},
        {"log", real_log, zero, -infinity},
        {"log", real_log, -zero, -infinity},
        {"log", real_log, infinity, infinity},
        {"log", real_log, -1, NAN},
        {"log", real_log, -infinity, NAN},
        {"log1p", real_log1p, zero, 0},
        {"log1p", real_log1p, -zero, -zero},
        {"log1p", real_log1p, REAL_MIN / 2, REAL_MIN / 2},
        {"log1p", real_log1p, -1, -infinity},
        {"log1p", real_log1p, infinity, infinity},
        {"log1p", real_log1p, -2, NAN},
        {"log1p", real_log1p, -infinity, NAN},
        {"tanh", real_tanh, zero, 0},
        {"tanh", real_tanh, -zero, -zero},
        {"tanh", real_tanh, infinity, 1},
        {"tanh", real_tanh, -REAL_MAX, -1},
        {"softplus", real_softplus, infinity, infinity},
        {"softplus", real_softplus, REAL_MAX, REAL_MAX},
        {"softplus", real_softplus, -infinity, 0},
        {"softplus", real_softplus, -REAL_MAX, 0},
        {"sigmoid", real_sigmoid, zero, half},
        {"sigmoid", real_sigmoid, infinity, 1},
        {"sigmoid", real_sigmoid, REAL_MAX, 1},
        {"sigmoid", real_sigmoid, -infinity, 0},
        {"sigmoid", real_sigmoid, -REAL_MAX, 0},
        {"erf", real_erf, zero, 0},
        {"erf", real_erf, -zero, -zero},
        {"erf", real_erf, infinity, 1},
        {"erf", real_erf, -REAL_MAX, -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        real got = cases[i].function(cases[i].x);
        if (!is_same(got, cases[i].expected))
            fail_msg("%s(%g) is %g, not %g", cases[i].name, (double)cases[i].x, (double)got,
                     (double)cases[i].expected);
    }
    for (int f = 0; f < FUNCTION_COUNT; f++)
        assert_true(isnan(functions[f].function(NAN)));
}

static void normal_distribution(void **unused)
{
    (void)unused;
    if (!is_precise())
        skip();
    const long double root = sqrtl(0.5L), density_at_0 = 0.39894228040143267793994605993438L;
    for (int i = -20000; i <= 20000; i++) {
        real x = (real)i / 2000;
        struct real_normal normal = real_normal(x);
        long double distribution = erfcl(-(long double)x * root) / 2;
        long double density = density_at_0 * expl(-(long double)x * (long double)x / 2);
        assert_true(fabsl((long double)normal.distribution - distribution) <= 2 * (long double)REAL_EPSILON);
        assert_true(fabsl((long double)normal.density - density) <= (long double)REAL_EPSILON);
    }
    assert_true(real_normal(INFINITY).distribution == 1 && real_normal(INFINITY).density == 0);
    assert_true(real_normal(-INFINITY).distribution == 0 && real_normal(-INFINITY).density == 0);
    assert_true(isnan(real_normal(NAN).distribution) && isnan(real_normal(NAN).density));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_bounded),
        cmocka_unit_test(special_values),
        cmocka_unit_test(normal_distribution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
