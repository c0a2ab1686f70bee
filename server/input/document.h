/* A text of JSON, scanned and loaded: what a reader reads. */
#ifndef SERVER_INPUT_DOCUMENT_H
#define SERVER_INPUT_DOCUMENT_H

#include "server/input/position.h"
#include "server/input/scan.h"
#include "server/input/structure.h"

struct document {
    struct scan scan; /* without its structure, which is loaded */
    struct structure structure;
};

/* Loads `text` into *document, which was zeroed but for its scan's claim. It refers to the text. False on
 * error; *where is known where the error is in one place of the text. Either way document_free releases it.
 */
bool document_load(struct document *document, const char *text, size_t length,
                   const struct stability_limits *limits, struct input_position *where,
                   struct stability_error *error);
/* The same where the text was scanned into document->scan already. */
bool document_load_scanned(struct document *document, const char *text, size_t length,
                           struct input_position *where, struct stability_error *error);
void document_free(struct document *document);

#endif
