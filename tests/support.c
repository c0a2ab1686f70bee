#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void fail_numbers(double actual, double expected, double allowed, const char *text, const char *file,
                         int line)
{
    print_error("%s is %.17g, expected %.17g, they differ by %.3g of %.3g\n", text, actual, expected,
                fabs(actual - expected), allowed);
    _fail(file, line);
}

void support_assert_within(double actual, double expected, double absolute, const char *text,
                           const char *file, int line)
{
    if (!(fabs(actual - expected) <= absolute))
        fail_numbers(actual, expected, absolute, text, file, line);
}

void support_assert_close(double actual, double expected, double relative, const char *text, const char *file,
                          int line)
{
    if (isnan(expected) ? isnan(actual) : actual == expected)
        return;
    support_assert_within(actual, expected, relative * fabs(expected), text, file, line);
}

void support_assert_error(const struct stability_error *error, enum stability_code code, const char *pointer,
                          const char *message, const char *file, int line)
{
    _assert_string_equal(error->message, message, file, line);
    _assert_string_equal(error->pointer, pointer, file, line);
    _assert_int_equal((uint64_t)error->code, (uint64_t)code, file, line);
}

void support_repeat(char *buffer, size_t size, const char *text, int times)
{
    buffer[0] = '\0';
    for (int i = 0; i < times; i++) {
        size_t length = strlen(buffer);
        snprintf(buffer + length, size - length, "%s", text);
    }
}
