/* Errors as application/problem+json (RFC 9457). */
#ifndef SERVER_PROBLEM_H
#define SERVER_PROBLEM_H

#include "server/buffer.h"

#include <stability/error.h>

struct input_position;

#define PROBLEM_MEDIA_TYPE "application/problem+json"

/* Appends the problem document of `error`. `position`, where it is known, gives line, column and offset;
 * `request_id` may be NULL. */
void problem_write(const struct stability_error *error, const struct input_position *position,
                   const char *request_id, struct buffer *body);

#endif
