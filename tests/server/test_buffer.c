/* Appending, formatting, growing, and every reallocation failing in turn. */
#include "failing_buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void starts_empty_and_frees_empty(void **unused)
{
    (void)unused;
    struct buffer buffer = {0};
    buffer_append(&buffer, "", 0);
    buffer_append_text(&buffer, "");
    buffer_fill(&buffer, ' ', 0);
    assert_null(buffer.data);
    assert_int_equal(buffer.length, 0);
    buffer_truncate(&buffer, 0);
    buffer_free(&buffer);
    assert_false(buffer.failed);
}

static void appends_end_with_a_nul(void **unused)
{
    (void)unused;
    struct buffer buffer = {0};
    assert_true(buffer_reserve(&buffer, 0));
    assert_string_equal(buffer.data, "");
    buffer_append(&buffer, "a\0b", 3);
    buffer_append_text(&buffer, "cd");
    buffer_fill(&buffer, 'e', 2);
    buffer_format(&buffer, "%d%s", 42, "f");
    assert_int_equal(buffer.length, 10);
    assert_memory_equal(buffer.data, "a\0bcdee42f", 11);
    buffer_truncate(&buffer, 5);
    assert_int_equal(buffer.length, 5);
    assert_memory_equal(buffer.data, "a\0bcd", 6);
    buffer_free(&buffer);
    assert_null(buffer.data);
    assert_int_equal(buffer.capacity, 0);
}

static void grows_over_every_length(void **unused)
{
    (void)unused;
    struct buffer bytes = {0};
    struct buffer formatted = {0};
    for (int i = 0; i < 5000; i++) {
        char byte = (char)('a' + i % 26);
        buffer_append(&bytes, &byte, 1);
        buffer_format(&formatted, "%c", byte);
        assert_int_equal(bytes.length, i + 1);
        assert_true(bytes.capacity > bytes.length);
    }
    assert_string_equal(bytes.data, formatted.data);
    for (size_t i = 0; i < bytes.length; i++) {
        assert_int_equal(bytes.data[i], 'a' + (int)(i % 26));
    }
    buffer_free(&bytes);
    buffer_free(&formatted);
}

/* The capacity doubles: a long text takes a number of reallocations that grows with the logarithm of its
 * length. */
static void grows_geometrically(void **unused)
{
    (void)unused;
    struct buffer buffer = {0};
    reallocations_before_failure = 20;
    for (int i = 0; i < 1000000; i++) {
        buffer_append(&buffer, "x", 1);
    }
    assert_false(buffer.failed);
    reallocations_before_failure = -1;
    buffer_free(&buffer);
}

static void refuses_sizes_that_overflow(void **unused)
{
    (void)unused;
    struct buffer buffer = {0};
    buffer_append_text(&buffer, "kept");
    assert_false(buffer_reserve(&buffer, SIZE_MAX - 2));
    assert_true(buffer.failed);
    assert_string_equal(buffer.data, "kept");
    buffer_free(&buffer);
    assert_false(buffer_reserve(&buffer, SIZE_MAX));
    assert_true(buffer.failed);
    buffer_free(&buffer);
}

static void append_all_ways(struct buffer *buffer)
{
    for (int i = 0; i < 300; i++) {
        buffer_append(buffer, "12345", 5);
        buffer_append_text(buffer, "67");
        buffer_fill(buffer, '8', 3);
        buffer_format(buffer, "%d", 9);
    }
}

static void keeps_what_was_there_when_memory_ends(void **unused)
{
    (void)unused;
    long failure = 0;
    for (;; failure++) {
        struct buffer buffer = {0};
        reallocations_before_failure = failure;
        append_all_ways(&buffer);
        bool failed = buffer.failed;
        for (size_t i = 0; i < buffer.length; i++) {
            assert_int_equal(buffer.data[i], "12345678889"[i % 11]);
        }
        if (failed) {
            size_t length = buffer.length;
            append_all_ways(&buffer);
            assert_int_equal(buffer.length, length);
            assert_true(buffer.failed);
        }
        buffer_free(&buffer);
        if (!failed) {
            break;
        }
    }
    reallocations_before_failure = -1;
    assert_true(failure > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_empty_and_frees_empty),
        cmocka_unit_test(appends_end_with_a_nul),
        cmocka_unit_test(grows_over_every_length),
        cmocka_unit_test(grows_geometrically),
        cmocka_unit_test(refuses_sizes_that_overflow),
        cmocka_unit_test(keeps_what_was_there_when_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
