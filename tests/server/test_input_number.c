/* Numbers against strtod (which glibc rounds correctly) and against the grammar. */
#include "server/input/number.h"

#include <float.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t state;

/* splitmix64 */
static uint64_t draw(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static int draw_below(int bound)
{
    return (int)(draw() % (uint64_t)bound);
}

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* What is read of a list that begins at `text` is what number_parse says of the number there. */
static void check_listed(const char *text, const char *end)
{
    struct number number;
    double value = 0;
    bool reals = false;
    const char *after = number_parse(text, end, &number);
    const char *listed = text;
    size_t count = number_parse_list(&listed, end, &value, 1, &reals);
    bool read = number.kind == NUMBER_INTEGER || number.kind == NUMBER_REAL;
    if (count != read || listed != (read ? after : text) || reals != (number.kind == NUMBER_REAL) ||
        (read && memcmp(&value, &number.value, sizeof value) != 0)) {
        fail_msg("%.*s: in a list %zu numbers to %td, %a, expected kind %d to %td, %a", (int)(end - text),
                 text, count, listed - text, value, (int)number.kind, after - text, number.value);
    }
}

/* So much behind a number is enough for every way in which a list reads it. */
#define BEHIND 48

/* The same with `behind` bytes behind the number, of which the first is `next`, and nothing behind them. */
static void check_before(const char *text, size_t length, char next, size_t behind)
{
    char *copy = malloc(length + behind + 1);
    assert_non_null(copy);
    char *start = copy + 1;
    memset(start, '7', length + behind);
    memcpy(start, text, length);
    if (behind > 0) {
        start[length] = next;
    }
    check_listed(start, start + length + behind);
    free(copy);
}

/* Parses `text`, which must be a number as a whole, from memory that ends with it, and compares every bit. */
static void check(const char *text)
{
    struct number number;
    size_t length = strlen(text);
    check_before(text, length, ',', BEHIND);
    const char *after = number_parse(text, text + length, &number);
    double expected = strtod(text, NULL);
    if (expected > DBL_MAX || expected < -DBL_MAX) {
        if (number.kind != NUMBER_TOO_LARGE || after != text + length) {
            fail_msg("%s: expected to be too large", text);
        }
        return;
    }
    bool read = number.kind == NUMBER_INTEGER || number.kind == NUMBER_REAL;
    if (!read || after != text + length || memcmp(&expected, &number.value, sizeof expected) != 0) {
        fail_msg("%s: expected %a, found %a (kind %d)", text, expected, number.value, (int)number.kind);
    }
}

/* Digits and an exponent: any length of significand, exponents beyond both ends of the range. */
static void random_digits(void **unused)
{
    (void)unused;
    state = 1;
    for (int i = 0; i < 1200000; i++) {
        char text[80];
        char *out = text;
        int digits = 1 + draw_below(i % 8 == 0 ? 40 : 19);
        int point = draw_below(digits);
        if (draw() & 1) {
            *out++ = '-';
        }
        *out++ =
            (char)((point == 0 && digits > 1 ? '0' : '1') + draw_below(point == 0 && digits > 1 ? 10 : 9));
        for (int digit = 1; digit < digits; digit++) {
            if (digit == point + 1 || (point == 0 && digit == 1)) {
                *out++ = '.';
            }
            *out++ = (char)('0' + draw_below(10));
        }
        *out = '\0';
        if (draw() & 1) {
            snprintf(out, 16, "%c%d", draw() & 1 ? 'e' : 'E', draw_below(700) - 350);
        }
        check(text);
    }
}

/* Doubles of every magnitude, as they are usually printed, and with too few and too many digits. */
static void random_doubles(void **unused)
{
    (void)unused;
    state = 2;
    for (int i = 0; i < 300000; i++) {
        char text[64];
        double value = from_bits(draw() & UINT64_C(0x7fffffffffffffff));
        if (value <= DBL_MAX) {
            snprintf(text, sizeof text, "%.*g", 15 + draw_below(8), value);
            check(text);
        }
    }
    for (int i = 0; i < 500000; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s0.%.*s%017" PRIu64, draw() & 1 ? "-" : "", draw_below(6), "00000",
                 draw() % UINT64_C(100000000000000000));
        check(text);
    }
}

