/* The bytes of a request become what the core is asked. */
#ifndef SERVER_INPUT_REQUEST_H
#define SERVER_INPUT_REQUEST_H

#include "server/input/arrival.h"
#include "server/input/position.h"
#include "server/jobs/budget.h"

#include <stability/gradcheck.h>

/* What the request is for: a gradient check has the members `gradients` and `options.gradcheck` besides. */
enum input_purpose { INPUT_DIAGNOSE, INPUT_GRADCHECK };

/* The bytes of a request. They may be changed where they are long, so that weights are in memory once: base64
 * is decoded where it stands, and what is in a file is aligned. */
struct input_body {
    char *json;
    size_t length;
    char *weights; /* a safetensors file; NULL: weights are in the JSON, if anywhere */
    size_t weights_length;
    char *model; /* an ONNX file; NULL: layers and weights are in the JSON */
    size_t model_length;
    struct input_arrival *arrival; /* of the JSON; NULL: it is read from its beginning */
    struct claim *claim;           /* that pays for what is made of the bytes; NULL: none */
};

struct input_request {
    struct stability_request request; /* what it points to is freed with it */
    struct stability_tensors gradients;
    struct stability_gradcheck_options gradcheck;
    double timeout; /* seconds that the work may take; 0: the request does not say */
    struct input_storage *storage;
};

/* Call once, before other threads start. */
void input_initialize(void);

/* Reads a request, as docs/api describes it; the core checks what it means. The bytes must stay until the
 * request is freed. `limits` bounds layers and elements, with that the memory, and becomes part of the
 * request's options. NULL on error; *where is known where the error is one of syntax, or at one place of the
 * JSON for another reason. May be called from several threads at once. */
struct input_request *input_request_parse(const struct input_body *body, enum input_purpose purpose,
                                          const struct stability_limits *limits, struct input_position *where,
                                          struct stability_error *error);
void input_request_free(struct input_request *request);

#endif
