/* The frame of a report in HTML: one page that needs nothing else, with style and charts in it, without
 * script and network. It is well-formed XML too, and obeys a Content-Security-Policy that allows nothing but
 * its style element. */
#ifndef SERVER_OUTPUT_HTML_PAGE_H
#define SERVER_OUTPUT_HTML_PAGE_H

#include "server/buffer.h"

/* Everything up to the inside of <main>. `model` may be NULL; `verdict` is harmless as it is. */
void html_page_begin(struct buffer *out, const char *model, const char *verdict);
/* A footer that holds what `phrase` appends, and the end of the page. */
void html_page_end(struct buffer *out, void (*phrase)(struct buffer *out, const void *report),
                   const void *report);

/* Opens <header>: the model's name, and its verdict as class, symbol and word; a sentence is open after it.
 */
void html_header(struct buffer *out, const char *model, const char *class, const char *symbol,
                 const char *verdict);

/* Text from a request, harmless. */
void html_text(struct buffer *out, const char *text);
/* The same as a sentence: a message, a cause. */
void html_sentence(struct buffer *out, const char *text);
/* The same as <code>. */
void html_code(struct buffer *out, const char *text);

/* Opens and closes an item of <dl class="facts">. */
void html_fact(struct buffer *out, const char *name);
void html_fact_end(struct buffer *out);

#endif
