#include "support.h"

#include "core/attributes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct sample {
    int64_t channels;
    int64_t groups;
    struct optional_integer start;
    double eps;
    double slope;
    struct optional_real momentum;
    bool bias;
    int mode;
    int nullable_mode;
    struct integers kernel_size;
    struct integers padding;
    struct integers dims;
    struct integers stride;
    const struct stability_tensor *weight;
};

#define AT(member) offsetof(struct sample, member)
static const struct stability_attribute rows[] = {
    {"channels", STABILITY_ATTRIBUTE_INTEGER, AT(channels), .required = true, .minimum = 1,
     .documentation = "number of channels"},
    {"groups", STABILITY_ATTRIBUTE_INTEGER, AT(groups), .minimum = 1, .maximum = 8, .number = 2},
    {"start", STABILITY_ATTRIBUTE_INTEGER, AT(start), .nullable = true},
    {"eps", STABILITY_ATTRIBUTE_REAL, AT(eps), .exclusive = true, .number = 1e-5},
    {"slope", STABILITY_ATTRIBUTE_REAL, AT(slope), .number = 0},
    {"momentum", STABILITY_ATTRIBUTE_REAL, AT(momentum), .nullable = true, .maximum = 1, .number = 0.1},
    {"bias", STABILITY_ATTRIBUTE_BOOLEAN, AT(bias), .number = true},
    {"mode", STABILITY_ATTRIBUTE_CHOICE, AT(mode), .choice = "reflect", .choices = "zeros reflect circular"},
    {"nullable_mode", STABILITY_ATTRIBUTE_CHOICE, AT(nullable_mode), .nullable = true, .choices = "a b"},
    {"kernel_size", STABILITY_ATTRIBUTE_INTEGERS, AT(kernel_size), .minimum = 1, .number = 3, .items = 2},
    {"padding", STABILITY_ATTRIBUTE_INTEGERS, AT(padding), .maximum = INFINITY, .choices = "same valid",
     .items = 2},
    {"dims", STABILITY_ATTRIBUTE_INTEGERS, AT(dims), .number = -1},
    {"stride", STABILITY_ATTRIBUTE_INTEGERS, AT(stride), .nullable = true, .minimum = 1, .items = 2},
    {"weight", STABILITY_ATTRIBUTE_TENSOR, AT(weight), .nullable = false},
    {0},
};

#define INTEGER(number)                                \
    {                                                  \
        .kind = STABILITY_INTEGER, .integer = (number) \
    }
#define REAL(number)                             \
    {                                            \
        .kind = STABILITY_REAL, .real = (number) \
    }
#define TEXT(text)                                 \
    {                                              \
        .kind = STABILITY_STRING, .string = (text) \
    }
#define BOOLEAN(truth)                                \
    {                                                 \
        .kind = STABILITY_BOOLEAN, .boolean = (truth) \
    }
#define NUMBERS(numbers, size)                                  \
    {                                                           \
        .kind = STABILITY_LIST, .list = { size, numbers, true } \
    }

struct fixture {
    struct arena arena;
    struct sample sample;
    struct stability_error error;
};

static bool read_members(struct fixture *fixture, const struct stability_member *members, size_t count)
{
    arena_free(&fixture->arena);
    *fixture = (struct fixture){0};
    struct attribute_scope scope = {"layer 'conv1' (Conv2d)", "/model/layers/0", &fixture->arena};
    struct stability_members given = {count, members};
    return attributes_read(rows, &given, &fixture->sample, &scope, &fixture->error);
}

/* With "channels" and one more attribute. */
static bool read_one(struct fixture *fixture, const char *name, struct stability_value value)
{
    const struct stability_member members[] = {{"channels", INTEGER(4)}, {name, value}};
    return read_members(fixture, members, 2);
}

static void defaults(void **state)
{
    struct fixture *fixture = *state;
    const struct stability_member members[] = {{"channels", INTEGER(4)}};
    assert_true(read_members(fixture, members, 1));
    const struct sample *sample = &fixture->sample;
    assert_int_equal(sample->channels, 4);
    assert_int_equal(sample->groups, 2);
    assert_false(sample->start.present);
    assert_true(sample->eps == 1e-5 && sample->slope == 0);
    assert_true(sample->momentum.present && sample->momentum.value == 0.1);
    assert_true(sample->bias);
    assert_int_equal(sample->mode, 1);
    assert_int_equal(sample->nullable_mode, -1);
    assert_int_equal(sample->kernel_size.count, 2);
    assert_true(sample->kernel_size.present && sample->kernel_size.single);
    assert_true(sample->kernel_size.items[0] == 3 && sample->kernel_size.items[1] == 3);
    assert_true(sample->padding.present && sample->padding.count == 2 && sample->padding.items[1] == 0);
    assert_true(sample->dims.count == 1 && sample->dims.items[0] == -1);
    assert_false(sample->stride.present);
    assert_null(sample->weight);
}

