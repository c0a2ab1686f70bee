/* Which data the model gets in the first byte, then any bytes as an ONNX file: they are refused with an
 * error, or become a model with names for all that its layers read, which is refused or diagnosed. */
#include "server/clock.h"
#include "server/input/onnx/onnx.h"
#include "tests/fuzz/fuzz.h"

#include <stability/stability.h>

#define MEMORY (64 << 20)
#define SECONDS 2.0
#define MOST_NUMBERS (4 * 3 * 16 * 16)

/* The inputs and batches of the files in tests/onnx/cases, and another. */
static const struct {
    enum stability_dtype dtype;
    struct stability_shape shape;
    int64_t batch;
} inputs[] = {
    {STABILITY_FLOAT32, {2, {6, 8}}, 6},         {STABILITY_FLOAT32, {4, {5, 6, 6, 2}}, 5},
    {STABILITY_FLOAT32, {4, {4, 3, 16, 16}}, 4}, {STABILITY_INT64, {2, {4, 7}}, 4},
    {STABILITY_FLOAT32, {3, {7, 4, 6}}, 4},      {STABILITY_FLOAT32, {2, {6, 5}}, 6},
    {STABILITY_FLOAT32, {4, {2, 3, 2, 2}}, 2},
};

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

static bool is_in_time(void *context, const char *stage, int64_t done, int64_t total)
{
    const double *end = context;
    (void)stage;
    (void)done;
    (void)total;
    return clock_seconds() < *end;
}

static void diagnose(struct stability_request *request)
{
    double end = clock_seconds() + SECONDS;
    struct stability_error error = {0};
    request->options.progress = is_in_time;
    request->options.progress_context = &end;
    struct stability_plan *plan = stability_plan_new(request, &error);
    require((plan != NULL) == (error.code == STABILITY_OK));
    struct stability_report *report = plan == NULL ? NULL : stability_diagnose(plan, &error);
    require((report != NULL) == (error.code == STABILITY_OK));
    require(report != NULL || error.message[0] != '\0');
    stability_report_free(report);
    stability_plan_free(plan);
}

static void import(const char *file, size_t size, const struct stability_tensors *data)
{
    static const struct stability_limits limits = {
        .layers = 100, .parameters = 100000, .elements = 100000, .bytes = MEMORY};
    struct stability_error error = {0};
    struct owner owner = {0};
    struct stability_request request = {
        .model.loss.type = "CrossEntropyLoss", .data = *data, .options = stability_default_options};
    request.options.limits = limits;
    bool done = onnx_read(file, size, false, &limits, &owner, &request, &error);
    require(done == (error.code == STABILITY_OK));
    require(done == (error.message[0] == '\0'));
    if (done) {
        check_model(&request.model);
        diagnose(&request);
    }
    owner_free(&owner);
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    struct stability_error error = {0};
    (void)count;
    (void)arguments;
    require(stability_initialize(&error));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const float numbers[MOST_NUMBERS] = {1, -1, 0.5F};
    static const int64_t integers[MOST_NUMBERS] = {0, 1};
    if (size == 0) {
        return 0;
    }
    size_t choice = data[0] % (sizeof(inputs) / sizeof(inputs[0]));
    const void *elements = inputs[choice].dtype == STABILITY_INT64 ? (const void *)integers : numbers;
    const struct stability_named_tensor items[] = {
        {.name = "x", .tensor = {inputs[choice].dtype, inputs[choice].shape, elements}},
        {.name = "target", .tensor = {STABILITY_INT64, {1, {inputs[choice].batch}}, integers}},
    };
    char *file = copy_of(data + 1, size - 1);
    import(file, size - 1, &(struct stability_tensors){sizeof(items) / sizeof(items[0]), items});
    free(file);
    return 0;
}
