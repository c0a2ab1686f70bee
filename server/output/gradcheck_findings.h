/* What a gradient check finds, as findings: at most one for each parameter. */
#ifndef SERVER_OUTPUT_GRADCHECK_FINDINGS_H
#define SERVER_OUTPUT_GRADCHECK_FINDINGS_H

#include "server/buffer.h"
#include "server/output/findings.h"

#include <stability/gradcheck.h>

/* Starts zeroed; gradcheck_findings_free. */
struct gradcheck_findings {
    struct findings list;
    struct buffer places; /* these own what `list` points to */
    struct buffer items;
    struct buffer evidence;
    struct buffer text;
};

/* False, with nothing in it, where memory did not suffice. */
bool gradcheck_findings_make(struct gradcheck_findings *findings,
                             const struct stability_gradcheck_report *report);
void gradcheck_findings_free(struct gradcheck_findings *findings);

/* The index of the parameter that a finding is about. */
size_t gradcheck_findings_parameter(const struct gradcheck_findings *findings, size_t index);

/* Appends the findings as `write` has them. Allocation failures are the buffer's. */
void gradcheck_findings_write(const struct stability_gradcheck_report *report,
                              void (*write)(const struct findings *findings, struct buffer *buffer),
                              struct buffer *buffer);

#endif
