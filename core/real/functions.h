/* exp, expm1, log, log1p, softplus, the logistic function, tanh and erf for loops: inline and without
 * branches, so that a compiler turns a loop over them into vector instructions, which it does not do with
 * libm's. They are for wherever more than a few elements are computed: activations, losses, gates of
 * recurrent layers.
 *
 * Special values are IEEE's: NaN stays NaN, infinities and overflow give infinities or limits, results below
 * the normal range are rounded to subnormals, logarithms of negative numbers are NaN and that of 0 is
 * -Infinity. The polynomials are minimax fits that script/fit-functions prints; tests/core/test_functions.c
 * measures the errors, the greatest of which are below, in units in the last place:
 *
 *                exp   expm1  log   log1p  softplus  sigmoid  tanh  erf
 *     float32    1.05  1.30   0.85  0.85   1.70      2.40     2.30  1.55
 *     float64    1.05  1.70   0.85  0.85   1.70      2.45     2.35  1.50
 */
#ifndef REAL_FUNCTIONS_H
#define REAL_FUNCTIONS_H

#include "core/real/real.h"

#include <string.h>

#if REAL_BITS == 32
typedef uint32_t real_bits;
enum { REAL_FRACTION = 23, REAL_BIAS = 127 };
#define REAL_ROUNDER 0x1.8p23F          /* x + it - it is x rounded to an integer */
#define REAL_LOG2_HIGH 0x1.62e4p-1F     /* log 2 in so few bits that a product with an exponent is exact */
#define REAL_LOG2_LOW 0x1.7f7d1cp-20F   /* what is left of log 2 */
#define REAL_SQRT_HALF_BITS 0x3f3504f3U /* √(1/2) */
#else
typedef uint64_t real_bits;
enum { REAL_FRACTION = 52, REAL_BIAS = 1023 };
#define REAL_ROUNDER 0x1.8p52
#define REAL_LOG2_HIGH 0x1.62e42fefa3p-1
#define REAL_LOG2_LOW 0x1.3de6af278ece6p-42
#define REAL_SQRT_HALF_BITS 0x3fe6a09e667f3bcdU
#endif

