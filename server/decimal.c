#include "server/decimal.h"

#include "server/input/powers_of_five.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

/* A float64 is significand * 2^exponent; 52 bits of the significand are explicit. */
#define FRACTION_BITS 52
#define HIDDEN_BIT (UINT64_C(1) << FRACTION_BITS)
#define SMALLEST_EXPONENT (-1074)

/* In JavaScript's form, plain notation is for 10^-6 <= |value| < 10^21. */
/* Digits that tell every float64 from its neighbours. */
#define DIGITS 17

#define SMALLEST_PLAIN_POINT (-5)
#define LARGEST_PLAIN_POINT 21

struct binary {
    uint64_t significand;
    int exponent;
};

/* significand * 10^exponent */
struct decimal {
    uint64_t significand;
    int exponent;
};

/* 5^309 to 5^324, truncated as in powers_of_five: a parser needs none of them, as 10^309 is no float64, but
 * numbers that are nearly or really subnormal are multiplied by them here. */
static const struct power_of_five larger_powers[] = {
    {0xb201833b35d63f73, 0x2cd2cc6551e513da}, {0xde81e40a034bcf4f, 0xf8077f7ea65e58d1},
    {0x8b112e86420f6191, 0xfb04afaf27faf782}, {0xadd57a27d29339f6, 0x79c5db9af1f9b563},
    {0xd94ad8b1c7380874, 0x18375281ae7822bc}, {0x87cec76f1c830548, 0x8f2293910d0b15b5},
    {0xa9c2794ae3a3c69a, 0xb2eb3875504ddb22}, {0xd433179d9c8cb841, 0x5fa60692a46151eb},
    {0x849feec281d7f328, 0xdbc7c41ba6bcd333}, {0xa5c7ea73224deff3, 0x12b9b522906c0800},
    {0xcf39e50feae16bef, 0xd768226b34870a00}, {0x81842f29f2cce375, 0xe6a1158300d46640},
    {0xa1e53af46f801c53, 0x60495ae3c1097fd0}, {0xca5e89b18b602368, 0x385bb19cb14bdfc4},
    {0xfcf62c1dee382c42, 0x46729e03dd9ed7b5}, {0x9e19db92b4e31ba9, 0x6c07a2c26a8346d1},
};

/* floor(log2(10^exponent)), for |exponent| <= 400 */
static int floor_log2_of_power(int exponent)
{
    return (exponent * 1741647) >> 19;
}

/* floor(log10(2^exponent)), or of 3/4 of that; for the exponents of a float64 */
static int floor_log10(int exponent, bool three_quarters)
{
    return (exponent * 1262611 - (three_quarters ? 524031 : 0)) >> 22;
}

/* The leading 128 bits of 10^exponent, rounded up. */
static struct power_of_five power_rounded_up(int exponent)
{
    struct power_of_five power = exponent > POWER_OF_FIVE_LARGEST
                                     ? larger_powers[exponent - POWER_OF_FIVE_LARGEST - 1]
                                     : powers_of_five[exponent - POWER_OF_FIVE_SMALLEST];
    bool truncated = exponent < -27 || exponent > 55; /* 5^55 has 128 bits */
    power.low += truncated;
    power.high += truncated && power.low == 0;
    return power;
}

/* factor * power / 2^128, rounded down but to an odd number where it is not whole: so comparisons with even
 * numbers come out as for the exact value. What the power's rounding up adds does not count. */
static uint64_t scale_to_odd(uint64_t factor, const struct power_of_five *power)
{
    unsigned __int128 low = (unsigned __int128)factor * power->low;
    unsigned __int128 product = (unsigned __int128)factor * power->high + (uint64_t)(low >> 64);
    return (uint64_t)(product >> 64) | ((uint64_t)product > 1);
}

/* The shortest decimal in the interval that rounds to `binary`. All of `lower`, `upper` and `scaled` are four
 * times the interval's ends and the value itself in units of 10^decimal.exponent; the interval is at least
 * one and less than ten of these units wide, so at most one multiple of ten lies in it. */
static struct decimal shortest(struct binary binary)
{
    /* Below a power of two, numbers are twice as dense as above it. */
    bool closer_below = binary.significand == HIDDEN_BIT && binary.exponent > SMALLEST_EXPONENT;
    int exponent = floor_log10(binary.exponent, closer_below);
    struct power_of_five power = power_rounded_up(-exponent);
    int shift = binary.exponent + floor_log2_of_power(-exponent) + 1;
    uint64_t open =
        binary.significand & 1; /* ties to even: the ends round to an even significand, not to an odd one */
    uint64_t four_times = 4 * binary.significand;
    uint64_t lower = scale_to_odd((four_times - (closer_below ? 1 : 2)) << shift, &power) + open;
    uint64_t scaled = scale_to_odd(four_times << shift, &power);
    uint64_t upper = scale_to_odd((four_times + 2) << shift, &power) - open;

