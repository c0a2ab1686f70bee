#include "server/input/request.h"

#include "server/input/model.h"
#include "server/input/options.h"
#include "server/input/reader.h"
#include "server/input/structure.h"
#include "server/input/tensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct input_storage {
    struct scan scan;
    json_t *structure;
    struct owner owner;
};

static bool read_weights(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    return weights_read(reader, node, target);
}

static bool read_data(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    return data_read(reader, node, target);
}

static bool read_request(struct reader *reader, const json_t *structure, enum input_purpose purpose,
                         struct input_request *request)
{
    static const struct field diagnose_fields[] = {
        {"model", model_read, offsetof(struct input_request, request.model), true},
        {"weights", read_weights, offsetof(struct input_request, request.weights), false},
        {"data", read_data, offsetof(struct input_request, request.data), true},
        {"options", options_read, 0, false},
        {NULL, NULL, 0, false}};
    static const struct field gradcheck_fields[] = {
        {"model", model_read, offsetof(struct input_request, request.model), true},
        {"weights", read_weights, offsetof(struct input_request, request.weights), false},
        {"data", read_data, offsetof(struct input_request, request.data), true},
        {"gradients", read_weights, offsetof(struct input_request, gradients), false},
        {"options", options_read_gradcheck, 0, false},
        {NULL, NULL, 0, false}};
    struct node root = reader_node(reader, structure);
    if (root.kind != NODE_OBJECT) {
        return reader_expected(reader, "a request, which is an object,", &root);
    }
    return reader_members(reader, &root, "the request",
                          purpose == INPUT_GRADCHECK ? gradcheck_fields : diagnose_fields, request);
}

/* The scan has checked the grammar: a structure that can't be loaded has a key twice, or needs more memory
 * than there is. */
static bool load_failed(const char *body, size_t length, const json_error_t *problem,
                        struct input_position *where, struct stability_error *error)
{
    if (json_error_code(problem) != json_error_duplicate_key) {
        return owner_out_of_memory(error);
    }
    size_t offset = scan_origin(body, length, (size_t)problem->position);
    char pointer[sizeof error->pointer];
    position_pointer(body, length, offset, pointer, sizeof pointer);
    *where = position_at(body, offset);
    return stability_fail(error, STABILITY_ERROR_DUPLICATE_KEY, pointer,
                          "line %" PRId64 ", column %" PRId64 ": this key occurs twice in its object",
                          where->line, where->column);
}

static bool parse(const char *body, size_t length, enum input_purpose purpose,
                  const struct stability_limits *limits, struct input_request *request,
                  struct input_position *where, struct stability_error *error)
{
    struct input_storage *storage = request->storage;
    size_t offset;
    if (!scan_body(body, length, limits, &storage->scan, &offset, error)) {
        if (offset != SIZE_MAX) {
            *where = position_at(body, offset);
        }
        return false;
    }
    json_error_t problem = {0}; /* jansson leaves it unset where memory fails */
    storage->structure =
        structure_load(storage->scan.structure.data, storage->scan.structure.length, &problem);
    buffer_free(&storage->scan.structure);
    if (storage->structure == NULL) {
        return load_failed(body, length, &problem, where, error);
    }
    struct reader reader = {
        .body = body, .scan = &storage->scan, .owner = &storage->owner, .limits = limits, .error = error};
    request->request.options = stability_default_options;
    request->request.options.limits = *limits;
    request->gradcheck = stability_default_gradcheck_options;
    return read_request(&reader, storage->structure, purpose, request);
}

void input_initialize(void)
{
    structure_initialize();
}

struct input_request *input_request_parse(const char *body, size_t length, enum input_purpose purpose,
                                          const struct stability_limits *limits, struct input_position *where,
                                          struct stability_error *error)
{
    struct input_request *request = calloc(1, sizeof *request);
    struct input_storage *storage = calloc(1, sizeof *storage);
    *where = (struct input_position){0};
    if (request == NULL || storage == NULL) {
        owner_out_of_memory(error);
        free(request);
        free(storage);
        return NULL;
    }
    request->storage = storage;
    if (!parse(body, length, purpose, limits, request, where, error)) {
        input_request_free(request);
        return NULL;
    }
    return request;
}

void input_request_free(struct input_request *request)
{
    if (request == NULL) {
        return;
    }
    scan_free(&request->storage->scan);
    json_decref(request->storage->structure);
    owner_free(&request->storage->owner);
    free(request->storage);
    free(request);
}
