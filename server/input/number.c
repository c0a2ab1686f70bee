#include "server/input/number.h"

#include "server/input/powers_of_five.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <stdio.h>

/* A float64 has 52 explicit bits of significand, and its exponent is biased by 1023. */
#define FRACTION_BITS 52
#define EXPONENT_BIAS 1023
#define INFINITE_BITS (UINT64_C(0x7ff) << FRACTION_BITS)
/* So many decimal digits always fit into 64 bits. */
#define EXACT_DIGITS 19
/* With so many significant digits, and a last one that says whether others follow, the nearest float64 is
 * decided: a midpoint between two of them has at most 767. */
#define DECISIVE_DIGITS 770
/* Exponents are held within this; far beyond any float64, and far from overflow. */
#define EXPONENT_CLAMP ((int64_t)1 << 60)

/* significand * 10^exponent, where the digits ran from `digits` to `digits_end`, a point among them. */
struct decimal {
    uint64_t significand;
    int64_t exponent;
    bool negative;
    bool truncated; /* non-zero digits were left out of the significand */
    const char *digits;
    const char *digits_end;
};

static bool is_digit(char character)
{
    return (unsigned char)(character - '0') <= 9;
}

/* The first byte is the lowest, whatever the machine; bytes at and after `end` read as 0. */
static uint64_t load_eight(const char *text, const char *end)
{
    uint64_t bytes = 0;
    if (end - text >= 8) {
        memcpy(&bytes, text, 8);
    } else if (text < end) {
        memcpy(&bytes, text, (size_t)(end - text));
    }
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bytes = __builtin_bswap64(bytes);
#endif
    return bytes;
}

/* Eight digit values (0 to 9), the most significant one in the lowest byte, become their number: neighbours
 * are joined pairwise, then the pairs, then the fours. */
static uint64_t join_eight(uint64_t digits)
{
    digits = (digits * (10 << 8 | 1)) >> 8 & 0x00ff00ff00ff00ff;
    digits = (digits * (100 << 16 | 1)) >> 16 & 0x0000ffff0000ffff;
    return (digits * (UINT64_C(10000) << 32 | 1)) >> 32;
}

