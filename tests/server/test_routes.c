/* The table of routes, and how a request finds its route. */
#include "server/routes/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_route_is_complete(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < route_count(); i++) {
        const struct route *route = route_at(i);
        assert_int_equal(route->path[0], '/');
        assert_true(strlen(route->documentation) > 10);
        assert_non_null(route->handle);
        for (size_t j = 0; j < i; j++) {
            assert_false(strcmp(route->path, route_at(j)->path) == 0 &&
                         strcmp(route->method, route_at(j)->method) == 0);
        }
    }
}

static void every_route_is_found(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < route_count(); i++) {
        const struct route *route = route_at(i);
        struct http_response response = {0};
        struct stability_error error = {0};
        assert_ptr_equal(route_find(route->method, route->path, &response, &error), route);
        if (strcmp(route->method, "GET") == 0) {
            assert_ptr_equal(route_find("HEAD", route->path, &response, &error), route);
        }
        assert_int_equal(error.code, STABILITY_OK);
        assert_int_equal(response.header_count, 0);

        assert_null(route_find("BREW", route->path, &response, &error));
        assert_int_equal(error.code, STABILITY_ERROR_METHOD_NOT_ALLOWED);
        assert_int_equal(response.header_count, 1);
        assert_string_equal(response.headers[0].name, "Allow");
        assert_non_null(strstr(response.headers[0].value, route->method));
    }
}

static void other_paths_are_not_found(void **unused)
{
    static const char *const paths[] = {"", "/", "/v1", "/v1/diagnose/", "/V1/DIAGNOSE", "*"};
    (void)unused;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_response response = {0};
        struct stability_error error = {0};
        assert_null(route_find("GET", paths[i], &response, &error));
        assert_int_equal(error.code, STABILITY_ERROR_NOT_FOUND);
        assert_int_equal(response.header_count, 0);
    }
}

static enum stability_code read_query(const char *path, const char *raw, struct report_choice *choice)
{
    struct http_response response = {0};
    struct stability_error error = {0};
    const struct route *route =
        route_find(strcmp(path, "/v1/diagnose") == 0 ? "POST" : "GET", path, &response, &error);
    struct http_target *target = http_target_new(raw, &error);
    assert_non_null(route);
    assert_non_null(target);
    bool read = route_parameters(route, target, choice, &error);
    assert_int_equal(read, error.code == STABILITY_OK);
    free(target);
    return error.code;
}

static void reads_parameters(void **unused)
{
    (void)unused;
    struct report_choice choice = {0};
    assert_int_equal(read_query("/v1/diagnose", "/?format=text&fail_on=warning", &choice), STABILITY_OK);
    assert_string_equal(choice.format->name, "text");
    assert_true(choice.gated);
    assert_int_equal(choice.fail_on, STABILITY_WARNING);
    choice = (struct report_choice){0};
    assert_int_equal(read_query("/v1/diagnose", "/", &choice), STABILITY_OK);
    assert_null(choice.format);
    assert_false(choice.gated);
    assert_int_equal(read_query("/v1/diagnose", "/?format=x", &choice), STABILITY_ERROR_NOT_ACCEPTABLE);
    assert_int_equal(read_query("/v1/diagnose", "/?fail_on=x", &choice), STABILITY_ERROR_PARAMETER);
    assert_int_equal(read_query("/v1/diagnose", "/?x=1", &choice), STABILITY_ERROR_PARAMETER);
    assert_int_equal(read_query("/v1/diagnose", "/?format=text&format=text", &choice),
                     STABILITY_ERROR_PARAMETER);
    assert_int_equal(read_query("/v1/layers", "/?format=json", &choice), STABILITY_ERROR_PARAMETER);
    assert_int_equal(read_query("/v1/layers", "/", &choice), STABILITY_OK);
}

static void fails_from_a_severity_on(void **unused)
{
    (void)unused;
    struct stability_report report = {0};
    struct stability_error error = {0};
    struct report_choice choice = {0};
    const struct stability_finding findings[] = {
        {.severity = STABILITY_WARNING, .fingerprint = "0000000000000001"},
        {.severity = STABILITY_WARNING, .fingerprint = "0000000000000002"},
    };
    report.findings = findings;
    report.finding_count = 2;
    assert_false(report_fails(&choice, &report));
    assert_true(report_choose_fail_on(&choice, "info", &error));
    assert_true(report_fails(&choice, &report));
    assert_true(report_choose_fail_on(&choice, "warning", &error));
    assert_true(report_fails(&choice, &report));
    assert_true(report_choose_fail_on(&choice, "error", &error));
    assert_false(report_fails(&choice, &report));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_complete),   cmocka_unit_test(every_route_is_found),
        cmocka_unit_test(other_paths_are_not_found), cmocka_unit_test(reads_parameters),
        cmocka_unit_test(fails_from_a_severity_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
