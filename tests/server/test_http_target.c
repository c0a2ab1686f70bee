/* The parts of a request's target. */
#include "server/http/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Checks a target against "path" and then "name=value" for each parameter. */
static void expect(const char *raw, const char *path, size_t count, const char *const *parameters)
{
    struct stability_error error = {0};
    struct http_target *target = http_target_new(raw, &error);
    assert_non_null(target);
    assert_string_equal(target->path, path);
    assert_int_equal(target->parameter_count, count);
    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(parameters[i], "=");
        assert_int_equal(strlen(target->parameters[i].name), length);
        assert_memory_equal(target->parameters[i].name, parameters[i], length);
        assert_string_equal(target->parameters[i].value, parameters[i] + length + 1);
    }
    free(target);
}

static void parses_paths(void **unused)
{
    (void)unused;
    expect("/", "/", 0, NULL);
    expect("/a/b", "/a/b", 0, NULL);
    expect("/a%2Fb%20c%e9", "/a/b c\xe9", 0, NULL);
    expect("/a+b", "/a+b", 0, NULL);
    expect("*", "*", 0, NULL);
    expect("/?", "/", 0, NULL);
    expect("/?&&", "/", 0, NULL);
    expect("http://example.org/a?b=c", "/a", 1, (const char *const[]){"b=c"});
    expect("http://example.org", "", 0, NULL);
    expect("http://example.org?b=c", "", 1, (const char *const[]){"b=c"});
    expect("/a?b=http://c/d", "/a", 1, (const char *const[]){"b=http://c/d"});
}

static void parses_queries(void **unused)
{
    (void)unused;
    expect("/?a=1&b=2", "/", 2, (const char *const[]){"a=1", "b=2"});
    expect("/?&a=1&&b=2&", "/", 2, (const char *const[]){"a=1", "b=2"});
    expect("/?a&b=&=c", "/", 3, (const char *const[]){"a=", "b=", "=c"});
    expect("/?a=1=2", "/", 1, (const char *const[]){"a=1=2"});
    expect("/?%61=%26+%2B%3d", "/", 1, (const char *const[]){"a=& +="});
    expect("/?a=b?c", "/", 1, (const char *const[]){"a=b?c"});
}

static void refuses(void **unused)
{
    static const struct {
        const char *raw;
        enum stability_code code;
    } cases[] = {
        {"/%", STABILITY_ERROR_PARAMETER},      {"/%4", STABILITY_ERROR_PARAMETER},
        {"/%4g", STABILITY_ERROR_PARAMETER},    {"/%g4", STABILITY_ERROR_PARAMETER},
        {"/%00", STABILITY_ERROR_PARAMETER},    {"/?a=%", STABILITY_ERROR_PARAMETER},
        {"/?%zz=a", STABILITY_ERROR_PARAMETER}, {"/?a=%00", STABILITY_ERROR_PARAMETER},
        {"/a b", STABILITY_ERROR_FRAMING},      {"/a\tb", STABILITY_ERROR_FRAMING},
        {"/a\x7f", STABILITY_ERROR_FRAMING},    {"/\xc3\xa9", STABILITY_ERROR_FRAMING},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stability_error error = {0};
        assert_null(http_target_new(cases[i].raw, &error));
        assert_int_equal(error.code, cases[i].code);
    }
}

static void takes_many_parameters(void **unused)
{
    (void)unused;
    char raw[4001] = "/?";
    for (size_t i = 2; i < sizeof(raw) - 1; i += 2) {
        memcpy(raw + i, "a&", 3);
    }
    struct stability_error error = {0};
    struct http_target *target = http_target_new(raw, &error);
    assert_non_null(target);
    assert_int_equal(target->parameter_count, 1999);
    free(target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_paths),
        cmocka_unit_test(parses_queries),
        cmocka_unit_test(refuses),
        cmocka_unit_test(takes_many_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
