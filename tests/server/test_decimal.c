/* Doubles as text: known forms, the same bits back, and never longer than what printf and strtod can find. */
#include "server/decimal.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_form(double value, const char *expected)
{
    char text[DECIMAL_SHORTEST];
    size_t length = decimal_shortest(value, text);
    assert_string_equal(text, expected);
    assert_int_equal(length, strlen(expected));
}

/* As String(value) of JavaScript has them, but for the sign of zero. */
static void writes_javascripts_form(void **unused)
{
    (void)unused;
    check_form(0, "0");
    check_form(-0.0, "-0");
    check_form(1, "1");
    check_form(-1.5, "-1.5");
    check_form(0.1, "0.1");
    check_form(1000, "1000");
    check_form(123456789, "123456789");
    check_form(0.000001, "0.000001");
    check_form(0.00000123, "0.00000123");
    check_form(1e-7, "1e-7");
    check_form(1.23e-7, "1.23e-7");
    check_form(1e20, "100000000000000000000");
    check_form(1e21, "1e+21");
    check_form(-1.25e+30, "-1.25e+30");
    check_form(123456789012345680000.0, "123456789012345680000");
    check_form(0.30000000000000004, "0.30000000000000004");
    check_form(9007199254740993.0, "9007199254740992");
    check_form(1e23, "1e+23");
    check_form(9.5e-7, "9.5e-7");
}

static void writes_the_ends_of_the_range(void **unused)
{
    (void)unused;
    check_form(DBL_TRUE_MIN, "5e-324");
    check_form(2 * DBL_TRUE_MIN, "1e-323");
    check_form(DBL_MIN, "2.2250738585072014e-308");
    check_form(-DBL_MIN, "-2.2250738585072014e-308");
    check_form(nextafter(DBL_MIN, 0), "2.225073858507201e-308");
    check_form(DBL_MAX, "1.7976931348623157e+308");
    check_form(FLT_MAX, "3.4028234663852886e+38");
}

/* The interval of a power of two is not symmetric: the nearest decimal of 16 digits lies outside of it, the
 * next one inside. */
static void uses_the_wider_side_of_powers_of_two(void **unused)
{
    (void)unused;
    check_form(0x1p-44, "5.684341886080802e-14");
    check_form(0x1p-24, "5.960464477539063e-8");
    check_form(0x1p+89, "6.189700196426902e+26");
}

/* Without a sign, point, exponent and zeros at both ends. */
static size_t significant_digits(const char *text, char digits[DECIMAL_SHORTEST])
{
    size_t count = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text >= '0' && *text <= '9' && (count > 0 || *text != '0')) {
            digits[count++] = *text;
        }
    }
    while (count > 1 && digits[count - 1] == '0') {
        count--;
    }
    digits[count] = '\0';
    return count;
}

static void check_against_printf(double value)
{
    char text[DECIMAL_SHORTEST];
    decimal_shortest(value, text);
    double back = strtod(text, NULL);
    assert_memory_equal(&back, &value, sizeof value);

    char printed[DECIMAL_SHORTEST];
    for (int precision = 14; precision <= 16; precision++) {
        snprintf(printed, sizeof printed, "%.*e", precision, value);
        if (strtod(printed, NULL) == value) {
            break;
        }
    }
    char digits[DECIMAL_SHORTEST];
    char printed_digits[DECIMAL_SHORTEST];
    size_t count = significant_digits(text, digits);
    size_t printed_count = significant_digits(printed, printed_digits);
    assert_true(count <= printed_count);
    if (count == printed_count) {
        assert_string_equal(digits, printed_digits);
    }
}

static uint64_t state;

/* splitmix64 */
static uint64_t draw(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void every_exponent_reads_back(void **unused)
{
    (void)unused;
    state = 1;
    for (uint64_t exponent = 0; exponent < 2047; exponent++) {
        uint64_t power = exponent << 52;
        check_against_printf(from_bits(power + 1));
        check_against_printf(from_bits(power + (draw() >> 12)));
        check_against_printf(from_bits(power + 0xfffffffffffff));
        if (exponent > 0) {
            check_against_printf(from_bits(power));
        }
    }
}

static void random_bits_read_back(void **unused)
{
    (void)unused;
    state = 2;
    for (int i = 0; i < 30000; i++) {
        double value = from_bits(draw());
        if (isfinite(value)) {
            check_against_printf(value);
        }
        check_against_printf(from_bits(1 + (draw() >> (12 + draw() % 52))));
    }
}

static void short_decimals_stay_short(void **unused)
{
    (void)unused;
    state = 3;
    for (int i = 0; i < 30000; i++) {
        char written[DECIMAL_SHORTEST];
        char text[DECIMAL_SHORTEST];
        char digits[DECIMAL_SHORTEST];
        snprintf(written, sizeof written, "%de%d", 1 + (int)(draw() % 1000000000), (int)(draw() % 600) - 308);
        double value = strtod(written, NULL);
        if (isfinite(value) && value >= DBL_MIN) {
            decimal_shortest(value, text);
            char expected[DECIMAL_SHORTEST];
            significant_digits(written, expected);
            significant_digits(text, digits);
            assert_string_equal(digits, expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_javascripts_form),
        cmocka_unit_test(writes_the_ends_of_the_range),
        cmocka_unit_test(uses_the_wider_side_of_powers_of_two),
        cmocka_unit_test(every_exponent_reads_back),
        cmocka_unit_test(random_bits_read_back),
        cmocka_unit_test(short_decimals_stay_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
