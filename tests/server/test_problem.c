/* Problem documents. */
#include "server/problem.h"

#include "server/input/position.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void expect(const struct stability_error *error, const struct input_position *position,
                   const char *request_id, const char *expected)
{
    struct buffer body = {0};
    problem_write(error, position, request_id, &body);
    assert_false(body.failed);
    assert_string_equal(body.data, expected);
    buffer_free(&body);
}

static void tells_everything(void **unused)
{
    (void)unused;
    struct stability_error error = {0};
    const struct input_position position = {true, 3, 7, 42};
    stability_fail(&error, STABILITY_ERROR_SYNTAX, "/model/\"a\"", "a \"quote\" and a line\nbreak");
    expect(&error, &position, "id-1",
           "{\"type\":\"urn:stabilityd:problem:invalid-json\",\"title\":\"The body is not valid "
           "JSON\",\"status\":400,"
           "\"detail\":\"a \\\"quote\\\" and a "
           "line\\nbreak\",\"code\":\"invalid-json\",\"pointer\":\"/model/\\\"a\\\"\","
           "\"line\":3,\"column\":7,\"offset\":42,\"request_id\":\"id-1\",\"error\":\"a \\\"quote\\\" and a "
           "line\\nbreak\"}"
           "\n");
}

static void leaves_out_what_there_is_not(void **unused)
{
    (void)unused;
    struct stability_error error = {0};
    const struct input_position unknown = {0};
    static const char expected[] =
        "{\"type\":\"urn:stabilityd:problem:queue-full\",\"title\":\"The queue is full\",\"status\":503,"
        "\"detail\":\"full\",\"code\":\"queue-full\",\"error\":\"full\"}\n";
    stability_fail(&error, STABILITY_ERROR_QUEUE_FULL, NULL, "full");
    expect(&error, NULL, NULL, expected);
    expect(&error, &unknown, NULL, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_everything),
        cmocka_unit_test(leaves_out_what_there_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
