#include "server/input/number.h"

#include "server/input/digits.h"
#include "server/input/nearest.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So many decimal digits always fit into 64 bits. */
#define EXACT_DIGITS 19
/* With so many significant digits, and a last one that says whether others follow, the nearest float64 is
 * decided: a midpoint between two of them has at most 767. */
#define DECISIVE_DIGITS 770
/* Exponents are held within this; far beyond any float64, and far from overflow. */
#define EXPONENT_CLAMP ((int64_t)1 << 60)

/* significand * 10^exponent without its sign, where the digits run from `digits` to `digits_end`, a point
 * among them. */
struct decimal {
    uint64_t significand;
    int64_t exponent;
    const char *digits;
    const char *digits_end;
};

static uint64_t load_rest(const char *text, const char *end)
{
    char rest[8] = {0};
    for (int i = 0; i < 8 && text + i < end; i++) {
        rest[i] = text[i];
    }
    return load_word(rest);
}

/* load_word where bytes at and after `end` are not there, and read as 0. */
static inline uint64_t load_eight(const char *text, const char *end)
{
    return end - text >= 8 ? load_word(text) : load_rest(text, end);
}

/* Appends the digits at `text` to *significand (modulo 2^64) and returns the position after them. */
static const char *read_digits(const char *text, const char *end, uint64_t *significand)
{
    uint64_t values = digit_values(load_eight(text, end));
    uint64_t others = find_others(values);
    for (; others == 0; others = find_others(values)) {
        *significand = *significand * 100000000 + join_eight(values);
        text += 8;
        values = digit_values(load_eight(text, end));
    }
    int count = __builtin_ctzll(others) / 8;
    *significand = *significand * powers_of_ten[count] + join_digits(values, count);
    return text + count;
}

/* Adds what "e+12" at `text` says to *exponent; returns the position after it, which is not after a digit
 * where it has none. */
static const char *read_exponent(const char *text, const char *end, int64_t *exponent)
{
    text++;
    bool negative = text < end && *text == '-';
    if (text < end && (*text == '-' || *text == '+')) {
        text++;
    }
    int64_t value = 0;
    for (; text < end && is_digit(*text); text++) {
        if (value < EXPONENT_CLAMP / 10) {
            value = 10 * value + (*text - '0');
        }
    }
    *exponent += negative ? -value : value;
    return text;
}

/* round_to_nearest for any significand and exponent. */
static uint64_t round_decimal(uint64_t significand, int64_t exponent)
{
    if (significand == 0 || exponent < POWER_OF_FIVE_SMALLEST) {
        return 0;
    }
    if (exponent > POWER_OF_FIVE_LARGEST) {
        return INFINITE_BITS;
    }
    return round_to_nearest(significand, (int)exponent);
}

/* Gives the digits to strtod as an integer with an exponent: without a point, no locale can change its
 * meaning. The exponent is that of the last digit; as it took 19 digits to get here, it is small. */
static uint64_t round_slowly(const struct decimal *decimal)
{
    char text[DECISIVE_DIGITS + 32];
    size_t count = 0;
    int64_t exponent = decimal->exponent;
    bool more = false;
    for (const char *digit = decimal->digits; digit < decimal->digits_end; digit++) {
        if (*digit == '.' || (count == 0 && *digit == '0')) {
            continue;
        }
        if (count < DECISIVE_DIGITS) {
            text[count++] = *digit;
        } else {
            more = more || *digit != '0';
            exponent++;
        }
    }
    if (more) {
        text[count++] = '1';
        exponent--;
    }
    snprintf(text + count, sizeof text - count, "e%d", (int)exponent);
    double magnitude = strtod(text, NULL);
    uint64_t bits;
    memcpy(&bits, &magnitude, sizeof bits);
    return bits;
}

/* round_decimal for a number of `count` digits, more than EXACT_DIGITS, of which the significand had space
 * for the last ones only: where leading zeros alone made it so long, all is well; else the first 19 digits
 * decide, if they can. */
static uint64_t round_long(const struct decimal *decimal, int64_t count)
{
    const char *digit = decimal->digits;
    for (; digit < decimal->digits_end && (*digit == '0' || *digit == '.'); digit++) {
        count -= *digit == '0';
    }
    if (count <= EXACT_DIGITS) {
        return round_decimal(decimal->significand, decimal->exponent);
    }
    uint64_t significand = 0;
    for (int taken = 0; taken < EXACT_DIGITS; digit++) {
        if (*digit != '.') {
            significand = 10 * significand + (uint64_t)(*digit - '0');
            taken++;
        }
    }
    int64_t exponent = decimal->exponent + count - EXACT_DIGITS;
    while (digit < decimal->digits_end && (*digit == '.' || *digit == '0')) {
        digit++;
    }
    uint64_t bits = round_decimal(significand, exponent);
    bool truncated = digit < decimal->digits_end;
    return truncated && round_decimal(significand + 1, exponent) != bits ? round_slowly(decimal) : bits;
}

static const char *malformed(struct number *number, const char *where, const char *problem)
{
    number->kind = NUMBER_MALFORMED;
    number->problem = problem;
    return where;
}

const char *number_parse(const char *text, const char *end, struct number *number)
{
    struct decimal decimal = {0};
    bool negative = text < end && *text == '-';
    text += negative;
    decimal.digits = text;
    text = read_digits(text, end, &decimal.significand);
    int64_t count = text - decimal.digits;
    if (count == 0) {
        return malformed(number, text, "a number needs a digit here");
    }
    if (*decimal.digits == '0' && count > 1) {
        return malformed(number, decimal.digits + 1, "a number must not start with a superfluous 0");
    }
    bool integer = true;
    decimal.digits_end = text;
    if (text < end && *text == '.') {
        integer = false;
        const char *fraction = text + 1;
        text = read_digits(fraction, end, &decimal.significand);
        decimal.digits_end = text;
        decimal.exponent = fraction - text;
        count -= decimal.exponent;
        if (decimal.exponent == 0) {
            return malformed(number, text, "a decimal point needs a digit after it");
        }
    }
    if (text < end && (*text | 0x20) == 'e') {
        integer = false;
        text = read_exponent(text, end, &decimal.exponent);
        if (!is_digit(text[-1])) {
            return malformed(number, text, "an exponent needs a digit here");
        }
    }
    uint64_t bits = count > EXACT_DIGITS ? round_long(&decimal, count)
                                         : round_decimal(decimal.significand, decimal.exponent);
    bool negative_zero = negative && bits == 0;
    number->value = assemble(negative, bits);
    number->kind = integer && !negative_zero ? NUMBER_INTEGER : NUMBER_REAL;
    if (bits == INFINITE_BITS) {
        number->kind = NUMBER_TOO_LARGE;
    }
    return text;
}
