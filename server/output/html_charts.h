/* The charts of a report in HTML: each a <figure>, left out where the report has nothing for it. */
#ifndef SERVER_OUTPUT_HTML_CHARTS_H
#define SERVER_OUTPUT_HTML_CHARTS_H

#include "server/buffer.h"

#include <stability/report.h>

/* The variance of each layer's output; the norms of the gradients of its output and of its parameters, with
 * the range that the rules take for acceptable. Both on logarithmic axes. */
void html_charts_by_layer(struct buffer *out, const struct stability_report *report);

/* For outputs, parameters and the gradients of both: each layer's histogram of binary exponents beside the
 * range of float16. */
void html_charts_exponents(struct buffer *out, const struct stability_report *report);

#endif