/* The exact midpoint of two neighbouring doubles, and what is a little more and a little less. */
static void midpoints(void **unused)
{
    (void)unused;
    state = 3;
#if LDBL_MANT_DIG > DBL_MANT_DIG
    for (int i = 0; i < 20000; i++) {
        static char text[1200];
        uint64_t bits = draw() & UINT64_C(0x7fffffffffffffff);
        if (i % 4 == 0) {
            bits &= UINT64_C(0x000fffffffffffff) >> draw_below(52); /* subnormal */
        } else if (i % 4 == 1) {
            bits = (UINT64_C(1023) - 30 + (uint64_t)draw_below(120)) << 52 |
                   (bits & UINT64_C(0x000fffffffffffff));
        }
        if (from_bits(bits + 1) > DBL_MAX || !(from_bits(bits) <= DBL_MAX)) {
            continue;
        }
        long double middle = ((long double)from_bits(bits) + (long double)from_bits(bits + 1)) / 2;
        snprintf(text, sizeof text, "%.800Le", middle);
        check(text);
        char *exponent = strchr(text, 'e');
        exponent[-1] = '1';
        check(text);
        char tail[16];
        snprintf(tail, sizeof tail, "%s", exponent);
        snprintf(text + 2 + 15 + draw_below(30), sizeof tail, "%s", tail);
        check(text);
    }
#endif
}

/* Significands whose product with a power of five is almost exact are the hardest. */
static void small_powers(void **unused)
{
    (void)unused;
    for (int exponent = -345; exponent <= 310; exponent++) {
        uint64_t significand = 1;
        for (int bit = 0; bit < 64; bit++, significand *= 2) {
            for (int offset = -1; offset <= 1; offset++) {
                char text[40];
                snprintf(text, sizeof text, "%" PRIu64 "e%d", significand + (uint64_t)(int64_t)offset,
                         exponent);
                check(text);
            }
        }
    }
    state = 4;
    uint64_t power = 1;
    for (int q = 0; q <= 27; q++, power *= 5) {
        for (int i = 0; i < 2000; i++) {
            char text[64];
            uint64_t half = draw() >> 10 | UINT64_C(1) << 53 | 1; /* 54 bits, the last one set: a tie */
            unsigned __int128 product = (unsigned __int128)half * power;
            if (product <= UINT64_MAX) {
                snprintf(text, sizeof text, "%" PRIu64 "e-%d", (uint64_t)product, q);
                check(text);
            }
            half -= half % power;
            snprintf(text, sizeof text, "%" PRIu64 "e%d", half / power, q);
            check(text);
        }
    }
}

static void borders(void **unused)
{
    (void)unused;
    static const char *const texts[] = {"0",
                                        "-0",
                                        "-0.0",
                                        "0e0",
                                        "0.0e-999999999999999999999",
                                        "0e999999999999999999999",
                                        "1",
                                        "-1",
                                        "1e400",
                                        "-1e400",
                                        "1e-400",
                                        "-1e-400",
                                        "1e99999999999999999999",
                                        "1e-99999999999999999999",
                                        "1.7976931348623157e308",
                                        "1.7976931348623158e308",
                                        "1.7976931348623159e308",
                                        "-1.797693134862315807e308",
                                        "1.797693134862315808e308",

                                        "2.2250738585072011e-308",
                                        "2.2250738585072012e-308",
                                        "2.2250738585072014e-308",
                                        "4.9406564584124654e-324",
                                        "2.4703282292062327e-324",
                                        "2.4703282292062328e-324",
                                        "2.4703282292062327208299493256e-324",
                                        "9007199254740991",
                                        "9007199254740992",
                                        "9007199254740993",
                                        "9007199254740993.0000000000000000000000000000001",
                                        "9007199254740992.9999999999999999999999999999999",
                                        "9223372036854775807",
                                        "18446744073709551615",
                                        "18446744073709551616",
                                        "123456789012345678901234567890",
                                        "0.1",
                                        "0.3",
                                        "1e23",
                                        "8.5e22",
                                        "100000000000000000000000",
                                        "6.631236846766476e-316",
                                        "3.237883913302901e-319",
                                        "5e-324",
                                        "3e-324",
                                        "0.000000000000000000000000000000000000001",
                                        "1.00000000000000011102230246251565404236316680908203125",
                                        "1.00000000000000011102230246251565404236316680908203124",
                                        "1.00000000000000011102230246251565404236316680908203126"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        check(texts[i]);
    }
}

/* A long run of zeros against an exponent that cancels it; digits that decide only at the end of thousands.
 */
static void long_texts(void **unused)
{
    (void)unused;
    static char text[20000];
    memset(text, '0', 10000);
    text[1] = '.';
    snprintf(text + 10000, 100, "123456789012345678901234567890e10000");
    check(text);
    text[0] = '7';
    text[1] = '0';
    snprintf(text + 10000, 100, "e-9990");
    check(text);
    memset(text, '0', 309);
    text[309] = '\0';
    memcpy(text, "17976931348623157", 17);
    check(text);
    memcpy(text, "17976931348623159", 17);
    check(text);
    snprintf(text, sizeof text, "1.00000000000000011102230246251565404236316680908203125");
    size_t length = strlen(text);
    memset(text + length, '0', 10000);
    text[length + 10000] = '\0';
    check(text);
    struct number number;
    number_parse(text, text + length + 10000, &number);
    assert_true(number.value == 1.0);
    text[length + 9999] = '1';
    number_parse(text, text + length + 10000, &number);
    assert_true(number.value == 1.0000000000000002);
}

