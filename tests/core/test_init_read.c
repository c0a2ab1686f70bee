#include "drawn.h"

#include "core/attributes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void integers(void **state)
{
    struct drawn *drawn = *state;
    const struct stability_member arguments[] = {INTEGER("low", -2), INTEGER("high", 3)};
    const struct init *init = read_recipe(drawn, "randint", SHAPE2(100, 100), arguments, 2);
    assert_non_null(init);
    int64_t low, high;
    init_integer_range(init, &low, &high);
    assert_true(low == -2 && high == 3);
    static int64_t values[10000];
    int64_t counts[5] = {0};
    init_fill(init, &drawn->shape, 0, "target", STABILITY_INT64, values, NULL, NULL);
    for (int i = 0; i < 10000; i++) {
        assert_in_range(values[i] + 2, 0, 4);
        counts[values[i] + 2]++;
    }
    for (int i = 0; i < 5; i++)
        assert_within((double)counts[i], 2000, 5 * sqrt(10000 * 0.2 * 0.8));
    init_integer_range(read_recipe(drawn, "normal", SHAPE2(1, 1), NULL, 0), &low, &high);
    assert_true(low == INT64_MIN && high == INT64_MAX);
}

static void seeds_and_names_decide(void **state)
{
    struct drawn *drawn = *state, other = {0};
    const struct stability_member seven[] = {INTEGER("seed", 7)};
    const struct init *init = read_recipe(drawn, "normal_", SHAPE2(10, 10), NULL, 0);
    fill(drawn, init, 7, "fc1.weight");
    const struct init *seeded = read_recipe(&other, "normal_", SHAPE2(10, 10), seven, 1);
    fill(&other, seeded, 0, "fc1.weight");
    assert_memory_equal(drawn->values, other.values, 100 * sizeof(double));
    free(other.values);
    fill(&other, seeded, 0, "fc2.weight");
    assert_true(drawn->values[0] != other.values[0]);
    float narrow[100];
    init_fill(init, &drawn->shape, 7, "fc1.weight", STABILITY_FLOAT32, narrow, NULL, NULL);
    for (int i = 0; i < 100; i++)
        assert_true(narrow[i] == (float)drawn->values[i]);
    forget(&other);
}

static void empty_tensors(void **state)
{
    struct drawn *drawn = *state;
    for (const char *const *name = stability_init_names(); *name; name++) {
        const struct stability_member high[] = {INTEGER("high", 2)}, val[] = {REAL("val", 2)},
                                      sparsity[] = {REAL("sparsity", 0.5)};
        const struct stability_member *argument = !strcmp(*name, "randint")     ? high
                                                  : !strcmp(*name, "constant_") ? val
                                                  : !strcmp(*name, "sparse_")   ? sparsity
                                                                                : NULL;
        struct stability_shape shape = {strcmp(*name, "dirac_") ? 2 : 3, {0, 3, 2}};
        draw_with(drawn, *name, shape, argument, argument != NULL);
        assert_int_equal(drawn->count, 0);
        shape.sizes[0] = 3;
        shape.sizes[1] = 0;
        draw_with(drawn, *name, shape, argument, argument != NULL);
        assert_int_equal(drawn->count, 0);
    }
}

