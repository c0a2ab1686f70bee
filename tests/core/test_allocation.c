/* A whole diagnosis, with each of its allocations failing in turn. Leaks are found by running it with a leak
 * checker. */
#include "support.h"
#include "support_allocation.h"

/* In place of the library's arena: one whose every piece is an allocation. */
#define ARENA_FIRST_SIZE 1
#define ARENA_GREATEST_SIZE 1
#include "core/arena.c"

#include <stability/stability.h>

#define NUMBER(text, value)                               \
    {                                                     \
        text,                                             \
        {                                                 \
            .kind = STABILITY_INTEGER, .integer = (value) \
        }                                                 \
    }

static const struct stability_member linear1[] = {NUMBER("in_features", 6), NUMBER("out_features", 5)};
static const struct stability_member linear2[] = {NUMBER("in_features", 5), NUMBER("out_features", 5)};
static const struct stability_member linear3[] = {NUMBER("in_features", 5), NUMBER("out_features", 3)};
static const struct stability_init orthogonal[] = {{"weight", {.name = "orthogonal_"}}};
static const struct stability_init sparse[] = {
    {"weight", {"sparse_", {1, (const struct stability_member[]){NUMBER("sparsity", 1)}}, {0}}}};

static const char *const both[] = {"fc2", "act1"};
static const struct stability_layer layers[] = {
    {.name = "fc1", .type = "Linear", .attributes = {2, linear1}, .init = {1, orthogonal}},
    {.name = "act1", .type = "ReLU"},
    {.name = "fc2", .type = "Linear", .attributes = {2, linear2}, .init = {1, sparse}},
    {.name = "sum", .type = "Add", .input_count = 2, .inputs = both},
    {.name = "drop", .type = "Dropout"},
    {.name = "act2", .type = "Sigmoid"},
    {.name = "fc3", .type = "Linear", .attributes = {2, linear3}},
};

static const float bias[5] = {-100, -100, -100, -100, -100};
static const struct stability_named_tensor weights[] = {
    {.name = "fc1.bias", .tensor = {STABILITY_FLOAT32, {1, {5}}, bias}}};

static const int64_t targets[4] = {0, 1, 2, 1};
static const struct stability_named_tensor data[] = {
    {.name = "input", .recipe = {"normal", {0, NULL}, {2, {4, 6}}}},
    {.name = "target", .tensor = {STABILITY_INT64, {1, {4}}, targets}}};

static struct stability_report *diagnose(struct stability_error *error)
{
    struct stability_request request = {
        .model = {.name = "small",
                  .layer_count = sizeof layers / sizeof *layers,
                  .layers = layers,
                  .loss = {.type = "CrossEntropyLoss"}},
        .weights = {1, weights},
        .data = {2, data},
        .options = stability_default_options,
    };
    struct stability_plan *plan = stability_plan_new(&request, error);
    struct stability_report *report = plan ? stability_diagnose(plan, error) : NULL;
    stability_plan_free(plan);
    return report;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct stability_error error = {0};
    struct stability_report *report = diagnose(&error);
    assert_string_equal(error.message, "");
    assert_non_null(report);
    assert_true(report->finding_count > 0); /* all units of act1 are dead */
    const double loss = report->loss;
    const size_t findings = report->finding_count;
    stability_report_free(report);
    long failed = 0;
    for (bool more = true; more; failed += more) {
        struct stability_error failure = {0};
        support_fail_allocation_after(failed);
        report = diagnose(&failure);
        more = support_allocation_has_failed();
        if (report) { /* what could not be allocated was not needed */
            assert_int_equal(failure.code, STABILITY_OK);
            assert_true(report->loss == loss && report->finding_count == findings);
        } else {
            assert_true(more);
            assert_int_equal(failure.code, STABILITY_ERROR_OUT_OF_MEMORY);
            assert_true(failure.message[0] != '\0');
        }
        stability_report_free(report);
    }
    assert_true(failed > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    struct stability_error error = {0};
    return stability_initialize(&error) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
