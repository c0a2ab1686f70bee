/* Any bytes as an ONNX file: they are refused with an error, or become a model with names for all that its
 * layers read. */
#include "server/input/onnx/onnx.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static bool is_named(const struct stability_model *model, size_t before, const char *name)
{
    for (size_t i = 0; i < model->input_count; i++) {
        if (strcmp(model->inputs[i], name) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < before; i++) {
        size_t length = strlen(model->layers[i].name);
        if (strncmp(model->layers[i].name, name, length) == 0 &&
            (name[length] == '\0' || name[length] == '.')) {
            return true;
        }
    }
    return false;
}

static void check_model(const struct stability_model *model)
{
    for (size_t i = 0; i < model->layer_count; i++) {
        for (size_t k = 0; k < model->layers[i].input_count; k++) {
            require(is_named(model, i, model->layers[i].inputs[k]));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct stability_limits limits = {.layers = 100, .elements = 100000};
    static const float x[24] = {1, -1, 0.5F};
    static const int64_t indices[2] = {0, 1};
    const struct stability_named_tensor items[] = {
        {.name = "x", .tensor = {STABILITY_FLOAT32, {4, {2, 3, 2, 2}}, x}},
        {.name = "i", .tensor = {STABILITY_INT64, {1, {2}}, indices}},
        {.name = "target", .tensor = {STABILITY_FLOAT32, {1, {2}}, x}},
    };
    struct stability_error error = {0};
    struct owner owner = {0};
    struct stability_request request = {.model.loss.type = "MSELoss",
                                        .data = {sizeof items / sizeof *items, items},
                                        .options = stability_default_options};
    char *file = malloc(size + (size == 0));
    require(file != NULL);
    memcpy(file, data, size);
    bool done = onnx_read(file, size, false, &limits, &owner, &request, &error);
    require(done == (error.code == STABILITY_OK));
    require(done == (error.message[0] == '\0'));
    if (done) {
        check_model(&request.model);
    }
    owner_free(&owner);
    free(file);
    return 0;
}
