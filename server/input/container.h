/* What a request's body holds: JSON, or parts of multipart/form-data. */
#ifndef SERVER_INPUT_CONTAINER_H
#define SERVER_INPUT_CONTAINER_H

#include "server/input/request.h"

/* Finds the parts `request`, `weights` and `model` of a body with that boundary; NULL: all of it is JSON.
 * *body refers to the bytes. False on error. */
bool container_open(char *bytes, size_t length, const char *boundary, struct input_body *body,
                    struct stability_error *error);

#endif
