/* Whole diagnoses, with each of their allocations failing in turn. Leaks are found by running it with a leak
 * checker. */
#include "request_builder.h"
#include "support.h"
#include "support_allocation.h"

/* In place of the library's arena: one whose every piece is an allocation. */
#define ARENA_FIRST_SIZE 1
#define ARENA_GREATEST_SIZE 1
#include "core/arena.c" // NOLINT(bugprone-suspicious-include)

#include <stability/stability.h>

#include <math.h>

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
    {"weight",
     {.name = "sparse_", .arguments = {1, (const struct stability_member[]){NUMBER("sparsity", 1)}}}}};

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
    {.name = "input", .recipe = {.name = "normal", .shape = {2, {4, 6}}}},
    {.name = "target", .tensor = {STABILITY_INT64, {1, {4}}, targets}}};

static const struct stability_request drawn = {
    .model = {.name = "small",
              .layer_count = sizeof layers / sizeof *layers,
              .layers = layers,
              .loss = {.type = "CrossEntropyLoss"}},
    .weights = {1, weights},
    .data = {2, data},
};

static struct stability_report *diagnose(const struct stability_request *request,
                                         struct stability_error *error)
{
    struct stability_plan *plan = stability_plan_new(request, error);
    struct stability_report *report = plan ? stability_diagnose(plan, error) : NULL;
    stability_plan_free(plan);
    return report;
}

/* Fails each allocation in turn; returns how many there are. Where memory ran out while the error `code` was
 * described, that error may still come, with fewer words. */
static long fail_each(const struct stability_request *request, enum stability_code code)
{
    long failed = 0;
    for (bool more = true; more; failed += more) {
        struct stability_error failure = {0};
        support_fail_allocation_after(failed);
        struct stability_report *report = diagnose(request, &failure);
        more = support_allocation_has_failed();
        if (more && failure.code != code)
            assert_int_equal(failure.code, STABILITY_ERROR_OUT_OF_MEMORY);
        assert_int_equal(failure.message[0] != '\0', failure.code != STABILITY_OK);
        assert_int_equal(report != NULL, failure.code == STABILITY_OK);
        stability_report_free(report);
    }
    return failed;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct stability_error error = {0};
    struct stability_request request = drawn;
    request.options = stability_default_options;
    struct stability_report *report = diagnose(&request, &error);
    assert_string_equal(error.message, "");
    assert_non_null(report);
    assert_true(report->finding_count > 0); /* all units of act1 are dead */
    stability_report_free(report);
    assert_true(fail_each(&request, STABILITY_ERROR_OUT_OF_MEMORY) > 50);
}

/* Analyses with runs of their own, both with whole matrices and by Lanczos' method. */
static void every_allocation_of_an_analysis_may_fail(void **state)
{
    (void)state;
    static const struct stability_member small = NUMBER("exact", 1);
    for (int lanczos = 0; lanczos < 2; lanczos++) {
        struct stability_members settings = {(size_t)lanczos, &small};
        const struct stability_analysis asked[] = {
            {"jacobian", settings}, {"curvature", settings}, {"precision", {0}}};
        struct stability_request request = drawn;
        request.options = stability_default_options;
        request.options.analyses = asked;
        request.options.analysis_count = 3;
        assert_true(fail_each(&request, STABILITY_ERROR_OUT_OF_MEMORY) > 100);
    }
}

static void every_allocation_of_training_may_fail(void **state)
{
    (void)state;
    static const struct stability_member settings[] = {
        NUMBER("steps", 1), {"optimizer", {STABILITY_STRING, .string = "Adam"}}, NUMBER("clip_grad_norm", 1)};
    const struct stability_analysis asked[] = {{"training", {3, settings}}, {"learning_rate", {3, settings}}};
    struct stability_request request = drawn;
    request.options = stability_default_options;
    request.options.analyses = asked;
    request.options.analysis_count = 2;
    assert_true(fail_each(&request, STABILITY_ERROR_OUT_OF_MEMORY) > 100);
}

/* Shared weights, class weights, indices, a threshold, time steps; an overflow, which is looked for in a
 * second run. */
static void arrange(struct builder *b)
{
    builder_integers(b, "input", SHAPE(2, 2), (int64_t[]){0, 1, 2, 1});
    builder_integers(b, "target", SHAPE(2), (int64_t[]){0, 2});
    builder_layer(b, "table", "Embedding", NULL);
    builder_integer(b, "num_embeddings", 3);
    builder_integer(b, "embedding_dim", 2);
    builder_weight(b, "table.weight", SHAPE(3, 2), (double[]){1, 2, 1000, 4, 5, 6});
    builder_layer(b, "rnn", "RNN", NULL);
    builder_integer(b, "input_size", 2);
    builder_integer(b, "hidden_size", 2);
    builder_layer(b, "last", "Select", NULL);
    builder_integer(b, "dim", 0);
    builder_integer(b, "index", 1);
    builder_linear(b, "logits", NULL, 2, 3);
    b->layers[3].weights_from = "table";
    builder_layer(b, "exp", "Exp", NULL);
    builder_loss(b, "CrossEntropyLoss", NULL);
    static const double class_weights[3] = {1, 2, 3};
    b->next_attribute[0] =
        (struct stability_member){"weight", {STABILITY_LIST, .list = {3, class_weights, false}}};
    b->attributes->count = 1;
    builder_threshold(b, "exploding-activation", "", 1);
}

static void every_allocation_of_a_search_may_fail(void **state)
{
    (void)state;
    struct builder b = {0};
    arrange(&b);
    struct stability_report *report = builder_diagnose(&b);
    assert_non_null(report_finding(report, "non-finite"));
    stability_report_free(report);
    assert_true(fail_each(&b.request, STABILITY_ERROR_OUT_OF_MEMORY) > 50);
    builder_free(&b);
}

static void every_allocation_of_a_refusal_may_fail(void **state)
{
    (void)state;
    enum { CASES = 6 };
    for (int i = 0; i < CASES; i++) {
        struct builder b = {0};
        struct stability_error error = {0};
        arrange(&b);
        const char *reads_itself[] = {"last"}, *unknown[] = {"tabel"};
        if (i == 0)
            b.layers[4].type = "Expp";
        if (i == 1)
            b.weights[0].name = "tables.weight";
        if (i == 2)
            b.rules[0].rule = "exploding-activations";
        if (i == 3)
            b.nodes[2].attributes[0].name = "dims";
        if (i >= 4) {
            b.layers[2].input_count = 1;
            b.layers[2].inputs = i == 4 ? reads_itself : unknown;
        }
        assert_null(diagnose(&b.request, &error));
        fail_each(&b.request, error.code);
        builder_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(every_allocation_of_an_analysis_may_fail),
        cmocka_unit_test(every_allocation_of_training_may_fail),
        cmocka_unit_test(every_allocation_of_a_search_may_fail),
        cmocka_unit_test(every_allocation_of_a_refusal_may_fail),
    };
    struct stability_error error = {0};
    return stability_initialize(&error) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
