/* Parts of a body, as clients write them and as nobody should. */
#include "server/input/container.h"
#include "server/input/multipart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void reads_boundaries(void **unused)
{
    (void)unused;
    static const char *const cases[][2] = {
        {"multipart/form-data; boundary=abc", "abc"},
        {"multipart/form-data;boundary=abc", "abc"},
        {"Multipart/Form-Data ;\t BOUNDARY=abc ", "abc"},
        {"multipart/form-data; charset=utf-8; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
         "----WebKitFormBoundary7MA4YWxkTrZu0gW"},
        {"multipart/form-data; boundary=\"gc0pJq0M:08jU534c0p\"", "gc0pJq0M:08jU534c0p"},
        {"multipart/form-data; boundary=gc0pJq0M:08jU534c0p", "gc0pJq0M:08jU534c0p"},
        {"multipart/form-data; boundary=\"a \\b\"; x=\"y\\\"; boundary=z\"", "a b"},
        {"multipart/form-data; boundary=a;", "a"},
        {"multipart/form-data; boundary='()+_,-./:=?", "'()+_,-./:=?"},
        {"multipart/form-data; "
         "boundary=0123456789012345678901234567890123456789012345678901234567890123456789",
         "0123456789012345678901234567890123456789012345678901234567890123456789"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char boundary[MULTIPART_BOUNDARY_SIZE];
        struct stability_error error = {0};
        assert_true(multipart_boundary(cases[i][0], boundary, &error));
        assert_string_equal(boundary, cases[i][1]);
    }
}

static void refuses_boundaries(void **unused)
{
    (void)unused;
    static const char *const cases[] = {
        "multipart/form-data",
        "multipart/form-data; boundary",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"abc",
        "multipart/form-data; boundary=\"abc\\",
        "multipart/form-data; boundary=abc; boundary=abc",
        "multipart/form-data; boundary=\"abc \"",
        "multipart/form-data; boundary=a@b",
        "multipart/form-data; boundary=\"a\r\nb\"",
        "multipart/form-data; boundary=a\xc3\xa9",
        "multipart/form-data; boundary=abc def",
        "multipart/form-data; bound ary=abc",
        "multipart/form-data; =abc",
        "multipart/form-data; charset=utf-8",
        "multipart/form-data boundary=abc",
        "x; boundary=01234567890123456789012345678901234567890123456789012345678901234567890",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char boundary[MULTIPART_BOUNDARY_SIZE];
        struct stability_error error = {0};
        assert_false(multipart_boundary(cases[i], boundary, &error));
        assert_int_equal(error.code, STABILITY_ERROR_MULTIPART);
        assert_non_null(strstr(error.message, "boundary"));
    }
}

/* Splits a copy without anything behind it; the parts are `a` and `b`. */
static char *split(const char *body, size_t length, struct multipart_part parts[2],
                   struct stability_error *error)
{
    char *copy = malloc(length + (length == 0));
    assert_non_null(copy);
    memcpy(copy, body, length);
    parts[0] = (struct multipart_part){.name = "a"};
    parts[1] = (struct multipart_part){.name = "bee"};
    bool done = multipart_split(copy, length, "XX", parts, 2, error);
    assert_int_equal(done, error->code == STABILITY_OK);
    return copy;
}

#define HEADER(name) "Content-Disposition: form-data; name=" name "\r\n\r\n"

static void finds_parts(void **unused)
{
    (void)unused;
    static const struct {
        const char *body;
        const char *a; /* NULL: it is not there */
        const char *bee;
    } cases[] = {
        {"--XX\r\n" HEADER("\"a\"") "one\r\n--XX\r\n" HEADER("\"bee\"") "two\r\n--XX--\r\n", "one", "two"},
        {"--XX\r\n" HEADER("bee") "two\r\n--XX\r\n" HEADER("a") "one\r\n--XX--", "one", "two"},
        {"--XX\r\n" HEADER("a") "\r\n--XX--", "", NULL},
        {"--XX\r\n" HEADER("a") "\r\n\r\n--XX--", "\r\n", NULL},
        {"--XX--", NULL, NULL},
        /* blanks after delimiters; a preamble and an epilogue */
        {"--XX \t\r\n" HEADER("a") "one\r\n--XX-- \t", "one", NULL},
        {"\r\n--XX\r\n" HEADER("a") "one\r\n--XX--\r\n\r\n", "one", NULL},
        {"one or\r\ntwo lines\r\n--XX\r\n" HEADER("a") "one\r\n--XX--\r\n--XX\r\nmore", "one", NULL},
        /* what only looks like a delimiter */
        {"--XX\r\n" HEADER("a") "--XX\r\n--X\r\n-XX\n--XX\r\r\n--XX--", "--XX\r\n--X\r\n-XX\n--XX\r", NULL},
        /* what clients write besides */
        {"--XX\r\ncontent-disposition:form-data;name=\"a\";filename=\"C:\\\\x.json\"\r\n"
         "Content-Type: application/json\r\nContent-Length: 3\r\nX-Other:\r\n\r\none\r\n--XX--",
         "one", NULL},
        {"--XX\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: BINARY \r\n"
         "Content-Disposition: Form-Data ; filename=\"\xc3\xa9;name=b\"; name=\"\\a\" ; "
         "filename*=utf-8''e\r\n\r\n"
         "one\r\n--XX--",
         "one", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct multipart_part parts[2];
        struct stability_error error = {0};
        char *copy = split(cases[i].body, strlen(cases[i].body), parts, &error);
        assert_string_equal(error.message, "");
        const char *expected[] = {cases[i].a, cases[i].bee};
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(parts[k].bytes == NULL, expected[k] == NULL);
            if (expected[k] != NULL) {
                assert_int_equal(parts[k].length, strlen(expected[k]));
                assert_memory_equal(parts[k].bytes, expected[k], parts[k].length);
            }
        }
        free(copy);
    }
}

static void assert_refused(const char *body, size_t length, enum stability_code code, const char *message)
{
    struct multipart_part parts[2];
    struct stability_error error = {0};
    free(split(body, length, parts, &error));
    assert_string_equal(error.message, message);
    assert_int_equal(error.code, code);
    assert_string_equal(error.pointer, "");
}

static void refuses_what_is_malformed(void **unused)
{
    (void)unused;
    static const struct {
        const char *body;
        const char *message;
    } cases[] = {
        {"", "the multipart body has no line that begins with the delimiter '--XX'"},
        {"{}", "the multipart body has no line that begins with the delimiter '--XX'"},
        {"x--XX\r\n", "the multipart body has no line that begins with the delimiter '--XX'"},
        {"--XX", "at byte 4: expected CR LF after a delimiter, or -- after the last one"},
        {"--XX\n", "at byte 4: expected CR LF after a delimiter, or -- after the last one"},
        {"--XXY\r\n", "at byte 4: expected CR LF after a delimiter, or -- after the last one"},
        {"--XX-\r\n", "at byte 4: expected CR LF after a delimiter, or -- after the last one"},
        {"--XX--x", "at byte 6: expected CR LF after a delimiter, or -- after the last one"},
        {"--XX\r\n", "at byte 6: expected a header of at most 8192 bytes with a blank line behind it"},
        {"--XX\r\nContent-Type: x\r\n",
         "at byte 23: expected a header of at most 8192 bytes with a blank line behind it"},
        {"--XX\r\nContent-Type: x\n\n",
         "at byte 6: expected a header of at most 8192 bytes with a blank line behind it"},
        {"--XX\r\n\r\none\r\n--XX--",
         "at byte 6: expected a header with Content-Disposition: form-data; name=\"…\""},
        {"--XX\r\nContent-Disposition: form-data\r\n\r\n",
         "at byte 6: expected a header with Content-Disposition: form-data; name=\"…\""},
        {"--XX\r\nContent-Disposition: attachment; name=a\r\n\r\n",
         "at byte 27: expected one Content-Disposition of form-data"},
        {"--XX\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=a\r\n\r\n",
         "at byte 67: expected one Content-Disposition of form-data"},
        {"--XX\r\nContent-Disposition: form-data; name=a; name=bee\r\n\r\n",
         "at byte 36: expected parameters like name=\"weights\", each once"},
        {"--XX\r\nContent-Disposition: form-data; name=\"a\r\n\r\n",
         "at byte 36: expected parameters like name=\"weights\", each once"},
        {"--XX\r\nContent-Disposition: form-data; name\r\n\r\n",
         "at byte 36: expected parameters like name=\"weights\", each once"},
        {"--XX\r\nContent-Disposition: form-data name=a\r\n\r\n",
         "at byte 36: expected parameters like name=\"weights\", each once"},
        {"--XX\r\n folded: a\r\n\r\n", "at byte 6: expected a header field, which is a name and a colon"},
        {"--XX\r\nno colon\r\n\r\n", "at byte 8: expected a header field, which is a name and a colon"},
        {"--XX\r\nblank : a\r\n\r\n", "at byte 11: expected a header field, which is a name and a colon"},
        {"--XX\r\nX: a\x01"
         "b\r\n\r\n",
         "at byte 10: expected no control character in a header"},
        {"--XX\r\nX: a\rb\r\n\r\n", "at byte 10: expected no control character in a header"},
        {"--XX\r\nContent-Transfer-Encoding: base64\r\n\r\n",
         "at byte 33: expected the Content-Transfer-Encoding binary, 8bit or 7bit"},
        {"--XX\r\n" HEADER("a") "one",
         "the part 'a' begins at byte 48 and has no end: no delimiter '--XX' follows"},
        {"--XX\r\n" HEADER("a") "one--XX--",
         "the part 'a' begins at byte 48 and has no end: no delimiter '--XX' follows"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct multipart_part parts[2];
        struct stability_error error = {0};
        free(split(cases[i].body, strlen(cases[i].body), parts, &error));
        if (strstr(error.message, cases[i].message) == NULL) {
            fail_msg("case %zu: %s", i, error.message);
        }
        assert_int_equal(error.code, STABILITY_ERROR_MULTIPART);
    }
}

static void refuses_parts(void **unused)
{
    (void)unused;
    static const char unknown[] = "--XX\r\n" HEADER("\"be\"") "two\r\n--XX--";
    assert_refused(unknown, strlen(unknown), STABILITY_ERROR_UNKNOWN_MEMBER,
                   "there is no part 'be': did you mean 'bee'? (the parts are: a, bee)");
    static const char strange[] = "--XX\r\n" HEADER("\"model\"") "two\r\n--XX--";
    assert_refused(strange, strlen(strange), STABILITY_ERROR_UNKNOWN_MEMBER,
                   "there is no part 'model' (the parts are: a, bee)");
    static const char capital[] = "--XX\r\n" HEADER("\"A\"") "two\r\n--XX--";
    assert_refused(capital, strlen(capital), STABILITY_ERROR_UNKNOWN_MEMBER,
                   "there is no part 'A': did you mean 'a'? (the parts are: a, bee)");
    static const char twice[] = "--XX\r\n" HEADER("a") "\r\n--XX\r\n" HEADER("a") "\r\n--XX--";
    assert_refused(twice, strlen(twice), STABILITY_ERROR_DUPLICATE_KEY, "the part 'a' comes twice");
}

static void bounds_a_header(void **unused)
{
    (void)unused;
    static const char start[] = "--XX\r\nX: ";
    static const char end[] = "\r\n" HEADER("a") "one\r\n--XX--";
    const size_t fixed = strlen("X: \r\n" HEADER("a"));
    for (size_t excess = 0; excess < 2; excess++) {
        size_t filler = MULTIPART_HEADER_BYTES - fixed + excess;
        size_t length = strlen(start) + filler + strlen(end);
        char *body = malloc(length);
        assert_non_null(body);
        memset(body, 'x', length);
        memcpy(body, start, sizeof start - 1);
        memcpy(body + length - (sizeof end - 1), end, sizeof end - 1);
        struct multipart_part parts[2];
        struct stability_error error = {0};
        free(split(body, length, parts, &error));
        assert_int_equal(error.code, excess == 0 ? STABILITY_OK : STABILITY_ERROR_MULTIPART);
        free(body);
    }
}

/* Many beginnings of a delimiter take no more time than other bytes. */
static void takes_linear_time(void **unused)
{
    (void)unused;
    static const char header[] = "--XX\r\n" HEADER("a");
    size_t length = 8 << 20;
    char *body = malloc(length);
    assert_non_null(body);
    for (size_t i = 0; i < length; i++) {
        body[i] = "\r\n--X"[i % 5];
    }
    memcpy(body, header, sizeof header - 1);
    struct multipart_part parts[2];
    struct stability_error error = {0};
    free(split(body, length, parts, &error));
    assert_int_equal(error.code, STABILITY_ERROR_MULTIPART);
    free(body);
}

static const char whole[] =
    "--XX\r\nContent-Disposition: form-data; name=\"request\"; filename=r.json\r\n\r\n"
    "{\"x\": 1}\r\n--XX\r\nContent-Disposition: form-data; name=weights\r\n"
    "Content-Type: application/octet-stream\r\n\r\n\0\0\1\r\n--XX--\r\n";

static void opens_containers(void **unused)
{
    (void)unused;
    struct stability_error error = {0};
    struct input_body body;
    char bytes[sizeof whole];
    memcpy(bytes, whole, sizeof whole);
    assert_true(container_open(bytes, sizeof whole - 1, "XX", &body, &error));
    assert_int_equal(body.length, 8);
    assert_memory_equal(body.json, "{\"x\": 1}", 8);
    assert_int_equal(body.weights_length, 3);
    assert_memory_equal(body.weights, "\0\0\1", 3);
    assert_true(container_open(bytes, sizeof whole - 1, NULL, &body, &error));
    assert_ptr_equal(body.json, bytes);
    assert_int_equal(body.length, sizeof whole - 1);
    assert_null(body.weights);
    char lacking[] = "--XX\r\n" HEADER("weights") "one\r\n--XX--";
    assert_false(container_open(lacking, strlen(lacking), "XX", &body, &error));
    assert_int_equal(error.code, STABILITY_ERROR_MISSING_MEMBER);
    assert_string_equal(error.message, "a multipart body needs the part 'request', which is JSON");
}

static void survives_every_change(void **unused)
{
    (void)unused;
    static const char bytes[] = "\0\"\\;:=-\r\n \tXan";
    for (size_t i = 0; i < sizeof whole - 1; i++) {
        struct stability_error truncated = {0};
        struct input_body body;
        char *copy = malloc(sizeof whole - 1);
        assert_non_null(copy);
        memcpy(copy, whole, i);
        char *beginning = realloc(copy, i + (i == 0));
        assert_non_null(beginning);
        assert_int_equal(container_open(beginning, i, "XX", &body, &truncated), i == sizeof whole - 3);
        free(beginning);
        for (size_t k = 0; k < sizeof bytes - 1; k++) {
            struct stability_error error = {0};
            char changed[sizeof whole];
            memcpy(changed, whole, sizeof whole);
            changed[i] = bytes[k];
            bool done = container_open(changed, sizeof whole - 1, "XX", &body, &error);
            assert_int_equal(done, error.code == STABILITY_OK);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_boundaries),      cmocka_unit_test(refuses_boundaries),
        cmocka_unit_test(finds_parts),           cmocka_unit_test(refuses_what_is_malformed),
        cmocka_unit_test(refuses_parts),         cmocka_unit_test(bounds_a_header),
        cmocka_unit_test(takes_linear_time),     cmocka_unit_test(opens_containers),
        cmocka_unit_test(survives_every_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
