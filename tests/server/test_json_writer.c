/* What the writer prints, literally, and as jansson reads it back. */
#include "failing_buffer.h"
#include "server/json_writer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

static void check(struct buffer *buffer, const char *expected)
{
    assert_false(buffer->failed);
    assert_string_equal(buffer->data, expected);
    assert_int_equal(buffer->length, strlen(expected));
    json_error_t error;
    json_t *parsed =
        json_loads(buffer->data, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    assert_non_null(parsed);
    json_decref(parsed);
    buffer_free(buffer);
}

static void write_document(struct json_writer *json)
{
    json_begin_object(json);
    json_member_text(json, "text", "a");
    json_member_integer(json, "integer", INT64_MIN);
    json_member_unsigned(json, "unsigned", 18446744073709551615U);
    json_member_double(json, "double", 0.5);
    json_member_boolean(json, "boolean", true);
    json_member_null(json, "null");
    json_key(json, "empty");
    json_begin_array(json);
    json_end_array(json);
    json_key(json, "array");
    json_begin_array(json);
    json_begin_object(json);
    json_end_object(json);
    json_write_text(json, NULL);
    json_begin_array(json);
    json_write_integer(json, 1);
    json_write_integer(json, 2);
    json_end_array(json);
    json_write_boolean(json, false);
    json_end_array(json);
    json_key(json, "object");
    json_begin_object(json);
    json_member_null(json, "x");
    json_end_object(json);
    json_end_object(json);
}

static void separates_members_and_items(void **unused)
{
    (void)unused;
    struct buffer buffer = {0};
    struct json_writer json = {.buffer = &buffer};
    write_document(&json);
    assert_string_equal(buffer.data,
                        "{\"text\":\"a\",\"integer\":-9223372036854775808,\"unsigned\":18446744073709551615,"
                        "\"double\":0.5,\"boolean\":true,\"null\":null,\"empty\":[],"
                        "\"array\":[{},null,[1,2],false],\"object\":{\"x\":null}}");
    buffer_free(&buffer);
}

static void writes_single_values(void **unused)
{
    (void)unused;
    struct buffer buffer = {0};
    struct json_writer json = {.buffer = &buffer};
    json_write_double(&json, 1e-7);
    check(&buffer, "1e-7");
    json = (struct json_writer){.buffer = &buffer};
    json_write_integer(&json, -7);
    check(&buffer, "-7");
    json = (struct json_writer){.buffer = &buffer};
    json_begin_array(&json);
    json_end_array(&json);
    check(&buffer, "[]");
}

static void names_what_is_not_finite(void **unused)
{
    (void)unused;
    struct buffer buffer = {0};
    struct json_writer json = {.buffer = &buffer};
    json_begin_array(&json);
    json_write_double(&json, (double)NAN);
    json_write_double(&json, -(double)NAN);
    json_write_double(&json, (double)INFINITY);
    json_write_double(&json, -(double)INFINITY);
    json_write_double(&json, -0.0);
    json_end_array(&json);
    check(&buffer, "[\"NaN\",\"NaN\",\"Infinity\",\"-Infinity\",-0]");
}

static void escapes_strings(void **unused)
{
    (void)unused;
    struct buffer buffer = {0};
    struct json_writer json = {.buffer = &buffer};
    json_begin_object(&json);
    json_member_text(&json, "\"quoted\\\n", "\"\\/\b\f\n\r\t\x01\x1F\x7F");
    json_key(&json, "nul");
    json_write_bytes(&json, "a\0b", 3);
    json_member_text(&json, "kept", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    json_end_object(&json);
    check(&buffer,
          "{\"\\\"quoted\\\\\\n\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7F\",\"nul\":\"a\\u0000b\","
          "\"kept\":\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"}");
}

static void replaces_what_is_not_utf8(void **unused)
{
    (void)unused;
    struct buffer buffer = {0};
    struct json_writer json = {.buffer = &buffer};
    json_begin_array(&json);
    json_write_text(&json, "\xFF");
    json_write_text(&json, "a\xC3");
    json_write_text(&json, "\xE2\x82z");
    json_write_text(&json, "\xED\xA0\x80");
    json_end_array(&json);
    check(&buffer, "[\"\xEF\xBF\xBD\",\"a\xEF\xBF\xBD\",\"\xEF\xBF\xBD\xEF\xBF\xBDz\","
                   "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"]");
}

/* Any bytes give a string that jansson accepts. */
static void every_pair_of_bytes_is_valid(void **unused)
{
    (void)unused;
    struct buffer buffer = {0};
    struct json_writer json = {.buffer = &buffer};
    json_begin_array(&json);
    for (int pair = 0; pair < 65536; pair++) {
        json_write_bytes(&json, (const char[]){(char)(pair >> 8), (char)pair}, 2);
    }
    json_end_array(&json);
    json_t *parsed = json_loads(buffer.data, JSON_ALLOW_NUL, NULL);
    assert_non_null(parsed);
    assert_int_equal(json_array_size(parsed), 65536);
    json_decref(parsed);
    buffer_free(&buffer);
}

static void fails_only_by_its_buffer(void **unused)
{
    (void)unused;
    for (long failure = 0;; failure++) {
        struct buffer buffer = {0};
        struct json_writer json = {.buffer = &buffer};
        reallocations_before_failure = failure;
        for (int i = 0; i < 20; i++) {
            write_document(&json);
        }
        bool failed = buffer.failed;
        buffer_free(&buffer);
        if (!failed) {
            assert_true(failure > 2);
            break;
        }
    }
    reallocations_before_failure = -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(separates_members_and_items), cmocka_unit_test(writes_single_values),
        cmocka_unit_test(names_what_is_not_finite),    cmocka_unit_test(escapes_strings),
        cmocka_unit_test(replaces_what_is_not_utf8),   cmocka_unit_test(every_pair_of_bytes_is_valid),
        cmocka_unit_test(fails_only_by_its_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
