/* Weights as they come: how they were sent is not seen in the report, and what no layer has is told. */
#include "request_builder.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 64 };

/* A chain with a batch norm, which has buffers, and with tied weights. */
static void build(struct builder *b)
{
    static const double numbers[MOST] = {0.5, -0.25, 1.5, 2, -1, 0.75, 3, -2, 0.125, 1, -0.5, 4};
    builder_data(b, "input", SHAPE(4, 3), numbers);
    builder_data(b, "target", SHAPE(4, 3), numbers + 1);
    builder_linear(b, "fc1", NULL, 3, 3);
    builder_layer(b, "norm", "BatchNorm1d", NULL);
    builder_integer(b, "num_features", 3);
    builder_layer(b, "act", "ReLU", NULL);
    builder_linear(b, "fc2", NULL, 3, 3);
    b->layers[3].weights_from = "fc1";
    builder_linear(b, "drawn", NULL, 3, 3);
    builder_weight(b, "fc1.weight", SHAPE(3, 3), numbers);
    builder_weight(b, "norm.weight", SHAPE(3), numbers);
    builder_weight(b, "norm.running_mean", SHAPE(3), numbers);
    builder_sum_of_squares(b);
}

/* The same tensor in another dtype, `shift` bytes after where it would be aligned. */
static void convert(struct stability_tensor *tensor, enum stability_dtype dtype, size_t shift, char *memory)
{
    int64_t count = stability_shape_count(&tensor->shape);
    char *aligned = memory + (64 - (uintptr_t)memory % 64) % 64;
    stability_convert(tensor->dtype, tensor->data, dtype, aligned, count);
    memmove(aligned + shift, aligned, (size_t)count * stability_dtype_size(dtype));
    tensor->dtype = dtype;
    tensor->data = aligned + shift;
}

static void the_dtype_is_not_seen(void **state)
{
    (void)state;
    static const struct {
        enum stability_dtype dtype;
        size_t shift;
    } forms[] = {{STABILITY_FLOAT32, 0}, {STABILITY_FLOAT32, 1}, {STABILITY_FLOAT64, 3}};
    struct builder b = {0};
    build(&b);
    struct stability_report *expected = builder_diagnose(&b);
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        static char memory[5][1024];
        struct builder other = {0};
        build(&other);
        for (size_t k = 0; k < 2; k++)
            convert(&other.data[k].tensor, forms[i].dtype, forms[i].shift, memory[k]);
        for (size_t k = 0; k < 3; k++)
            convert(&other.weights[k].tensor, forms[i].dtype, forms[i].shift, memory[2 + k]);
        struct stability_report *found = builder_diagnose(&other);
        assert_int_equal(found->planned_bytes, expected->planned_bytes);
        assert_true(found->loss == expected->loss);
        assert_true(found->gradient_norm == expected->gradient_norm);
        assert_memory_equal(report_parameter(found, "fc1", "weight")->value,
                            report_parameter(expected, "fc1", "weight")->value,
                            sizeof(struct stability_statistics));
        stability_report_free(found);
        builder_free(&other);
    }
    stability_report_free(expected);
    builder_free(&b);
}

/* Tensors in place need no memory of the run. */
static void the_plan_leaves_out_what_is_in_place(void **state)
{
    (void)state;
    struct stability_error error = {0};
    struct builder b = {0};
    build(&b);
    builder_options(&b)->precision = STABILITY_PRECISION_FLOAT64;
    struct stability_plan *plan = stability_plan_new(&b.request, &error);
    int64_t in_place = stability_plan_bytes(plan);
    stability_plan_free(plan);
    static char memory[1024];
    convert(&b.weights[0].tensor, STABILITY_FLOAT64, 1, memory);
    plan = stability_plan_new(&b.request, &error);
    assert_int_equal(stability_plan_bytes(plan) - in_place, 128); /* 9 numbers, in pieces of 64 bytes */
    struct stability_report *report = stability_diagnose(plan, &error);
    assert_int_equal(report->planned_bytes - in_place, 128 + 2 * 128 + 2 * 64);
    stability_report_free(report);
    stability_plan_free(plan);
    builder_free(&b);
}

static void refuse(struct builder *b, const char *pointer, const char *message)
{
    struct stability_error error = {0};
    assert_null(stability_plan_new(&b->request, &error));
    assert_error(&error, STABILITY_ERROR_UNKNOWN_WEIGHT, pointer, message);
}

static void names_every_unknown_weight(void **state)
{
    (void)state;
    static const double numbers[MOST] = {1};
    struct builder b = {0};
    build(&b);
    builder_weight(&b, "fc1.wieght", SHAPE(3), numbers);
    refuse(&b, "/weights/fc1.wieght", "no layer has a parameter 'fc1.wieght': did you mean 'fc1.weight'?");
    builder_weight(&b, "drawn.weight", SHAPE(3, 3), numbers);
    builder_weight(&b, "head.bias", SHAPE(3), numbers);
    refuse(&b, "/weights/fc1.wieght",
           "no layer has a parameter 'fc1.wieght': did you mean 'fc1.weight'? (nor 'head.bias')");
    builder_weight(&b, "head.weight", SHAPE(3), numbers);
    refuse(
        &b, "/weights/fc1.wieght",
        "no layer has a parameter 'fc1.wieght': did you mean 'fc1.weight'? (nor 'head.bias', 'head.weight')");
    char names[12][101];
    for (int i = 0; i < 12; i++) {
        memset(names[i], 'a' + i, 100);
        names[i][100] = '\0';
        builder_weight(&b, names[i], SHAPE(3), numbers);
    }
    char expected[640];
    snprintf(expected, sizeof(expected),
             "no layer has a parameter 'fc1.wieght': did you mean 'fc1.weight'? (nor 'head.bias', "
             "'head.weight', '%s', '%s' and 10 more)",
             names[0], names[1]);
    refuse(&b, "/weights/fc1.wieght", expected);
    builder_free(&b);
}

static void ignores_unknown_weights_where_asked(void **state)
{
    (void)state;
    static const double numbers[MOST] = {1};
    struct builder b = {0};
    build(&b);
    struct stability_report *plain = builder_diagnose(&b);
    assert_int_equal(plain->ignored_weight_count, 0);
    builder_weight(&b, "head.weight", SHAPE(7), numbers);
    builder_weight(&b, "head.bias", SCALAR, numbers);
    builder_options(&b)->lenient = true;
    struct stability_report *report = builder_diagnose(&b);
    assert_int_equal(report->ignored_weight_count, 2);
    assert_string_equal(report->ignored_weights[0], "head.weight");
    assert_string_equal(report->ignored_weights[1], "head.bias");
    assert_true(report->loss == plain->loss);
    assert_int_equal(report->planned_bytes, plain->planned_bytes);
    stability_report_free(report);
    stability_report_free(plain);
    builder_free(&b);
    /* a shape that does not fit stays an error */
    struct builder misshapen = {0};
    build(&misshapen);
    builder_weight(&misshapen, "drawn.weight", SHAPE(3), numbers);
    builder_options(&misshapen)->lenient = true;
    builder_expect_error(&misshapen, STABILITY_ERROR_SHAPE_MISMATCH, "/weights/drawn.weight");
    builder_free(&misshapen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_dtype_is_not_seen),
        cmocka_unit_test(the_plan_leaves_out_what_is_in_place),
        cmocka_unit_test(names_every_unknown_weight),
        cmocka_unit_test(ignores_unknown_weights_where_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