    uint64_t units = scaled / 4;
    uint64_t tens = units / 10;
    bool ten_below = tens > 0 && lower <= 40 * tens;
    bool ten_above = tens > 0 && 40 * (tens + 1) <= upper;
    if (ten_below != ten_above) {
        return (struct decimal){tens + ten_above, exponent + 1};
    }
    bool below = lower <= 4 * units;
    bool above = 4 * (units + 1) <= upper;
    if (below != above) {
        return (struct decimal){units + above, exponent};
    }
    uint64_t middle = 4 * units + 2;
    bool up = scaled > middle || (scaled == middle && (units & 1) == 1);
    return (struct decimal){units + up, exponent};
}

/* A number below 100,000,000, eight digits at once: each half of the word is split in two, three times. */
static void put_eight_digits(char text[8], uint64_t number)
{
    uint64_t fours = number / 10000 | (number % 10000) << 32;
    uint64_t hundreds = (fours * 5243 >> 19) & 0x0000007F0000007F;
    uint64_t twos = hundreds | (fours - 100 * hundreds) << 16;
    uint64_t tens = (twos * 103 >> 10) & 0x000F000F000F000F;
    uint64_t digits = htole64((tens | (twos - 10 * tens) << 8) + 0x3030303030303030);
    memcpy(text, &digits, sizeof digits);
}

/* 0.d1d2d3… * 10^point, without trailing zeros. Behind the digits are bytes enough that copies can have a
 * length that the compiler knows. */
struct digits {
    char bytes[3 * DIGITS];
    int first;
    int count;
    int point;
};

/* The significand is below 10^DIGITS. */
static void find_digits(struct decimal decimal, struct digits *digits)
{
    const uint64_t eight = 100000000;
    char *text = digits->bytes;
    text[0] = (char)('0' + decimal.significand / (eight * eight));
    put_eight_digits(text + 1, decimal.significand / eight % eight);
    put_eight_digits(text + 9, decimal.significand % eight);
    int first = 0, end = DIGITS;
    while (first < DIGITS - 1 && text[first] == '0') {
        first++;
    }
    while (end > first + 1 && text[end - 1] == '0') {
        end--;
    }
    memset(text + DIGITS, '0', sizeof(digits->bytes) - DIGITS);
    digits->first = first;
    digits->count = end - first;
    digits->point = decimal.exponent + DIGITS - first;
}

static char *put_plain(char *text, const struct digits *digits)
{
    const char *first = digits->bytes + digits->first;
    if (digits->point <= 0) {
        memcpy(text, "0.00000", sizeof "0.00000");
        text += 2 - digits->point;
        memcpy(text, first, DIGITS);
        return text + digits->count;
    }
    memcpy(text, first, LARGEST_PLAIN_POINT);
    if (digits->point >= digits->count) {
        return text + digits->point;
    }
    text[digits->point] = '.';
    memcpy(text + digits->point + 1, first + digits->point, DIGITS - 1);
    return text + digits->count + 1;
}

static char *put_scientific(char *text, const struct digits *digits)
{
    const char *first = digits->bytes + digits->first;
    memcpy(text + 1, first, DIGITS);
    text[0] = first[0];
    text[1] = '.';
    text += digits->count > 1 ? digits->count + 1 : 1;
    int exponent = digits->point - 1;
    text[0] = 'e';
    text[1] = exponent < 0 ? '-' : '+';
    struct decimal magnitude = {(uint64_t)(exponent < 0 ? -exponent : exponent), 0};
    struct digits exponent_digits = {.count = 0};
    find_digits(magnitude, &exponent_digits);
    return put_plain(text + 2, &exponent_digits);
}

size_t decimal_unsigned(uint64_t value, char text[DECIMAL_UNSIGNED])
{
    char digits[DECIMAL_UNSIGNED];
    size_t first = sizeof digits - 1;
    digits[first] = '\0';
    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    memcpy(text, digits + first, sizeof digits - first);
    return sizeof digits - 1 - first;
}

size_t decimal_shortest(double value, char text[DECIMAL_SHORTEST])
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t fraction = bits & (HIDDEN_BIT - 1);
    int biased = (int)(bits >> FRACTION_BITS & 0x7FF);
    struct binary binary = {fraction | (biased > 0 ? HIDDEN_BIT : 0),
                            (biased > 0 ? biased - 1 : 0) + SMALLEST_EXPONENT};
    char *end = text;
    *end = '-';
    end += bits >> 63;
    if (binary.significand == 0) {
        *end++ = '0';
    } else {
        struct digits digits = {.count = 0};
        find_digits(shortest(binary), &digits);
        bool plain = digits.point >= SMALLEST_PLAIN_POINT && digits.point <= LARGEST_PLAIN_POINT;
        end = plain ? put_plain(end, &digits) : put_scientific(end, &digits);
    }
    *end = '\0';
    return (size_t)(end - text);
}
