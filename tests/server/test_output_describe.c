/* What the server says of itself: hand-made rows to the byte, and the registry's own as valid JSON. */
#include "failing_buffer.h"
#include "server/output/describe.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

static const struct stability_attribute attributes[] = {
    {.name = "size",
     .kind = STABILITY_ATTRIBUTE_INTEGER,
     .required = true,
     .minimum = 1,
     .documentation = "a size"},
    {.name = "slope", .kind = STABILITY_ATTRIBUTE_REAL, .number = 0.01, .documentation = "any number"},
    {.name = "p", .kind = STABILITY_ATTRIBUTE_REAL, .number = 0.5, .minimum = 0, .maximum = 1},
    {.name = "eps", .kind = STABILITY_ATTRIBUTE_REAL, .number = 1e-5, .exclusive = true},
    {.name = "least", .kind = STABILITY_ATTRIBUTE_INTEGER, .maximum = INFINITY},
    {.name = "momentum", .kind = STABILITY_ATTRIBUTE_REAL, .nullable = true, .number = 0.1},
    {.name = "dim", .kind = STABILITY_ATTRIBUTE_INTEGER, .nullable = true, .minimum = -8, .maximum = 7},
    {.name = "bias", .kind = STABILITY_ATTRIBUTE_BOOLEAN, .number = 1},
    {.name = "inplace", .kind = STABILITY_ATTRIBUTE_BOOLEAN},
    {.name = "mode", .kind = STABILITY_ATTRIBUTE_CHOICE, .choice = "zeros", .choices = "zeros reflect"},
    {.name = "padding", .kind = STABILITY_ATTRIBUTE_INTEGERS, .choices = "same", .items = 2},
    {.name = "stride", .kind = STABILITY_ATTRIBUTE_INTEGERS, .nullable = true, .minimum = 1, .items = 2},
    {.name = "auto", .kind = STABILITY_ATTRIBUTE_INTEGERS, .choice = "same", .choices = "same valid"},
    {.name = "pos_weight", .kind = STABILITY_ATTRIBUTE_TENSOR},
    {0},
};
#define ATTRIBUTES_JSON                                                                                      \
    "\"attributes\":["                                                                                       \
    "{\"name\":\"size\",\"kind\":\"integer\",\"required\":true,\"nullable\":false,\"minimum\":1,"            \
    "\"documentation\":\"a size\"},"                                                                         \
    "{\"name\":\"slope\",\"kind\":\"real\",\"required\":false,\"nullable\":false,\"default\":0.01,"          \
    "\"documentation\":\"any number\"},"                                                                     \
    "{\"name\":\"p\",\"kind\":\"real\",\"required\":false,\"nullable\":false,\"default\":0.5,\"minimum\":0," \
    "\"maximum\":1,\"documentation\":null},"                                                                 \
    "{\"name\":\"eps\",\"kind\":\"real\",\"required\":false,\"nullable\":false,\"default\":0.00001,"         \
    "\"exclusive_minimum\":0,\"documentation\":null},"                                                       \
    "{\"name\":\"least\",\"kind\":\"integer\",\"required\":false,\"nullable\":false,\"default\":0,"          \
    "\"minimum\":0,\"documentation\":null},"                                                                 \
    "{\"name\":\"momentum\",\"kind\":\"real\",\"required\":false,\"nullable\":true,\"default\":0.1,"         \
    "\"documentation\":null},"                                                                               \
    "{\"name\":\"dim\",\"kind\":\"integer\",\"required\":false,\"nullable\":true,\"default\":null,"          \
    "\"minimum\":-8,\"maximum\":7,\"documentation\":null},"                                                  \
    "{\"name\":\"bias\",\"kind\":\"boolean\",\"required\":false,\"nullable\":false,\"default\":true,"        \
    "\"documentation\":null},"                                                                               \
    "{\"name\":\"inplace\",\"kind\":\"boolean\",\"required\":false,\"nullable\":false,\"default\":false,"    \
    "\"documentation\":null},"                                                                               \
    "{\"name\":\"mode\",\"kind\":\"choice\",\"required\":false,\"nullable\":false,\"default\":\"zeros\","    \
    "\"choices\":[\"zeros\",\"reflect\"],\"documentation\":null},"                                           \
    "{\"name\":\"padding\",\"kind\":\"integers\",\"required\":false,\"nullable\":false,\"default\":0,"       \
    "\"choices\":[\"same\"],\"items\":2,\"documentation\":null},"                                            \
    "{\"name\":\"stride\",\"kind\":\"integers\",\"required\":false,\"nullable\":true,\"default\":null,"      \
    "\"minimum\":1,\"items\":2,\"documentation\":null},"                                                     \
    "{\"name\":\"auto\",\"kind\":\"integers\",\"required\":false,\"nullable\":false,\"default\":\"same\","   \
    "\"choices\":[\"same\",\"valid\"],\"documentation\":null},"                                              \
    "{\"name\":\"pos_weight\",\"kind\":\"tensor\",\"required\":false,\"nullable\":false,\"default\":null,"   \
    "\"documentation\":null}]"