static void every_kind_is_read(void **state)
{
    struct fixture *fixture = *state;
    const double list[] = {5, 7, 1};
    const struct sample *sample = &fixture->sample;
    assert_true(read_one(fixture, "start", (struct stability_value)INTEGER(-3)));
    assert_true(sample->start.present && sample->start.value == -3);
    assert_true(read_one(fixture, "groups", (struct stability_value)REAL(4.0)));
    assert_int_equal(sample->groups, 4);
    assert_true(read_one(fixture, "eps", (struct stability_value)INTEGER(2)));
    assert_true(sample->eps == 2.0);
    assert_true(read_one(fixture, "slope", (struct stability_value)TEXT("-Infinity")));
    assert_true(sample->slope == -INFINITY);
    assert_true(read_one(fixture, "momentum", (struct stability_value){.kind = STABILITY_NULL}));
    assert_false(sample->momentum.present);
    assert_true(read_one(fixture, "bias", (struct stability_value)BOOLEAN(false)));
    assert_false(sample->bias);
    assert_true(read_one(fixture, "mode", (struct stability_value)TEXT("circular")));
    assert_int_equal(sample->mode, 2);
    assert_true(read_one(fixture, "kernel_size", (struct stability_value)NUMBERS(list, 2)));
    assert_true(sample->kernel_size.items[0] == 5 && sample->kernel_size.items[1] == 7);
    assert_false(sample->kernel_size.single);
    assert_true(read_one(fixture, "padding", (struct stability_value)TEXT("valid")));
    assert_true(sample->padding.word == 2 && sample->padding.count == 0 && sample->padding.present);
    assert_true(read_one(fixture, "dims", (struct stability_value)NUMBERS(list, 3)));
    assert_true(sample->dims.count == 3 && sample->dims.items[2] == 1);
    assert_true(read_one(fixture, "dims", (struct stability_value)NUMBERS(NULL, 0)));
    assert_true(sample->dims.count == 0 && sample->dims.present);
    assert_true(read_one(fixture, "stride", (struct stability_value)INTEGER(2)));
    assert_true(sample->stride.present && sample->stride.items[1] == 2);
}

static void tensors_may_be_numbers(void **state)
{
    struct fixture *fixture = *state;
    const float elements[] = {1, 2};
    const double list[] = {0.5, 1.5};
    const struct stability_member members[] = {
        {"channels", INTEGER(1)},
        {"weight", {.kind = STABILITY_TENSOR, .tensor = {STABILITY_FLOAT32, {1, {2}}, elements}}}};
    assert_true(read_members(fixture, members, 2));
    assert_ptr_equal(fixture->sample.weight, &members[1].value.tensor);
    assert_true(read_one(fixture, "weight", (struct stability_value)NUMBERS(list, 2)));
    const struct stability_tensor *weight = fixture->sample.weight;
    assert_int_equal(weight->dtype, STABILITY_FLOAT64);
    assert_true(weight->shape.rank == 1 && weight->shape.sizes[0] == 2);
    assert_memory_equal(weight->data, list, sizeof list);
    assert_true(read_one(fixture, "weight", (struct stability_value)TEXT("NaN")));
    assert_int_equal(fixture->sample.weight->shape.rank, 0);
    assert_true(isnan(*(const double *)fixture->sample.weight->data));
    assert_true(read_one(fixture, "weight", (struct stability_value)NUMBERS(NULL, 0)));
    assert_int_equal(fixture->sample.weight->shape.sizes[0], 0);
}

