/* Findings in HTML; nothing is written where there are none. */
#ifndef SERVER_OUTPUT_HTML_FINDINGS_H
#define SERVER_OUTPUT_HTML_FINDINGS_H

#include "server/buffer.h"
#include "server/output/findings.h"

/* A section with a card for each of the first ones, and a link to the others. */
void html_findings(struct buffer *out, const struct findings *findings);
/* A table of those that have no card. */
void html_further_findings(struct buffer *out, const struct findings *findings);
/* What the rules mean that found something, once each. */
void html_rules(struct buffer *out, const struct findings *findings);

#endif
