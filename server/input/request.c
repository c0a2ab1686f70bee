#include "server/input/request.h"

#include "server/input/document.h"
#include "server/input/model.h"
#include "server/input/onnx/onnx.h"
#include "server/input/options.h"
#include "server/input/reader.h"
#include "server/input/safetensors.h"
#include "server/input/structure.h"
#include "server/input/tensors.h"

#include <stdlib.h>
#include <string.h>

struct input_storage {
    struct document document;
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

/* Beside an ONNX file `model` has a loss and nothing of the graph. */
static bool read_onnx_request(struct reader *reader, const json_t *structure, enum input_purpose purpose,
                              struct input_request *request)
{
    static const struct field diagnose_fields[] = {
        {"model", model_read_loss, offsetof(struct input_request, request.model), true},
        {"data", read_data, offsetof(struct input_request, request.data), true},
        {"options", options_read, 0, false},
        {NULL, NULL, 0, false}};
    static const struct field gradcheck_fields[] = {
        {"model", model_read_loss, offsetof(struct input_request, request.model), true},
        {"data", read_data, offsetof(struct input_request, request.data), true},
        {"gradients", read_weights, offsetof(struct input_request, gradients), false},
        {"options", options_read_gradcheck, 0, false},
        {NULL, NULL, 0, false}};
    struct node root = reader_node(reader, structure);
    return reader_members(reader, &root, "a request with an ONNX file",
                          purpose == INPUT_GRADCHECK ? gradcheck_fields : diagnose_fields, request);
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
        return reader_expected(reader, "a request as an object", &root);
    }
    return reader_members(reader, &root, "the request",
                          purpose == INPUT_GRADCHECK ? gradcheck_fields : diagnose_fields, request);
}

static bool read_onnx(const struct input_body *body, enum input_purpose purpose, struct reader *reader,
                      const json_t *structure, struct input_request *request)
{
    if (body->weights != NULL) {
        return stability_fail(reader->error, STABILITY_ERROR_INVALID_VALUE, "/weights",
                              "weights are the initializers of the ONNX file: there can be no safetensors "
                              "file beside it");
    }
    if (!read_onnx_request(reader, structure, purpose, request)) {
        return false;
    }
    bool mode_given = json_object_get(json_object_get(structure, "options"), "mode") != NULL;
    return onnx_read(body->model, body->model_length, mode_given, reader->limits, reader->owner,
                     &request->request, reader->error);
}

static bool read_weights_file(const struct input_body *body, struct reader *reader, const json_t *structure,
                              struct input_request *request)
{
    if (json_object_get(structure, "weights") != NULL) {
        return stability_fail(reader->error, STABILITY_ERROR_INVALID_VALUE, "/weights",
                              "weights come in the request's member 'weights' or in a safetensors file, not "
                              "in both");
    }
    return safetensors_read(body->weights, body->weights_length, reader->limits, reader->owner,
                            &request->request.weights, reader->error);
}

static bool load(const struct input_body *body, const struct stability_limits *limits,
                 struct document *document, struct input_position *where, struct stability_error *error)
{
    if (body->arrival != NULL && input_arrival_finish(body->arrival, &document->scan)) {
        return document_load_scanned(document, body->json, body->length, where, error);
    }
    return document_load(document, body->json, body->length, limits, where, error);
}

static bool parse(const struct input_body *body, enum input_purpose purpose,
                  const struct stability_limits *limits, struct input_request *request,
                  struct input_position *where, struct stability_error *error)
{
    struct input_storage *storage = request->storage;
    if (!load(body, limits, &storage->document, where, error)) {
        return false;
    }
    struct reader reader = {.body = body->json,
                            .scan = &storage->document.scan,
                            .owner = &storage->owner,
                            .limits = limits,
                            .error = error};
    request->request.options = stability_default_options;
    request->request.options.limits = *limits;
    request->gradcheck = stability_default_gradcheck_options;
    if (body->model != NULL) {
        return read_onnx(body, purpose, &reader, storage->document.structure.root, request);
    }
    if (!read_request(&reader, storage->document.structure.root, purpose, request)) {
        return false;
    }
    return body->weights == NULL ||
           read_weights_file(body, &reader, storage->document.structure.root, request);
}

void input_initialize(void)
{
    structure_initialize();
}

struct input_request *input_request_parse(const struct input_body *body, enum input_purpose purpose,
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
    storage->owner.claim = body->claim;
    storage->document.scan.claim = body->claim;
    if (!parse(body, purpose, limits, request, where, error)) {
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
    document_free(&request->storage->document);
    owner_free(&request->storage->owner);
    free(request->storage);
    free(request);
}
