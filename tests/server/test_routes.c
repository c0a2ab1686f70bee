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
    static const char *const paths[] = {"", "/v1", "/v1/diagnose/", "/V1/DIAGNOSE", "*"};
    (void)unused;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_response response = {0};
        struct stability_error error = {0};
        assert_null(route_find("GET", paths[i], &response, &error));
        assert_int_equal(error.code, STABILITY_ERROR_NOT_FOUND);
        assert_int_equal(response.header_count, 0);
    }
}

static enum stability_code read_query(const char *method, const char *raw, struct http_request *request)
{
    struct http_response response = {0};
    struct stability_error error = {0};
    struct http_target *target = http_target_new(raw, &error);
    assert_non_null(target);
    const struct route *route = route_find(method, target->path, &response, &error);
    assert_non_null(route);
    bool read = route_parameters(route, target, request, &error);
    assert_int_equal(read, error.code == STABILITY_OK);
    free(target);
    return error.code;
}

static void reads_parameters(void **unused)
{
    (void)unused;
    struct http_request request = {0};
    assert_int_equal(read_query("POST", "/v1/diagnose?format=text&fail_on=warning", &request), STABILITY_OK);
    assert_string_equal(request.choice.format->name, "text");
    assert_true(request.choice.gated);
    assert_int_equal(request.choice.fail_on, STABILITY_WARNING);
    request = (struct http_request){0};
    assert_int_equal(read_query("POST", "/v1/diagnose", &request), STABILITY_OK);
    assert_null(request.choice.format);
    assert_false(request.choice.gated);
    assert_null(request.save);
    assert_null(request.baseline);
}

static void refuses_parameters(void **unused)
{
    static const struct {
        const char *method;
        const char *target;
        enum stability_code code;
    } cases[] = {
        {"POST", "/v1/diagnose?format=x", STABILITY_ERROR_NOT_ACCEPTABLE},
        {"POST", "/v1/diagnose?fail_on=x", STABILITY_ERROR_PARAMETER},
        {"POST", "/v1/diagnose?x=1", STABILITY_ERROR_PARAMETER},
        {"POST", "/v1/diagnose?format=text&format=text", STABILITY_ERROR_PARAMETER},
        {"POST", "/v1/diagnose?save=", STABILITY_ERROR_PARAMETER},
        {"POST", "/v1/diagnose?save=%0a", STABILITY_ERROR_PARAMETER},
        {"POST", "/v1/diagnose?save=%ff", STABILITY_ERROR_PARAMETER},
        {"POST", "/v1/diagnose?save=a+name", STABILITY_OK},
        {"POST", "/v1/diagnose?save=%E2%82%AC", STABILITY_OK},
        {"POST", "/v1/diagnose?baseline=x", STABILITY_ERROR_UNKNOWN_BASELINE},
        {"POST", "/v1/diagnose?baseline=00112233445566778899aabbccddeeff", STABILITY_OK},
        {"POST", "/v1/gradcheck?baseline=00112233445566778899aabbccddeeff", STABILITY_ERROR_PARAMETER},
        {"GET", "/v1/layers?format=json", STABILITY_ERROR_PARAMETER},
        {"GET", "/v1/layers", STABILITY_OK},
        {"GET", "/v1/reports?limit=0", STABILITY_ERROR_PARAMETER},
        {"GET", "/v1/reports?limit=1001", STABILITY_ERROR_PARAMETER},
        {"GET", "/v1/reports?limit=ten", STABILITY_ERROR_PARAMETER},
        {"GET", "/v1/reports?after=ten", STABILITY_ERROR_PARAMETER},
        {"GET", "/v1/reports?model=a&name=b&limit=10", STABILITY_OK},
        {"GET", "/v1/jobs/x?format=json", STABILITY_ERROR_PARAMETER},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_request request = {0};
        assert_int_equal(read_query(cases[i].method, cases[i].target, &request), cases[i].code);
    }
}

static void a_segment_stands_for_the_id(void **unused)
{
    (void)unused;
    struct http_request request = {0};
    assert_int_equal(read_query("GET", "/v1/jobs/abc/result?format=text", &request), STABILITY_OK);
    assert_string_equal(request.resource, "abc");
    assert_int_equal(read_query("DELETE", "/v1/jobs/abc", &request), STABILITY_OK);
    static const char *const others[] = {"/v1/jobs/",        "/v1/jobs",           "/v1/jobs/a/b",
                                         "/v1/jobs//result", "/v1/jobs/a/result/", "/v1/reports/"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct http_response response = {0};
        struct stability_error error = {0};
        assert_null(route_find("GET", others[i], &response, &error));
        assert_int_equal(error.code, STABILITY_ERROR_NOT_FOUND);
    }
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

    struct report_finding known[] = {{STABILITY_WARNING, "0000000000000001"}};
    const struct report_findings baseline = {.count = 1, .items = known};
    assert_true(report_choose_fail_on(&choice, "warning", &error));
    choice.baseline = &baseline;
    assert_true(report_fails(&choice, &report));
    report.finding_count = 1;
    assert_false(report_fails(&choice, &report));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_complete),   cmocka_unit_test(every_route_is_found),
        cmocka_unit_test(other_paths_are_not_found), cmocka_unit_test(reads_parameters),
        cmocka_unit_test(refuses_parameters),        cmocka_unit_test(a_segment_stands_for_the_id),
        cmocka_unit_test(fails_from_a_severity_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
