/* The tables of a report in HTML: one row a layer, one row a parameter. */
#ifndef SERVER_OUTPUT_HTML_TABLES_H
#define SERVER_OUTPUT_HTML_TABLES_H

#include "server/buffer.h"

#include <stability/report.h>

void html_layer_table(struct buffer *out, const struct stability_report *report);

/* Nothing where no layer has parameters. */
void html_parameter_table(struct buffer *out, const struct stability_report *report);

#endif
