#include "server/input/onnx/onnx.h"

#include "server/input/onnx/import.h"

#define FREE_BYTES ((size_t)64 << 20)
#define TIMES_THE_FILE 4

bool onnx_read(const char *file, size_t length, bool mode_given, const struct stability_limits *limits,
               struct owner *owner, struct stability_request *request, struct stability_error *error)
{
    struct onnx_file parsed = {0};
    struct onnx_memory memory = {
        .owner = owner, .left = FREE_BYTES + TIMES_THE_FILE * length, .error = error};
    const struct onnx_request target = {.model = &request->model,
                                        .weights = &request->weights,
                                        .data = &request->data,
                                        .options = &request->options,
                                        .mode_given = mode_given};
    return onnx_file_read(file, length, limits, &memory, &parsed) &&
           onnx_import_file(&parsed, limits, &memory, &target);
}
