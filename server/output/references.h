/* Which findings name a layer: the labels that a terminal's table shows in place of the rules' long names. */
#ifndef SERVER_OUTPUT_REFERENCES_H
#define SERVER_OUTPUT_REFERENCES_H

#include "server/buffer.h"

#include <stability/report.h>

struct reference {
    const char *layer; /* borrowed from the report */
    size_t finding;    /* its index */
};

/* Sorted by layer and finding. Starts zeroed; released by buffer_free(&references.storage), whose `failed`
 * tells that memory did not suffice: the list is then empty. */
struct references {
    struct buffer storage;
    const struct reference *items;
    size_t count;
};

void references_collect(struct references *references, const struct stability_report *report);
/* The references of one layer, in the order of the findings; `count` is 0 where there are none. */
const struct reference *references_of(const struct references *references, const char *layer, size_t *count);

/* Appends the label of finding `index`: "E1", "W2", "I3", after its severity and its place in the list. */
void reference_label(struct buffer *buffer, const struct stability_finding *findings, size_t index);

#endif
