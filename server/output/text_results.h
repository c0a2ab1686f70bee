/* What the analyses found, in a report for a terminal. */
#ifndef SERVER_OUTPUT_TEXT_RESULTS_H
#define SERVER_OUTPUT_TEXT_RESULTS_H

#include "server/buffer.h"

#include <stability/report.h>

/* Appends those that the request asks for, no line wider than terminal_width(): a heading, a line for each
 * value, a table for each list of objects, or a paragraph a row where the table would be too wide. */
void text_results(struct buffer *buffer, const struct stability_report *report);

#endif
