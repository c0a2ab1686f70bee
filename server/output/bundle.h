/* A report in every format, packed: what is kept of one. It is written once, when the report is there, so
 * that it reads the same for ever, whatever later versions write differently. */
#ifndef SERVER_OUTPUT_BUNDLE_H
#define SERVER_OUTPUT_BUNDLE_H

#include "server/buffer.h"

#include <stability/error.h>

/* Appends the report in one format; its name has at most 255 bytes. Allocation failures are the buffer's. */
void bundle_add(struct buffer *bundle, const char *format, const struct buffer *body);

/* Appends the report in `format` to `body`. *found is false where it is not kept in that format. False with
 * INTERNAL where the bundle is broken, with OUT_OF_MEMORY. */
bool bundle_find(const struct buffer *bundle, const char *format, struct buffer *body, bool *found,
                 struct stability_error *error);

/* Appends the names of the formats that there are: "json, text". */
void bundle_list(const struct buffer *bundle, struct buffer *names);

#endif