static void errors_are_told(void **state)
{
    struct drawn *drawn = *state;
    const struct {
        const char *scheme;
        struct stability_shape shape;
        struct stability_member argument;
        enum stability_code code;
        const char *pointer, *message;
    } cases[] = {
        {"kaming_normal_", SHAPE2(2, 2), REAL("a", 0), STABILITY_ERROR_UNKNOWN_TYPE, "",
         "there is no initialisation 'kaming_normal_': did you mean 'kaiming_normal_'?"},
        {"normal_", SHAPE2(2, 2), REAL("sdt", 1), STABILITY_ERROR_UNKNOWN_ATTRIBUTE, "/sdt",
         "'normal_' has no attribute 'sdt': did you mean 'std'?"},
        {"normal_", SHAPE2(2, 2), REAL("std", -1), STABILITY_ERROR_INVALID_ATTRIBUTE, "/std",
         "'normal_': attribute 'std' must be a number of at least 0, got -1"},
        {"constant_", SHAPE2(2, 2), INTEGER("seed", 1), STABILITY_ERROR_MISSING_ATTRIBUTE, "",
         "'constant_': attribute 'val' is missing: the value of every element"},
        {"uniform_", SHAPE2(2, 2), REAL("a", 2), STABILITY_ERROR_INVALID_ATTRIBUTE, "",
         "'uniform_' needs finite bounds with the lower one first, got 2 and 1"},
        {"trunc_normal_", SHAPE2(2, 2), REAL("a", 2), STABILITY_ERROR_INVALID_ATTRIBUTE, "",
         "'trunc_normal_' needs a < b, got 2 and 2"},
        {"randint", SHAPE2(2, 2), INTEGER("high", 0), STABILITY_ERROR_INVALID_ATTRIBUTE, "",
         "'randint' needs low < high, got 0 and 0"},
        {"sparse_", SHAPE2(2, 2), REAL("sparsity", 1.5), STABILITY_ERROR_INVALID_ATTRIBUTE, "/sparsity",
         "'sparse_': attribute 'sparsity' must be a number from 0 to 1, got 1.5"},
        {"normal_", SHAPE2(2, 2), INTEGER("seed", -1), STABILITY_ERROR_INVALID_ATTRIBUTE, "/seed",
         "'normal_': attribute 'seed' must be an integer of at least 0 or null, got -1"},
        {"eye_",
         {3, {2, 2, 2}},
         INTEGER("seed", 1),
         STABILITY_ERROR_SHAPE_MISMATCH,
         "",
         "'eye_' needs a tensor of 2 dimensions, got shape (2, 2, 2)"},
        {"dirac_", SHAPE2(2, 2), INTEGER("groups", 1), STABILITY_ERROR_SHAPE_MISMATCH, "",
         "'dirac_' needs a tensor of 3 to 5 dimensions, got shape (2, 2)"},
        {"xavier_normal_",
         {1, {7}},
         REAL("gain", 1),
         STABILITY_ERROR_SHAPE_MISMATCH,
         "",
         "'xavier_normal_' needs a tensor of at least 2 dimensions, got shape (7)"},
        {"dirac_",
         {3, {4, 2, 2}},
         INTEGER("groups", 3),
         STABILITY_ERROR_INVALID_ATTRIBUTE,
         "",
         "'dirac_' needs groups that divide the 4 output channels, got 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(read_recipe(drawn, cases[i].scheme, cases[i].shape, &cases[i].argument, 1));
        char pointer[64];
        snprintf(pointer, sizeof pointer, "/weights/fc1.weight%s", cases[i].pointer);
        assert_error(&drawn->error, cases[i].code, pointer, cases[i].message);
    }
}

static void defaults_are_pytorchs(void **state)
{
    struct drawn *drawn = *state;
    struct layer {
        int64_t in_channels;
        struct integers kernel_size;
    } layer = {40, {.present = true, .count = 2, .items = {2, 5}}};
    static const struct stability_attribute rows[] = {
        {"in_channels", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct layer, in_channels), .minimum = 1},
        {"kernel_size", STABILITY_ATTRIBUTE_INTEGERS, offsetof(struct layer, kernel_size), .items = 2},
        {0},
    };
    const struct {
        struct stability_parameter row;
        const char *scheme;
        struct stability_member arguments[2];
        size_t count;
    } cases[] = {
        {{.init = "uniform_", .init_bound = "in_channels * kernel_size"},
         "uniform_",
         {REAL("a", -0.05), REAL("b", 0.05)},
         2},
        {{.init = "constant_", .init_argument = 0.25}, "constant_", {REAL("val", 0.25)}, 1},
        {{.init = "zeros_"}, "zeros_", {{0}}, 0},
        {{.init = "ones_"}, "ones_", {{0}}, 0},
        {{.init = "normal_"}, "normal_", {{0}}, 0},
        {{.init = "xavier_uniform_"}, "xavier_uniform_", {{0}}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct drawn expected = {0};
        draw_with(&expected, cases[i].scheme, SHAPE2(40, 10), cases[i].arguments, cases[i].count);
        forget(drawn);
        drawn->shape = SHAPE2(40, 10);
        const struct init *init =
            init_default(&cases[i].row, rows, &layer, &drawn->shape, &drawn->arena, &drawn->error);
        assert_non_null(init);
        fill(drawn, init, 0, "fc1.weight");
        assert_memory_equal(drawn->values, expected.values, 400 * sizeof(double));
        forget(&expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers),
        cmocka_unit_test(seeds_and_names_decide),
        cmocka_unit_test(empty_tensors),
        cmocka_unit_test(errors_are_told),
        cmocka_unit_test(defaults_are_pytorchs),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