static void kinds(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        enum number_kind kind;
        int consumed;
    } cases[] = {{"0", NUMBER_INTEGER, 1},      {"12", NUMBER_INTEGER, 2},     {"-7", NUMBER_INTEGER, 2},
                 {"-0", NUMBER_REAL, 2},        {"1.0", NUMBER_REAL, 3},       {"1e2", NUMBER_REAL, 3},
                 {"12,3", NUMBER_INTEGER, 2},   {"1.5]", NUMBER_REAL, 3},      {"1e+05x", NUMBER_REAL, 5},
                 {"", NUMBER_MALFORMED, 0},     {"-", NUMBER_MALFORMED, 1},    {"+1", NUMBER_MALFORMED, 0},
                 {".5", NUMBER_MALFORMED, 0},   {"-.5", NUMBER_MALFORMED, 1},  {"1.", NUMBER_MALFORMED, 2},
                 {"1.e5", NUMBER_MALFORMED, 2}, {"01", NUMBER_MALFORMED, 1},   {"-01", NUMBER_MALFORMED, 2},
                 {"00.5", NUMBER_MALFORMED, 1}, {"1e", NUMBER_MALFORMED, 2},   {"1e+", NUMBER_MALFORMED, 3},
                 {"1e-x", NUMBER_MALFORMED, 3}, {"1.5E", NUMBER_MALFORMED, 4}, {"--1", NUMBER_MALFORMED, 1},
                 {"0x10", NUMBER_INTEGER, 1},   {"1e309", NUMBER_TOO_LARGE, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct number number;
        size_t length = strlen(cases[i].text);
        char *copy = malloc(length + (length == 0)); /* no terminator: what lies behind must not be read */
        assert_non_null(copy);
        memcpy(copy, cases[i].text, length);
        const char *after = number_parse(copy, copy + length, &number);
        if (number.kind != cases[i].kind || after - copy != cases[i].consumed) {
            fail_msg("%s: kind %d, %td bytes", cases[i].text, (int)number.kind, after - copy);
        }
        free(copy);
    }
}

/* Whatever a list of numbers may be broken by, at every place of a number. */
static void lists(void **unused)
{
    (void)unused;
    static const char *const texts[] = {"0.012345678901234567",
                                        "-0.012345678901234567",
                                        "0.5",
                                        "-12.25",
                                        "1234567",
                                        "-0",
                                        "0",
                                        "12345678.5",
                                        "1234567.8901234567",
                                        "0.12345678901234567890123",
                                        "1.2345678e-05",
                                        "-1234567.123456789012345e-99",
                                        "0.00000000000000000000001e-10",
                                        "9.9999999999999999999999",
                                        "1.8446744073709551615",
                                        "1.8446744073709551616",
                                        "1844.6744073709551615",
                                        "1844.6744073709551616",
                                        "0.00000000000000000000001"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char copy[64];
        size_t length = strlen(texts[i]);
        for (size_t place = 0; place <= length; place++) {
            for (int byte = 0; byte < 256; byte++) {
                memcpy(copy, texts[i], length);
                copy[place] = (char)byte;
                check_before(copy, length, ',', BEHIND);
                check_before(copy, length, ']', BEHIND);
                check_before(copy, place, (char)byte, BEHIND);
                check_before(copy, length, ',', place);
            }
        }
    }
}

/* Strings of what numbers consist of. */
static void random_texts(void **unused)
{
    (void)unused;
    state = 5;
    for (int i = 0; i < 400000; i++) {
        char text[40];
        size_t length = 1 + (size_t)draw_below(39);
        int variety = draw_below(2) == 0 ? 10 : 16;
        for (size_t j = 0; j < length; j++) {
            text[j] = "0123456789.-e,]+"[draw_below(variety)];
        }
        if (draw() & 1) {
            text[draw() & 1] = '.';
        }
        check_before(text, length, draw() & 1 ? ',' : ']', draw() & 1 ? BEHIND : (size_t)draw_below(BEHIND));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_digits), cmocka_unit_test(random_doubles), cmocka_unit_test(midpoints),
        cmocka_unit_test(small_powers),  cmocka_unit_test(borders),        cmocka_unit_test(long_texts),
        cmocka_unit_test(kinds),         cmocka_unit_test(lists),          cmocka_unit_test(random_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
