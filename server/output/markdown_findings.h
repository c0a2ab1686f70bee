/* Findings in GitHub-flavoured Markdown, and the pieces of text that they are made of. */
#ifndef SERVER_OUTPUT_MARKDOWN_FINDINGS_H
#define SERVER_OUTPUT_MARKDOWN_FINDINGS_H

#include "server/buffer.h"
#include "server/output/findings.h"

/* Text from a request, harmless; the same as code. */
void markdown_text(struct buffer *out, const char *text);
void markdown_code(struct buffer *out, const char *text);

/* A section, nothing where there are no findings. None starts once `out` has `end` bytes: those left out are
 * counted. */
void markdown_findings(struct buffer *out, const struct findings *findings, size_t end);

#endif
