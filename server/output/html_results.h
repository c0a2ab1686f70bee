/* What the analyses found, in HTML. */
#ifndef SERVER_OUTPUT_HTML_RESULTS_H
#define SERVER_OUTPUT_HTML_RESULTS_H

#include "server/buffer.h"

#include <stability/report.h>

/* Appends a section with those that the request asks for; nothing where there are none. */
void html_results(struct buffer *out, const struct stability_report *report);

#endif
