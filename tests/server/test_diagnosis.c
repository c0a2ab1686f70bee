/* From the bytes of a request to those of its report, when things go wrong on the way. */
#include "server/diagnosis.h"

#include "server/clock.h"
#include "support_allocation.h"

#include <stability/stability.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char request[] =
    "{\"model\": {\"layers\": [{\"name\": \"fc1\", \"type\": \"Linear\", \"in_features\": 2, "
    "\"out_features\": 3},"
    " {\"name\": \"act\", \"type\": \"ReLU\"},"
    " {\"name\": \"fc2\", \"type\": \"Linear\", \"in_features\": 3, \"out_features\": 2,"
    "  \"init\": {\"weight\": {\"init\": \"normal_\", \"std\": 1e30}}}],"
    " \"loss\": {\"type\": \"CrossEntropyLoss\"}},"
    " \"weights\": {\"fc1.weight\": [[0.1, -0.2], [0.3, 0.4], [-0.5, 0.6]]},"
    " \"data\": {\"input\": [[1, 2], [3, -4]], \"target\": [0, 1]}}";

/* The body is too short for any of it to be changed. */
static struct diagnosis_call call_for(const char *body, const char *format)
{
    return (struct diagnosis_call){.body = {.json = (char *)(uintptr_t)body, .length = strlen(body)},
                                   .threads = 1,
                                   .choice.format = format_find(format),
                                   .limits = stability_default_limits};
}

static int initialize(void **unused)
{
    struct stability_error error = {0};
    (void)unused;
    input_initialize();
    return stability_initialize(&error) ? 0 : 1;
}

/* The report's bytes, which the caller frees. */
static char *run(const struct diagnosis_call *call)
{
    struct diagnosis diagnosis = {0};
    if (!diagnosis_run(call, &diagnosis)) {
        fail_msg("%s", diagnosis.error.message);
    }
    char *body = diagnosis.body.data;
    diagnosis.body = (struct buffer){0};
    diagnosis_free(&diagnosis);
    return body;
}

static enum stability_code run_failing(const struct diagnosis_call *call)
{
    struct diagnosis diagnosis = {0};
    assert_false(diagnosis_run(call, &diagnosis));
    enum stability_code code = diagnosis.error.code;
    assert_true(strlen(diagnosis.error.message) > 10);
    diagnosis_free(&diagnosis);
    return code;
}

/* Every allocation of a request fails in turn: an error, no leak, no crash, and the same report again after
 * it. */
static void every_allocation_fails(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < format_count(); i++) {
        const struct diagnosis_call call = call_for(request, format_at(i)->name);
        char *expected = run(&call);
        bool failed = true;
        for (long count = 0; failed; count++) {
            struct diagnosis diagnosis = {0};
            support_fail_allocation_after(count);
            bool done = diagnosis_run(&call, &diagnosis);
            failed = support_allocation_has_failed();
            if (done) {
                assert_string_equal(diagnosis.body.data, expected);
            } else {
                assert_true(failed);
                if (diagnosis.error.code != STABILITY_ERROR_OUT_OF_MEMORY) {
                    fail_msg("allocation %ld: %s", count, diagnosis.error.message);
                }
            }
            diagnosis_free(&diagnosis);
        }
        free(expected);
    }
}

static void fails_by_severity(void **unused)
{
    (void)unused;
    struct diagnosis_call call = call_for(request, "json");
    struct diagnosis diagnosis = {0};
    call.choice.gated = true;
    call.choice.fail_on = STABILITY_ERROR_SEVERITY;
    assert_true(diagnosis_run(&call, &diagnosis));
    assert_true(diagnosis.fails);
    assert_non_null(strstr(diagnosis.body.data, "\"verdict\":\"unstable\""));
    diagnosis_free(&diagnosis);
    call.choice.gated = false;
    assert_true(diagnosis_run(&call, &diagnosis));
    assert_false(diagnosis.fails);
    diagnosis_free(&diagnosis);
}

static void takes_its_memory_from_the_budget(void **unused)
{
    (void)unused;
    struct budget budget = {.total = 1 << 30};
    struct diagnosis_call call = call_for(request, "json");
    call.memory = &budget;
    free(run(&call));
    assert_int_equal(budget.reserved, 0);
    assert_true(budget_reserve(&budget, budget.total));
    assert_int_equal(run_failing(&call), STABILITY_ERROR_OUT_OF_MEMORY);
    assert_int_equal(budget.reserved, budget.total);
    budget_release(&budget, budget.total);
    budget.total = 100;
    assert_int_equal(run_failing(&call), STABILITY_ERROR_MODEL_TOO_LARGE);
    budget.total = 1 << 30;
    call.limits.bytes = 100;
    assert_int_equal(run_failing(&call), STABILITY_ERROR_MODEL_TOO_LARGE);
}

static void stops_at_its_deadline(void **unused)
{
    (void)unused;
    struct diagnosis_call call = call_for(request, "json");
    call.deadline = clock_seconds() - 1;
    assert_int_equal(run_failing(&call), STABILITY_ERROR_DEADLINE);
    call.deadline = clock_seconds() + 1000;
    free(run(&call));
}

/* Wanted for so many questions, and then no longer. */
static bool is_wanted(void *context)
{
    int *patience = context;
    return (*patience)-- > 0;
}

static void stops_when_nobody_waits(void **unused)
{
    (void)unused;
    struct diagnosis_call call = call_for(request, "json");
    int questions = 1000;
    call.wanted = is_wanted;
    call.context = &questions;
    free(run(&call));
    questions = 1000 - questions;
    assert_true(questions > 3); /* at least once a layer */
    for (int patience = 0; patience < questions; patience++) {
        int left = patience;
        call.context = &left;
        assert_int_equal(run_failing(&call), STABILITY_ERROR_CANCELLED);
    }
}

static void tells_where_the_syntax_is_wrong(void **unused)
{
    (void)unused;
    const struct diagnosis_call call = call_for("{\n  ?}", "json");
    struct diagnosis diagnosis = {0};
    assert_false(diagnosis_run(&call, &diagnosis));
    assert_int_equal(diagnosis.error.code, STABILITY_ERROR_SYNTAX);
    assert_true(diagnosis.position.known);
    assert_int_equal(diagnosis.position.line, 2);
    assert_int_equal(diagnosis.position.column, 3);
    diagnosis_free(&diagnosis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_fails),           cmocka_unit_test(fails_by_severity),
        cmocka_unit_test(takes_its_memory_from_the_budget), cmocka_unit_test(stops_at_its_deadline),
        cmocka_unit_test(stops_when_nobody_waits),          cmocka_unit_test(tells_where_the_syntax_is_wrong),
    };
    return cmocka_run_group_tests(tests, initialize, NULL);
}
