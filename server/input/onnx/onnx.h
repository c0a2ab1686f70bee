/* A model in an ONNX file: its graph becomes layers, its initializers their parameters. docs/onnx.md says
 * how. */
#ifndef SERVER_INPUT_ONNX_ONNX_H
#define SERVER_INPUT_ONNX_ONNX_H

#include "server/input/owner.h"

#include <stability/request.h>

/* Completes a request that has a loss, data and options: layers, inputs and weights come from the file, whose
 * bytes must outlive the request. Where `mode_given` is false the run follows the mode that the file was
 * exported in, and options.evaluate says which that is. False on error; pointers begin with /model where the
 * file is at fault. */
bool onnx_read(const char *file, size_t length, bool mode_given, const struct stability_limits *limits,
               struct owner *owner, struct stability_request *request, struct stability_error *error);

#endif
