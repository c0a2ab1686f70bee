/* Escaping, measuring, cutting and wrapping text; numbers in four digits. */
#include "failing_buffer.h"
#include "server/output/terminal.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void check_escape(const char *text, const char *expected)
{
    struct buffer buffer = {0};
    buffer_append_text(&buffer, ">");
    terminal_escape(&buffer, text);
    assert_string_equal(buffer.data + 1, expected);
    buffer_free(&buffer);
}

static void escapes_what_terminals_obey(void **unused)
{
    (void)unused;
    check_escape("", "");
    check_escape("plain \"text\" \\", "plain \"text\" \\");
    check_escape("\n\r\t\a\x1b[2J\x7F", "\\n\\r\\t\\x07\\x1b[2J\\x7f");
    check_escape("\xC2\x9B[m", "\\u009b[m");      /* CSI in one character */
    check_escape("\xF3\xA0\x80\xA0", "\\ue0020"); /* a tag character */
    const char right_to_left_override[] = {(char)0xE2, (char)0x80, (char)0xAE, 'x', '\0'};
    check_escape(right_to_left_override, "\\u202ex");
    check_escape("\xC3\xA9 \xE5\xB1\xA4", "\xC3\xA9 \xE5\xB1\xA4");
    check_escape("a\xFF\xC3", "a\\xff\\xc3");
}

static size_t columns(const char *text)
{
    return terminal_columns(text, strlen(text));
}

static void measures_columns(void **unused)
{
    (void)unused;
    assert_int_equal(columns(""), 0);
    assert_int_equal(columns("abc"), 3);
    assert_int_equal(columns("\xC3\xA9\xCE\xB1"), 2);         /* é α */
    assert_int_equal(columns("e\xCC\x81"), 1);                /* e and a combining accent */
    assert_int_equal(columns("\xE5\xB1\xA4\xEF\xBC\xA1"), 4); /* 層 and a fullwidth A */
    assert_int_equal(columns("\xF0\x9F\x98\x80"), 2);         /* an emoji */
}

static void check_fit(const char *text, size_t width, const char *expected)
{
    struct buffer buffer = {0};
    size_t taken = terminal_fit(&buffer, text, strlen(text), width);
    assert_string_equal(buffer.data, expected);
    assert_int_equal(taken, columns(expected));
    assert_true(taken <= width);
    buffer_free(&buffer);
}

static void cuts_the_middle(void **unused)
{
    (void)unused;
    check_fit("abcdefghij", 10, "abcdefghij");
    check_fit("abcdefghijk", 10, "abcd...ijk");
    check_fit("abcdefghijk", 9, "abc...ijk");
    check_fit("abcdefghijk", 4, "a...");
    check_fit("abcdefghijk", 3, "...");
    /* 層 takes two columns: four of them fit into 8, and half of one is never shown */
    check_fit("\xE5\xB1\xA4\xE5\xB1\xA4\xE5\xB1\xA4\xE5\xB1\xA4", 8,
              "\xE5\xB1\xA4\xE5\xB1\xA4\xE5\xB1\xA4\xE5\xB1\xA4");
    check_fit("\xE5\xB1\xA4\xE5\xB1\xA4\xE5\xB1\xA4\xE5\xB1\xA4", 7, "\xE5\xB1\xA4...\xE5\xB1\xA4");
    check_fit("\xE5\xB1\xA4\xE5\xB1\xA4\xE5\xB1\xA4\xE5\xB1\xA4", 6, "\xE5\xB1\xA4...");
    /* an accent stays with its letter */
    check_fit("abcde\xCC\x81"
              "fg",
              6, "ab...g");
    check_fit("abcdefe\xCC\x81g", 7, "ab...e\xCC\x81g");
}

static void check_wrap(const char *text, size_t column, size_t indent, const char *expected)
{
    struct buffer buffer = {0};
    terminal_wrap(&buffer, text, column, indent);
    assert_string_equal(buffer.data, expected);
    buffer_free(&buffer);
}

#define TEN "0123456789"
#define NINETY TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void wraps_at_blanks(void **unused)
{
    (void)unused;
    check_wrap("", 0, 4, "\n");
    check_wrap("  two   words ", 0, 4, "two words\n");
    check_wrap(NINETY " 123456789", 0, 4, NINETY " 123456789\n");
    check_wrap(NINETY " " TEN, 0, 4, NINETY "\n    " TEN "\n");
    check_wrap(NINETY " " TEN, 1, 0, NINETY "\n" TEN "\n");
    check_wrap("a " NINETY " b", 9, 9, "a\n         " NINETY "\n         b\n");
}

static void cuts_words_that_no_line_holds(void **unused)
{
    (void)unused;
    check_wrap(NINETY NINETY " end", 0, 10,
               NINETY TEN "\n          " TEN TEN TEN TEN TEN TEN TEN TEN " end\n");
    check_wrap("x", 100, 2, "\n  x\n");
}

static void check_aligned(double number, const char *expected)
{
    char text[TERMINAL_NUMBER];
    assert_string_equal(terminal_aligned_number(number, text), expected);
}

static void aligns_four_digits(void **unused)
{
    (void)unused;
    check_aligned(0, "0");
    check_aligned(-0.0, "0");
    check_aligned(1, "1.000");
    check_aligned(-0.25, "-0.2500");
    check_aligned(0.001, "0.001000");
    check_aligned(0.00099996, "0.001000");
    check_aligned(0.00099994, "9.999e-04");
    check_aligned(9999.4, "9999");
    check_aligned(9999.6, "1.000e+04");
    check_aligned(99.996, "100.0");
    check_aligned(1.7e-9, "1.700e-09");
    check_aligned(-1.23456e-99, "-1.235e-99");
    check_aligned(-1.23456e-100, "-1.23e-100");
    check_aligned(9.9999e99, "1.00e+100");
    check_aligned(DBL_MAX, "1.80e+308");
    check_aligned(DBL_TRUE_MIN, "4.94e-324");
    check_aligned((double)NAN, "NaN");
    check_aligned(-(double)NAN, "NaN");
    check_aligned((double)INFINITY, "Inf");
    check_aligned(-(double)INFINITY, "-Inf");
}

static void check_short(double number, const char *expected)
{
    char text[TERMINAL_NUMBER];
    assert_string_equal(terminal_short_number(number, text), expected);
}

static void shortens_to_four_digits(void **unused)
{
    (void)unused;
    check_short(0, "0");
    check_short(-0.0, "0");
    check_short(0.8, "0.8");
    check_short(1e-6, "1e-06");
    check_short(2.30258, "2.303");
    check_short(123456, "123456");
    check_short(123456.5, "1.235e+05");
    check_short(1e9, "1e+09");
    check_short(-(double)INFINITY, "-Inf");
    check_short((double)NAN, "NaN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_what_terminals_obey),
        cmocka_unit_test(measures_columns),
        cmocka_unit_test(cuts_the_middle),
        cmocka_unit_test(wraps_at_blanks),
        cmocka_unit_test(cuts_words_that_no_line_holds),
        cmocka_unit_test(aligns_four_digits),
        cmocka_unit_test(shortens_to_four_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