static void missing_and_unknown(void **state)
{
    struct fixture *fixture = *state;
    assert_false(read_members(fixture, NULL, 0));
    assert_error(&fixture->error, STABILITY_ERROR_MISSING_ATTRIBUTE, "/model/layers/0",
                 "layer 'conv1' (Conv2d): attribute 'channels' is missing: number of channels");
    assert_false(read_one(fixture, "kernal_size", (struct stability_value)INTEGER(3)));
    assert_error(&fixture->error, STABILITY_ERROR_UNKNOWN_ATTRIBUTE, "/model/layers/0/kernal_size",
                 "layer 'conv1' (Conv2d) has no attribute 'kernal_size': did you mean 'kernel_size'?");
    assert_false(read_one(fixture, "a/b~c", (struct stability_value)INTEGER(3)));
    assert_error(
        &fixture->error, STABILITY_ERROR_UNKNOWN_ATTRIBUTE, "/model/layers/0/a~1b~0c",
        "layer 'conv1' (Conv2d) has no attribute 'a/b~c': known are 'channels', 'groups', 'start', 'eps', "
        "'slope', 'momentum', 'bias', 'mode', 'nullable_mode', 'kernel_size', 'padding', 'dims', 'stride', "
        "'weight'");
}

static void wrong_values_are_told(void **state)
{
    struct fixture *fixture = *state;
    static const double zero[] = {3, 0}, many[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, half[] = {1, 1.5};
    static const char *const kernel = "an integer of at least 1 or a list of 2 of them";
    const struct stability_tensor tensor = {STABILITY_INT64, {1, {3}}, many};
    const struct {
        const char *name;
        struct stability_value value;
        const char *expected, *found;
    } cases[] = {
        {"kernel_size", INTEGER(0), kernel, "0"},
        {"kernel_size", NUMBERS(zero, 2), kernel, "[3, 0]"},
        {"kernel_size", NUMBERS(half, 2), kernel, "[1, 1.5]"},
        {"kernel_size", NUMBERS(zero, 1), kernel, "[3]"},
        {"kernel_size", NUMBERS(many, 11), kernel, "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...] of 11 items"},
        {"kernel_size", REAL(NAN), kernel, "nan"},
        {"kernel_size", {.kind = STABILITY_NULL}, kernel, "null"},
        {"padding", TEXT("sane"), "an integer of at least 0 or a list of 2 of them or 'same' or 'valid'",
         "'sane'"},
        {"dims", NUMBERS(many, 11), "an integer or a list of at most 8 of them",
         "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...] of 11 items"},
        {"stride", BOOLEAN(true), "an integer of at least 1 or a list of 2 of them or null", "true"},
        {"groups", INTEGER(9), "an integer from 1 to 8", "9"},
        {"groups", REAL(1.5), "an integer from 1 to 8", "1.5"},
        {"groups", BOOLEAN(false), "an integer from 1 to 8", "false"},
        {"start", REAL(1e300), "an integer or null", "1e+300"},
        {"start", REAL(INFINITY), "an integer or null", "inf"},
        {"eps", INTEGER(0), "a number greater than 0", "0"},
        {"eps", TEXT("Infinity"), "a number greater than 0", "'Infinity'"},
        {"slope", TEXT("NaN"), "a number", "'NaN'"},
        {"slope", BOOLEAN(true), "a number", "true"},
        {"momentum", REAL(-0.5), "a number from 0 to 1 or null", "-0.5"},
        {"bias", INTEGER(1), "true or false", "1"},
        {"mode", TEXT("reflec"), "'zeros' or 'reflect' or 'circular'", "'reflec'"},
        {"mode", TEXT(""), "'zeros' or 'reflect' or 'circular'", "''"},
        {"mode", TEXT("zeros reflect"), "'zeros' or 'reflect' or 'circular'", "'zeros reflect'"},
        {"mode", {.kind = STABILITY_NULL}, "'zeros' or 'reflect' or 'circular'", "null"},
        {"nullable_mode", INTEGER(0), "'a' or 'b' or null", "0"},
        {"weight", TEXT("ones"), "a tensor, a list of numbers or a number", "'ones'"},
        {"weight", BOOLEAN(true), "a tensor, a list of numbers or a number", "true"},
        {"slope",
         {.kind = STABILITY_TENSOR, .tensor = tensor},
         "a number",
         "a tensor of dtype int64 and shape (3)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(read_one(fixture, cases[i].name, cases[i].value));
        char message[640], pointer[64];
        snprintf(message, sizeof message, "layer 'conv1' (Conv2d): attribute '%s' must be %s, got %s",
                 cases[i].name, cases[i].expected, cases[i].found);
        snprintf(pointer, sizeof pointer, "/model/layers/0/%s", cases[i].name);
        assert_error(&fixture->error, STABILITY_ERROR_INVALID_ATTRIBUTE, pointer, message);
    }
}

static void long_texts_are_cut_between_characters(void **state)
{
    struct fixture *fixture = *state;
    char text[200] = "x";
    support_repeat(text + 1, sizeof text - 1, "\xE2\x82\xAC", 60);
    assert_false(read_one(fixture, "slope", (struct stability_value)TEXT(text)));
    const char *found = strstr(fixture->error.message, "got '");
    assert_int_equal(strlen(found), strlen("got '...'") + 64);
    assert_string_equal(found + 5 + 61, "\xE2\x82\xAC...'");
}

static void shape_is(const struct sample *sample, const char *formula, const char *expected)
{
    static const struct attribute_variable extra[] = {{"layer_input", 10}, {"groups_of_two", 2}, {0}};
    struct stability_shape shape;
    char text[STABILITY_SHAPE_TEXT];
    if (!expected) {
        assert_false(attributes_shape(rows, sample, extra, formula, &shape));
        return;
    }
    assert_true(attributes_shape(rows, sample, extra, formula, &shape));
    assert_string_equal(stability_shape_text(&shape, text), expected);
}

static void formulas_give_shapes(void **state)
{
    (void)state;
    struct sample sample = {
        .channels = 12, .groups = 4, .kernel_size = {.present = true, .count = 2, .items = {3, 5}}};
    shape_is(&sample, "", "()");
    shape_is(&sample, "channels", "(12)");
    shape_is(&sample, "channels, channels / groups, *kernel_size", "(12, 3, 3, 5)");
    shape_is(&sample, " 4*channels ,layer_input", "(48, 10)");
    shape_is(&sample, "channels / groups * kernel_size", "(45)");
    shape_is(&sample, "channels / groups / groups_of_two * 2", "(3)");
    shape_is(&sample, "*stride, 7", "(7)"); /* null */
    shape_is(&sample, "channels / 5", NULL);
    shape_is(&sample, "channels / start", NULL);
    shape_is(&sample, "nothing", NULL);
    shape_is(&sample, "*nothing", NULL);
    shape_is(&sample, "*channels", NULL);
    shape_is(&sample, "channels channels", NULL);
    shape_is(&sample, "1,1,1,1,1,1,1,1", "(1, 1, 1, 1, 1, 1, 1, 1)");
    shape_is(&sample, "1,1,1,1,1,1,1,1,1", NULL);
    sample.channels = INT64_C(1) << 46;
    shape_is(&sample, "2 * channels", "(140737488355328)");
    shape_is(&sample, "2 * channels, 2", NULL);
    shape_is(&sample, "channels * channels * channels * channels", NULL);
    sample.channels = INT64_MAX;
    shape_is(&sample, "channels", NULL);
    sample.channels = -1;
    shape_is(&sample, "channels", NULL);
}

static void formulas_give_numbers(void **state)
{
    (void)state;
    struct stability_tensor tensor = {0};
    struct sample sample = {.channels = 12,
                            .groups = 8,
                            .slope = 0.25,
                            .bias = true,
                            .mode = 2,
                            .weight = &tensor,
                            .kernel_size = {.present = true, .count = 2, .items = {3, 5}},
                            .start = {true, 6},
                            .momentum = {true, 0.5}};
    static const struct attribute_variable extra[] = {{"channels", 100}, {0}};
    assert_true(attributes_product(rows, &sample, NULL, "channels / groups * kernel_size") == 22.5);
    assert_true(attributes_product(rows, &sample, extra, "channels") == 100);
    assert_true(attributes_product(rows, &sample, NULL, "") == 1);
    assert_true(attributes_product(rows, &sample, NULL, "slope * momentum * start * 4") == 3);
    assert_true(attributes_product(rows, &sample, NULL, "bias") == 1);
    assert_true(attributes_product(rows, &sample, NULL, "weight") == 1);
    assert_true(attributes_product(rows, &sample, NULL, "mode") == 2);
    assert_true(attributes_product(rows, &sample, NULL, "stride") == 0);
    assert_true(isnan(attributes_product(rows, &sample, NULL, "unknown")));
    sample = (struct sample){0};
    assert_true(attributes_product(rows, &sample, NULL, "bias") == 0);
    assert_true(attributes_product(rows, &sample, NULL, "weight") == 0);
    assert_true(attributes_product(rows, &sample, NULL, "start") == 0);
    assert_true(attributes_product(NULL, NULL, extra, "2 * channels") == 200);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    arena_free(&fixture->arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_kind_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tensors_may_be_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(missing_and_unknown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_values_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_texts_are_cut_between_characters, set_up, tear_down),
        cmocka_unit_test(formulas_give_shapes),
        cmocka_unit_test(formulas_give_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
