/* Any bytes as a safetensors file: they are refused with an error, or the tensors tile what is behind the
 * header. */
#include "server/input/request.h"
#include "server/input/safetensors.h"
#include "tests/fuzz/fuzz.h"

/* Together the tensors have as many bytes as there are behind the header, which lie in the file. */
static void check_tensors(const struct stability_tensors *tensors, size_t data_length, const char *file,
                          size_t size)
{
    size_t sum = 0;
    for (size_t i = 0; i < tensors->count; i++) {
        const struct stability_tensor *tensor = &tensors->items[i].tensor;
        const char *bytes = tensor->data;
        size_t count = (size_t)stability_shape_count(&tensor->shape) * stability_dtype_size(tensor->dtype);
        require(bytes >= file && bytes + count <= file + size);
        sum += count;
    }
    require(sum == data_length);
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count;
    (void)arguments;
    input_initialize();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct stability_limits limits = {.layers = 100, .elements = 100000};
    struct stability_error error = {0};
    struct stability_tensors tensors = {0};
    struct owner owner = {0};
    char *file = malloc(size + (size == 0));
    require(file != NULL);
    memcpy(file, data, size);
    uint64_t header = 0;
    for (size_t i = 8; size >= 8 && i-- > 0;) {
        header = header << 8 | data[i];
    }
    bool done = safetensors_read(file, size, &limits, &owner, &tensors, &error);
    require(done == (error.code == STABILITY_OK));
    require(done == (error.message[0] == '\0'));
    require(done || strncmp(error.pointer, "/weights", 8) == 0 ||
            error.code == STABILITY_ERROR_OUT_OF_MEMORY);
    if (done) {
        check_tensors(&tensors, size - 8 - header, file, size);
    }
    owner_free(&owner);
    free(file);
    return 0;
}