static const struct stability_parameter parameters[] = {
    {.name = "weight",
     .shape = "out, in",
     .init = "uniform_",
     .init_bound = "in",
     .documentation = "the matrix"},
    {.name = "running_var",
     .shape = "out",
     .when = "track",
     .buffer = true,
     .init = "constant_",
     .init_argument = 1},
    {.name = "count", .shape = "", .init = "zeros_"},
    {.name = "given", .shape = "out"},
    {0},
};

static const struct stability_layer_type layer_type = {.type = "Cell",
                                                       .torch = "torch.nn.Cell",
                                                       .documentation = "a \"cell\"",
                                                       .minimum_inputs = 1,
                                                       .maximum_inputs = 3,
                                                       .attributes = attributes,
                                                       .parameters = parameters,
                                                       .outputs = (const char *const[]){"h_n", "c_n", NULL}};

static struct buffer describe_one(void (*describe)(struct json_writer *json))
{
    struct buffer buffer = {0};
    struct json_writer json = {.buffer = &buffer};
    describe(&json);
    assert_false(buffer.failed);
    json_t *parsed = json_loads(buffer.data, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(parsed);
    json_decref(parsed);
    return buffer;
}

static void describe_cell(struct json_writer *json)
{
    describe_layer_type(json, &layer_type);
}

static void describes_a_layer(void **unused)
{
    (void)unused;
    struct buffer buffer = describe_one(describe_cell);
    assert_string_equal(
        buffer.data,
        "{\"type\":\"Cell\",\"torch\":\"torch.nn.Cell\",\"documentation\":\"a \\\"cell\\\"\","
        "\"inputs\":{\"minimum\":1,\"maximum\":3},\"outputs\":[\"h_n\",\"c_n\"]," ATTRIBUTES_JSON
        ",\"parameters\":["
        "{\"name\":\"weight\",\"shape\":\"out, in\",\"when\":null,\"buffer\":false,"
        "\"init\":{\"init\":\"uniform_\",\"bound\":\"1/sqrt(in)\"},\"documentation\":\"the matrix\"},"
        "{\"name\":\"running_var\",\"shape\":\"out\",\"when\":\"track\",\"buffer\":true,"
        "\"init\":{\"init\":\"constant_\",\"value\":1},\"documentation\":null},"
        "{\"name\":\"count\",\"shape\":\"\",\"when\":null,\"buffer\":false,\"init\":{\"init\":\"zeros_\"},"
        "\"documentation\":null},"
        "{\"name\":\"given\",\"shape\":\"out\",\"when\":null,\"buffer\":false,\"init\":null,"
        "\"documentation\":null}]}");
    buffer_free(&buffer);
}

static void describe_any(struct json_writer *json)
{
    static const struct stability_layer_type any = {.type = "Any", .maximum_inputs = -1};
    describe_layer_type(json, &any);
}

static void describes_a_layer_without_anything(void **unused)
{
    (void)unused;
    struct buffer buffer = describe_one(describe_any);
    assert_string_equal(buffer.data,
                        "{\"type\":\"Any\",\"torch\":null,\"documentation\":null,"
                        "\"inputs\":{\"minimum\":0,\"maximum\":null},\"outputs\":[],\"attributes\":[],"
                        "\"parameters\":[]}");
    buffer_free(&buffer);
}

static void describe_loss(struct json_writer *json)
{
    static const struct stability_loss_type type = {.type = "Loss",
                                                    .torch = "torch.nn.Loss",
                                                    .documentation = "d",
                                                    .inputs = 2,
                                                    .attributes = attributes};
    describe_loss_type(json, &type);
}

static void describes_a_loss(void **unused)
{
    (void)unused;
    struct buffer buffer = describe_one(describe_loss);
    assert_string_equal(buffer.data, "{\"type\":\"Loss\",\"torch\":\"torch.nn.Loss\",\"documentation\":\"d\","
                                     "\"inputs\":2," ATTRIBUTES_JSON "}");
    buffer_free(&buffer);
}

static void describe_rule(struct json_writer *json)
{
    static const struct stability_threshold thresholds[] = {
        {"norm", 1e-6, "the least"}, {"fraction", INFINITY, NULL}, {0}};
    static const struct stability_rule_type type = {.name = "rule",
                                                    .severity = STABILITY_WARNING,
                                                    .criterion = "norm < least",
                                                    .documentation = "d",
                                                    .source = "s",
                                                    .thresholds = thresholds};
    describe_rule_type(json, &type);
}

static void describes_a_rule(void **unused)
{
    (void)unused;
    struct buffer buffer = describe_one(describe_rule);
    assert_string_equal(buffer.data,
                        "{\"name\":\"rule\",\"severity\":\"warning\",\"criterion\":\"norm < least\","
                        "\"documentation\":\"d\",\"source\":\"s\",\"thresholds\":["
                        "{\"name\":\"norm\",\"default\":0.000001,\"documentation\":\"the least\"},"
                        "{\"name\":\"fraction\",\"default\":\"Infinity\",\"documentation\":null}]}");
    buffer_free(&buffer);
}

static void describes_limits(void **unused)
{
    (void)unused;
    const struct describe_limits limits = {
        .model = {.layers = 10000, .parameters = 0, .elements = INT32_MAX, .bytes = (int64_t)8 << 30},
        .body_bytes = 268435456,
        .body_seconds = 30,
        .work_seconds = 0.5};
    struct buffer buffer = {0};
    assert_true(describe_limits(&limits, &buffer));
    assert_string_equal(buffer.data,
                        "{\"limits\":{\"layers\":10000,\"parameters\":null,\"elements\":2147483647,"
                        "\"bytes\":8589934592,\"rank\":8,\"body_bytes\":268435456,\"body_seconds\":30,"
                        "\"work_seconds\":0.5}}\n");
    buffer_free(&buffer);
}

static bool describe_some_limits(struct buffer *buffer)
{
    const struct describe_limits limits = {.body_bytes = 1};
    return describe_limits(&limits, buffer);
}

static const struct {
    bool (*describe)(struct buffer *buffer);
    const char *member;
    size_t (*count)(void);
} bodies[] = {
    {describe_layers, "layers", stability_layer_type_count},
    {describe_losses, "losses", stability_loss_type_count},
    {describe_rules, "rules", stability_rule_type_count},
    {describe_rules, "analyses", stability_analysis_type_count},
    {describe_some_limits, "limits", NULL},
};

/* Rows of the registry are described in full: a reader of /v1/layers finds no hole. */
static void check_row(const json_t *row)
{
    static const char *const members[] = {"type", "name", "torch", "criterion", "source", "documentation"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const json_t *member = json_object_get(row, members[i]);
        if (member != NULL && (!json_is_string(member) || json_string_length(member) == 0)) {
            char *text = json_dumps(row, JSON_COMPACT);
            print_error("no %s: %s\n", members[i], text);
            free(text);
            fail();
        }
    }
}

static void describes_the_whole_registry(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct buffer buffer = {0};
        assert_true(bodies[i].describe(&buffer));
        assert_int_equal(buffer.data[buffer.length - 1], '\n');
        json_t *parsed = json_loads(buffer.data, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(parsed);
        json_t *rows = json_object_get(parsed, bodies[i].member);
        assert_non_null(rows);
        if (bodies[i].count != NULL) {
            assert_int_equal(json_array_size(rows), bodies[i].count());
        }
        for (size_t row = 0; row < json_array_size(rows); row++) {
            check_row(json_array_get(rows, row));
        }
        json_decref(parsed);
        buffer_free(&buffer);
    }
}

static void fails_when_memory_ends(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        bool written = false;
        for (long failure = 0; !written; failure++) {
            struct buffer buffer = {0};
            reallocations_before_failure = failure;
            written = bodies[i].describe(&buffer);
            assert_int_equal(written, reallocations_before_failure >= 0);
            reallocations_before_failure = -1;
            buffer_free(&buffer);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describes_a_layer),      cmocka_unit_test(describes_a_layer_without_anything),
        cmocka_unit_test(describes_a_loss),       cmocka_unit_test(describes_a_rule),
        cmocka_unit_test(describes_limits),       cmocka_unit_test(describes_the_whole_registry),
        cmocka_unit_test(fails_when_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
