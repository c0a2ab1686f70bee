/* Decimal to the nearest float64, by a product of 64 and 128 bits. D. Lemire, "Number parsing at a gigabyte
 * per second", Software: Practice and Experience 51 (2021); N. Mushtak, D. Lemire, "Fast number parsing
 * without fallback" (2022). */
#ifndef SERVER_INPUT_NEAREST_H
#define SERVER_INPUT_NEAREST_H

#include "server/input/powers_of_five.h"

#include <stdbool.h>
#include <string.h>

/* A float64 has 52 explicit bits of significand, and its exponent is biased by 1023. */
#define FRACTION_BITS 52
#define EXPONENT_BIAS 1023
#define INFINITE_EXPONENT 0x7ff
#define INFINITE_BITS ((uint64_t)INFINITE_EXPONENT << FRACTION_BITS)

/* The float64 of these bits and sign. */
static inline double assemble(bool negative, uint64_t magnitude)
{
    uint64_t bits = (uint64_t)negative << 63 | magnitude;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The product of a normalised significand and 5^exponent: its high 64 bits, and the 64 below them in *low,
 * which are taken into account only where the high ones would not decide the rounding. */
static inline uint64_t scale(uint64_t significand, const struct power_of_five *power, uint64_t *low)
{
    unsigned __int128 product = (unsigned __int128)significand * power->high;
    uint64_t high = (uint64_t)(product >> 64);
    *low = (uint64_t)product;
    uint64_t below_rounding = UINT64_MAX >> (FRACTION_BITS + 3);
    if ((high & below_rounding) == below_rounding) {
        uint64_t correction = (uint64_t)(((unsigned __int128)significand * power->low) >> 64);
        *low += correction;
        high += *low < correction;
    }
    return high;
}

/* The bits of significand * 10^exponent without its sign, rounded to nearest, ties to even; for an exponent
 * in the range of the table and a significand other than 0. That 128 bits of 5^exponent always decide is what
 * Mushtak and Lemire proved. */
static inline uint64_t round_to_nearest(uint64_t significand, int exponent)
{
    int zeros = __builtin_clzll(significand);
    uint64_t low;
    uint64_t high = scale(significand << zeros, &powers_of_five[exponent - POWER_OF_FIVE_SMALLEST], &low);
    int top = (int)(high >> 63);
    int shift = top + 64 - FRACTION_BITS - 3;
    uint64_t fraction = high >> shift; /* 53 bits and one for rounding */
    /* floor(log2(10^exponent)) = floor(exponent * 217706 / 2^16) in this range. */
    int binary_exponent = ((217706 * exponent) >> 16) + 63 + top - zeros + EXPONENT_BIAS;
    if (binary_exponent >= INFINITE_EXPONENT) {
        return INFINITE_BITS;
    }
    if (binary_exponent <= 0) {
        int deficit = 1 - binary_exponent;
        fraction = deficit >= 64 ? 0 : fraction >> deficit;
        return (fraction + (fraction & 1)) >> 1; /* a carry makes it the smallest normal number by itself */
    }
    /* Only there can nothing follow 54 bits: 5^23 has 54 bits itself, and 5^5 times 54 bits more than 64. */
    bool tie =
        low == 0 && exponent >= -4 && exponent <= 23 && (fraction & 3) == 1 && fraction << shift == high;
    fraction = tie ? fraction >> 1 : (fraction + (fraction & 1)) >> 1;
    /* The implicit bit adds one to the exponent, and so does a carry out of the significand. */
    return ((uint64_t)(binary_exponent - 1) << FRACTION_BITS) + fraction;
}

#endif
