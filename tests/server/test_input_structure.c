/* What of a request jansson reads is paid for. */
#include "server/input/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Objects take more than 60 times what they are in the text. */
static void memory_is_taken_from_the_budget(void **unused)
{
    enum { OBJECTS = 100000 };
    static const struct {
        int64_t total;
        enum stability_code code;
    } cases[] = {{16 << 20, STABILITY_ERROR_MODEL_TOO_LARGE}, {64 << 20, STABILITY_ERROR_INVALID_VALUE}};
    static const struct stability_limits none = {0};
    static char body[3 * OBJECTS + 16] = "{\"data\":[{}";
    size_t length = strlen(body);
    (void)unused;
    for (int i = 1; i < OBJECTS; i++) {
        body[length++] = ',';
        body[length++] = '{';
        body[length++] = '}';
    }
    body[length++] = ']';
    body[length++] = '}';
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct budget budget = {.total = cases[i].total};
        struct claim claim = {.budget = &budget};
        const struct input_body whole = {.json = body, .length = length, .claim = &claim};
        struct stability_error error = {0};
        struct input_position where;
        assert_null(input_request_parse(&whole, INPUT_DIAGNOSE, &none, &where, &error));
        assert_int_equal(error.code, cases[i].code);
        claim_release(&claim);
        assert_int_equal(budget.reserved, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_taken_from_the_budget),
    };
    input_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