/* Appends the digits at `text` to *significand (modulo 2^64) and returns the position after them. */
static const char *read_digits(const char *text, const char *end, uint64_t *significand)
{
    static const uint64_t powers_of_ten[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    for (;;) {
        uint64_t values = load_eight(text, end) ^ 0x3030303030303030;
        uint64_t others =
            (((values & 0x7f7f7f7f7f7f7f7f) + 0x7676767676767676) | values) & 0x8080808080808080;
        if (others != 0) {
            int count = __builtin_ctzll(others) / 8;
            /* The digits move to the top, so that zeros come before them; twice, as a shift by 64 is
             * undefined. */
            uint64_t aligned = values << (32 - 4 * count) << (32 - 4 * count);
            *significand = *significand * powers_of_ten[count] + join_eight(aligned);
            return text + count;
        }
        *significand = *significand * 100000000 + join_eight(values);
        text += 8;
    }
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

static double assemble(bool negative, uint64_t magnitude)
{
    uint64_t bits = (uint64_t)negative << 63 | magnitude;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The product of a normalised significand and 5^exponent: its high 64 bits, and the 64 below them in *low,
 * which are taken into account only where the high ones would not decide the rounding. */
static uint64_t scale(uint64_t significand, const struct power_of_five *power, uint64_t *low)
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
static uint64_t round_to_nearest(uint64_t significand, int exponent)
{
    int zeros = __builtin_clzll(significand);
    uint64_t low;
    uint64_t high = scale(significand << zeros, &powers_of_five[exponent - POWER_OF_FIVE_SMALLEST], &low);
    int top = (int)(high >> 63);
    int shift = top + 64 - FRACTION_BITS - 3;
    uint64_t fraction = high >> shift; /* 53 bits and one for rounding */
    /* floor(log2(10^exponent)) = floor(exponent * 217706 / 2^16) in this range. */
    int binary_exponent = ((217706 * exponent) >> 16) + 63 + top - zeros + EXPONENT_BIAS;
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
    uint64_t bits = ((uint64_t)(binary_exponent - 1) << FRACTION_BITS) + fraction;
    return bits < INFINITE_BITS ? bits : INFINITE_BITS;
}

/* The same for any significand and exponent. */
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
 * meaning. decimal->exponent is that of the last digit; as it took 19 digits to get here, it is small. */
static double round_slowly(const struct decimal *decimal)
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
    return decimal->negative ? -magnitude : magnitude;
}

/* For a number of more than EXACT_DIGITS digits, of which the significand had space for the last ones only:
 * where leading zeros alone made it so long, all is well; else the significand becomes the first 19 digits.
 */
static void shorten(struct decimal *decimal, int64_t count)
{
    const char *digit = decimal->digits;
    for (; digit < decimal->digits_end && (*digit == '0' || *digit == '.'); digit++) {
        count -= *digit == '0';
    }
    if (count <= EXACT_DIGITS) {
        return;
    }
    decimal->significand = 0;
    for (int taken = 0; taken < EXACT_DIGITS; digit++) {
        if (*digit != '.') {
            decimal->significand = 10 * decimal->significand + (uint64_t)(*digit - '0');
            taken++;
        }
    }
    decimal->exponent += count - EXACT_DIGITS;
    for (; digit < decimal->digits_end && !decimal->truncated; digit++) {
        decimal->truncated = *digit != '.' && *digit != '0';
    }
}

static double convert(struct decimal *decimal, int64_t count)
{
    if (decimal->exponent == 0 && count <= EXACT_DIGITS) {
        double magnitude = (double)decimal->significand;
        return decimal->negative ? -magnitude : magnitude;
    }
    struct decimal given = *decimal;
    if (count > EXACT_DIGITS) {
        shorten(decimal, count);
    }
    uint64_t bits = round_decimal(decimal->significand, decimal->exponent);
    if (decimal->truncated && round_decimal(decimal->significand + 1, decimal->exponent) != bits) {
        return round_slowly(&given);
    }
    return assemble(decimal->negative, bits);
}

static const char *malformed(struct number *number, const char *where, const char *problem)
{
    number->kind = NUMBER_MALFORMED;
    number->problem = problem;
    return where;
}

static inline const char *parse(const char *text, const char *end, struct number *number)
{
    struct decimal decimal = {.negative = text < end && *text == '-'};
    text += decimal.negative;
    decimal.digits = text;
    if (end - text > 1 && text[1] == '.' && is_digit(*text)) {
        decimal.significand = (uint64_t)(*text++ - '0');
    } else {
        text = read_digits(text, end, &decimal.significand);
    }
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
    number->value = convert(&decimal, count);
    bool negative_zero = decimal.negative && number->value == 0;
    number->kind = integer && !negative_zero ? NUMBER_INTEGER : NUMBER_REAL;
    if (isinf(number->value)) {
        number->kind = NUMBER_TOO_LARGE;
    }
    return text;
}

const char *number_parse(const char *text, const char *end, struct number *number)
{
    return parse(text, end, number);
}

size_t number_parse_list(const char **text, const char *end, double *values, size_t room, bool *reals)
{
    const char *next = *text;
    size_t count = 0;
    bool real = false;
    while (count < room && next < end && number_starts_with(*next)) {
        struct number number;
        next = parse(next, end, &number);
        if (number.kind > NUMBER_REAL) {
            break;
        }
        real |= number.kind == NUMBER_REAL;
        values[count++] = number.value;
        *text = next;
        if (next == end || *next != ',') {
            break;
        }
        do {
            next++;
        } while (next < end && (*next == ' ' || *next == '\n'));
    }
    *reals |= real;
    return count;
}
