/* What every test of the core includes: cmocka, with the headers that it wants before it, and comparisons. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stability/tensor.h>

/* |actual - expected| <= relative * |expected|; infinities and NaN equal themselves. */
#define assert_close(actual, expected, relative) \
    support_assert_close((actual), (expected), (relative), #actual, __FILE__, __LINE__)
void support_assert_close(double actual, double expected, double relative, const char *text, const char *file,
                          int line);

/* |actual - expected| <= absolute */
#define assert_within(actual, expected, absolute) \
    support_assert_within((actual), (expected), (absolute), #actual, __FILE__, __LINE__)
void support_assert_within(double actual, double expected, double absolute, const char *text,
                           const char *file, int line);

/* An error of that code, whose message is `message` and which points at `pointer`. */
#define assert_error(error, code, pointer, message) \
    support_assert_error((error), (code), (pointer), (message), __FILE__, __LINE__)
void support_assert_error(const struct stability_error *error, enum stability_code code, const char *pointer,
                          const char *message, const char *file, int line);

/* Writes `text` that many times over into `buffer`, as far as it fits. */
void support_repeat(char *buffer, size_t size, const char *text, int times);

#endif