static inline real_bits real_to_bits(real x)
{
    real_bits bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static inline real real_from_bits(real_bits bits)
{
    real x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* condition ? a : b. From the plain expression gcc makes branches, which it then tears apart and joins again
 * at up to half the speed; from masks it makes one blend, but not of float64 in SSE2. */
static inline real real_select(bool condition, real a, real b)
{
#if REAL_BITS == 32 || defined(__AVX2__)
    real_bits mask = condition ? ~(real_bits)0 : 0;
    return real_from_bits((real_to_bits(a) & mask) | (real_to_bits(b) & ~mask));
#else
    return condition ? a : b;
#endif
}

/* x kept within [low, high]; NaN stays NaN. */
static inline real real_clamp(real x, real low, real high)
{
    return real_select(x < low, low, real_select(x > high, high, x));
}

/* 2^exponent for the exponents of normal numbers, in two's complement. */
static inline real real_power_of_2(real_bits exponent)
{
    return real_from_bits((exponent + REAL_BIAS) << REAL_FRACTION);
}

/* coefficients[0] + coefficients[1] x + ..., as even(x²) + x odd(x²): two chains of multiplications that run
 * side by side. Up to 16 of them become straight code. */
__attribute__((always_inline)) static inline real real_polynomial(real x, const real *coefficients, int count)
{
    real z = x * x;
    real last = coefficients[count - 1], before = coefficients[count - 2];
    for (int i = count - 3; i > 0; i -= 2) {
        last = last * z + coefficients[i];
        before = before * z + coefficients[i - 1];
    }
    if (count % 2)
        return last * z + coefficients[0] + x * before;
    return before + x * last;
}
#define REAL_POLYNOMIAL(x, ...) \
    real_polynomial(x, (const real[]){__VA_ARGS__}, sizeof((const real[]){__VA_ARGS__}) / sizeof(real))

/* ---- exp and expm1: x = n log 2 + r with |r| <= log(2) / 2 */

struct real_exponent {
    real rest;       /* r */
    real_bits whole; /* n in two's complement */
};

/* For |x| below 2^20. */
static inline struct real_exponent real_reduce_exponent(real x)
{
    const real one_over_log2 = (real)0x1.71547652b82fep+0;
    real shifted = x * one_over_log2 + REAL_ROUNDER;
    real n = shifted - REAL_ROUNDER;
    return (struct real_exponent){(x - n * REAL_LOG2_HIGH) - n * REAL_LOG2_LOW,
                                  real_to_bits(shifted) - real_to_bits(REAL_ROUNDER)};
}

/* exp(r) - 1 - r = r² q(r) */
static inline real real_exp_curve(real r)
{
#if REAL_BITS == 32
    real q = REAL_POLYNOMIAL(r, 0.49999993413F, 0.16666520108F, 0.041668394211F, 0.0083687804112F,
                             0.0013814467059F);
#else
    real q = REAL_POLYNOMIAL(r, 0.50000000000000107209, 0.16666666666666410227, 0.041666666666529188892,
                             0.0083333333334956276547, 0.001388888894392259297, 0.00019841269504758217796,
                             0.000024801492762825413764, 2.7557587347817582941e-6, 2.7630378614518284928e-7,
                             2.4999963751831366651e-8);
#endif
    return r * r * q;
}

static inline real real_exp(real x)
{
    const real lowest = REAL_BITS == 32 ? -104 : -746; /* below it the result is 0 */
    const real highest = REAL_BITS == 32 ? 89 : 710;   /* above it infinite */
    x = real_clamp(x, lowest, highest);
    struct real_exponent e = real_reduce_exponent(x);
    /* 2^n as a product, since n goes beyond the normal range on both sides. */
    real_bits half = ((e.whole + 2 * REAL_BIAS) >> 1) - REAL_BIAS;
    return (1 + (e.rest + real_exp_curve(e.rest))) * real_power_of_2(half) * real_power_of_2(e.whole - half);
}

/* 2^n (1 + r + curve) - 1 for x below the overflow of exp; what is exact is added first. In halves, lest 2^n
 * overflows. */
static inline real real_expm1_within(real x)
{
    struct real_exponent e = real_reduce_exponent(x);
    real half_power = real_power_of_2(e.whole - 1);
    real line = half_power * e.rest + (half_power - (real)0.5);
    return 2 * (line + half_power * real_exp_curve(e.rest));
}

static inline real real_expm1(real x)
{
    const real lowest = REAL_BITS == 32 ? -20 : -40; /* below it the result is -1 */
    const real highest = REAL_BITS == 32 ? 89 : 710;
    return copysign(real_expm1_within(real_clamp(x, lowest, highest)), x);
}

/* ---- log and log1p: x = 2^e m with m in [√(1/2), √2) */

struct real_mantissa {
    real mantissa; /* m */
    real exponent; /* e */
};

/* For normal positive x. */
static inline struct real_mantissa real_split(real x)
{
    const real_bits one = (real_bits)REAL_BIAS << REAL_FRACTION;
    const real two_to_fraction = (real)((real_bits)1 << REAL_FRACTION);
    real_bits biased = (real_to_bits(x) - REAL_SQRT_HALF_BITS + one) >> REAL_FRACTION;
    return (struct real_mantissa){real_from_bits(real_to_bits(x) - (biased << REAL_FRACTION) + one),
                                  real_from_bits(real_to_bits(two_to_fraction) | biased) -
                                      (two_to_fraction + REAL_BIAS)};
}

/* log(2^e (1 + f)) + correction, where f is m - 1 and `correction` far below one unit in the last place of
 * the sum: with s = f / (2 + f), log(1 + f) = 2 s + s³ p(s²) = f - (f²/2 - s (f²/2 + s² p(s²))). */
static inline real real_log_of_split(real f, real e, real correction)
{
    real s = f / (2 + f);
    real z = s * s;
#if REAL_BITS == 32
    real p = REAL_POLYNOMIAL(z, 0.66666776717F, 0.39977495581F, 0.29873073234F);
#else
    real p = REAL_POLYNOMIAL(z, 0.66666666666667348959, 0.39999999999411090767, 0.28571428743262956088,
                             0.22222198475963329378, 0.18183569740789435073, 0.15313903225620146528,
                             0.14797507887340615643);
#endif
    real half_square = (real)0.5 * f * f;
    real low = s * (half_square + z * p) + (e * REAL_LOG2_LOW + correction);
    return e * REAL_LOG2_HIGH + (f - (half_square - low));
}

static inline real real_log(real x)
{
    const real scale = (real)((real_bits)1 << REAL_FRACTION); /* brings subnormal numbers into range */
    bool subnormal = x < REAL_MIN;
    struct real_mantissa split = real_split(real_select(subnormal, x * scale, x));
    real exponent = split.exponent - real_select(subnormal, REAL_FRACTION, 0);
    real result = real_log_of_split(split.mantissa - 1, exponent, 0);
    result = real_select(x == 0, -INFINITY, real_select(x == INFINITY, x, result));
    return real_select(x >= 0, result, NAN);
}

static inline real real_log1p(real x)
{
    real u = 1 + x;
    real lost = real_select(x < 1, x - (u - 1), 1 - (u - x)) / u; /* in rounding u, relative to it */
    struct real_mantissa split = real_split(u);
    bool near_1 = split.exponent == 0;
    real result = real_log_of_split(real_select(near_1, x, split.mantissa - 1), split.exponent,
                                    real_select(near_1, 0, lost));
    result = real_select(x == -1, -INFINITY, real_select(x == INFINITY, x, result));
    return real_select(x >= -1, copysign(result, x), NAN);
}

/* ---- made of them: softplus, the logistic function, tanh; erf, which is a polynomial around 0 */

/* log(1 + exp(x)), as max(x, 0) + log(1 + e) with e = exp(-|x|) in [0, 1]. */
static inline real real_softplus(real x)
{
    real e = real_exp(-fabs(x));
    bool above =
        e > (real)0.41421356237309504880; /* 1 + e is above √2: half of it is taken, and log 2 added */
    real f = real_select(above, (real)0.5 * e - (real)0.5, e);
    return real_select(x > 0, x, 0) + real_log_of_split(f, real_select(above, 1, 0), 0);
}

/* 1 / (1 + exp(-x)) */
static inline real real_sigmoid(real x)
{
    real e = real_exp(-fabs(x));
    return real_select(x < 0, e, 1) / (1 + e);
}

/* u / (u + 2) with u = exp(2 |x|) - 1: an error of u is never magnified. */
static inline real real_tanh(real x)
{
    const real highest = REAL_BITS == 32 ? 10 : 20; /* above it the result is 1 */
    real a = fabs(x);
    real u = real_expm1_within(2 * real_select(a > highest, highest, a));
    return copysign(u / (u + 2), x);
}

/* log erfc(a) for a in [1, 4] (float32) or [1, 6], by t = a - 1. */
static inline real real_log_erfc(real t)
{
#if REAL_BITS == 32
    return REAL_POLYNOMIAL(t, -1.8496055157F, -2.6389668798F, -0.84311760778F, -0.04150349717F,
                           0.00989545949F, -0.0018293825244F, 0.00018637902634F);
#else
    real high =
        REAL_POLYNOMIAL(t, -2.0587360795522494906e-6, 1.4203059310080808146e-7, 9.8061114358256097572e-8,
                        -5.2269273404963665762e-8, 1.4987380840796952116e-8, -2.8816404395027614767e-9,
                        3.709732552482956387e-10, -2.9068004249003631221e-11, 1.0496618530296881363e-12);
    real low = REAL_POLYNOMIAL(t, -1.8496055099332482552, -2.6389675142347885814, -0.84310725635865900079,
                               -0.041561098042182751141, 0.010033825378466209841, -0.0019779025941061049168,
                               0.00023732259108623387222, 0.000026277560948373886991,
                               -0.000027158472995887480421, 9.6079537924651625224e-6);
    real t2 = t * t, t4 = t2 * t2;
    return low + t4 * t4 * t2 * high;
#endif
}

static inline real real_erf(real x)
{
    const real highest = REAL_BITS == 32 ? 4 : 6; /* above it the result is 1 */
    real a = fabs(x);
    real z = x * x;
#if REAL_BITS == 32
    real p = REAL_POLYNOMIAL(z, 0.12837916591F, -0.37612627136F, 0.11283600178F, -0.026854444655F,
                             0.005189535462F, -0.00080208423713F, 7.8891231736e-5F);
#else
    real p = REAL_POLYNOMIAL(z, 0.12837916709551256679, -0.37612638903183546583, 0.1128379167094525177,
                             -0.026866170643276033039, 0.0052239776074222808194, -0.00085483259896533017648,
                             0.00012055295319533827159, -0.000014924744650395955158, 1.6447517575939737117e-6,
                             -1.6209175507756198747e-7, 1.3722975911848168359e-8, -7.8011904459987186011e-10);
#endif
    real outside = 1 - real_exp(real_log_erfc(real_select(a > highest, highest, a) - 1));
    return real_select(a < 1, x + x * p, copysign(outside, x));
}

/* ---- the standard normal distribution */

struct real_normal {
    real distribution; /* Φ(x), with an error below 2 REAL_EPSILON */
    real density;      /* φ(x) */
};

static inline struct real_normal real_normal(real x)
{
    const real density_at_0 = (real)0.39894228040143267794; /* 1/√(2π) */
    real e = real_exp((real)-0.5 * x * x);
#if REAL_BITS == 32
    real t = 1 / (1 + 0.23F * fabsf(x));
    real tail = e * t *
                REAL_POLYNOMIAL(t, 0.091828834929F, 0.090073106325F, 0.10169988499F, 0.010156636085F,
                                0.23834784419F, -0.22290057731F, 0.26386125294F, -0.073066989705F);
    real distribution = real_select(x < 0, tail, 1 - tail);
#else
    real distribution = 0.5 * (1 + real_erf(x * 0.70710678118654752440));
#endif
    return (struct real_normal){distribution, density_at_0 * e};
}

#endif
