/* ONNX files through the importer alone: layers and weights that come of them, memory that fails. What
 * PyTorch gives for them, and what is refused, is in tests/http/test_onnx.py. */
#include "server/input/onnx/onnx.h"

#include "support_allocation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LARGEST_FILE 65536

static const struct stability_limits limits = {.layers = 1000, .elements = 100000};

struct file {
    const char *name;
    struct stability_shape input;
    char bytes[LARGEST_FILE];
    size_t length;
};

static void file_read(struct file *file)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/onnx/cases/%s.onnx", SOURCE_DIRECTORY, file->name);
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    file->length = fread(file->bytes, 1, sizeof file->bytes, stream);
    assert_true(file->length > 0 && file->length < sizeof file->bytes);
    fclose(stream);
}

/* What a file becomes; its owner frees it. */
struct imported {
    struct owner owner;
    struct stability_request request;
    struct stability_error error;
};

static bool import(const struct file *file, struct imported *imported)
{
    static const float numbers[4096];
    struct stability_named_tensor data[] = {
        {.name = "x", .tensor = {STABILITY_FLOAT32, file->input, numbers}},
        {.name = "target", .tensor = {STABILITY_FLOAT32, {1, {1}}, numbers}},
    };
    *imported = (struct imported){
        .request = {.model.loss.type = "MSELoss", .data = {2, data}, .options = stability_default_options}};
    return onnx_read(file->bytes, file->length, false, &limits, &imported->owner, &imported->request,
                     &imported->error);
}

static void linear_keeps_names_and_is_transposed(void **unused)
{
    (void)unused;
    static struct file file = {.name = "perceptron", .input = {2, {6, 5}}};
    struct imported imported;
    file_read(&file);
    assert_true(import(&file, &imported));
    const struct stability_model *model = &imported.request.model;
    const struct stability_tensors *weights = &imported.request.weights;
    assert_string_equal(model->layers[1].type, "Linear");
    assert_string_equal(model->layers[1].name, "mul"); /* the node has no name, so its output's */
    assert_string_equal(weights->items[0].name, "mul.weight");
    assert_string_equal(weights->items[0].source, "coefficient");
    assert_string_equal(weights->items[1].name, "mul.bias");
    assert_string_equal(weights->items[1].source, "intercepts");
    assert_int_equal(weights->items[0].tensor.shape.sizes[0], 7);
    assert_int_equal(weights->items[0].tensor.shape.sizes[1], 5);
    assert_int_equal(model->loss.input_count, 1);
    assert_string_equal(model->loss.inputs[0], model->layers[model->layer_count - 1].name);
    owner_free(&imported.owner);
}

/* Shapes, masks and orders of gates are no layers. */
static void recurrent_layers_are_one_layer(void **unused)
{
    (void)unused;
    static struct file file = {.name = "lstm_unfolded", .input = {3, {7, 4, 6}}};
    struct imported imported;
    size_t lstm = 0;
    file_read(&file);
    assert_true(import(&file, &imported));
    const struct stability_model *model = &imported.request.model;
    for (size_t i = 0; i < model->layer_count; i++) {
        lstm += strcmp(model->layers[i].type, "LSTM") == 0;
        assert_string_not_equal(model->layers[i].type, "Constant");
        assert_string_not_equal(model->layers[i].type, "Parameter");
    }
    assert_int_equal(lstm, 2); /* of two layers, each in both directions */
    assert_int_equal(imported.request.weights.count, 2 * 8 + 2);
    owner_free(&imported.owner);
}

static void survives_failing_allocations(void **unused)
{
    (void)unused;
    static struct file files[] = {{.name = "perceptron", .input = {2, {6, 5}}},
                                  {.name = "channels_last", .input = {4, {5, 6, 6, 2}}},
                                  {.name = "rnn", .input = {3, {7, 4, 6}}}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        bool failed = true;
        file_read(&files[i]);
        for (long count = 0; failed; count++) {
            struct imported imported;
            support_fail_allocation_after(count);
            bool done = import(&files[i], &imported);
            failed = support_allocation_has_failed();
            assert_true(done != failed);
            if (failed) {
                assert_int_equal(imported.error.code, STABILITY_ERROR_OUT_OF_MEMORY);
            }
            owner_free(&imported.owner);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_keeps_names_and_is_transposed),
        cmocka_unit_test(recurrent_layers_are_one_layer),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
