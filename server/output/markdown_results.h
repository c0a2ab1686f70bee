/* What the analyses found, in Markdown. */
#ifndef SERVER_OUTPUT_MARKDOWN_RESULTS_H
#define SERVER_OUTPUT_MARKDOWN_RESULTS_H

#include "server/buffer.h"

#include <stability/report.h>

/* Appends those that the request asks for; nothing starts after byte `end` of the text. */
void markdown_results(struct buffer *out, const struct stability_report *report, size_t end);

#endif
