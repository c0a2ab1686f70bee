/* Text from a request, made harmless for a format that has a syntax of its own. */
#ifndef SERVER_OUTPUT_ESCAPE_H
#define SERVER_OUTPUT_ESCAPE_H

#include "server/buffer.h"

enum escape {
    ESCAPE_MARKUP,   /* HTML and XML: element content and quoted attributes */
    ESCAPE_MARKDOWN, /* GitHub-flavoured: a line's text after its start, a table's cell, the content of <code>
                      */
    ESCAPE_SARIF     /* a SARIF message, which has placeholders {0} and links [text](1) */
};

/* Appends `text`, its control characters visible as terminal_escape makes them, and nothing in it that the
 * format takes for syntax. */
void escape_text(struct buffer *buffer, enum escape escape, const char *text);

/* Makes harmless what stands in the buffer from `start` on, visible text already. */
void escape_tail(struct buffer *buffer, enum escape escape, size_t start);

#endif
