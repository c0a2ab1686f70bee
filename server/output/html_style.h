/* The style of a report in HTML. */
#ifndef SERVER_OUTPUT_HTML_STYLE_H
#define SERVER_OUTPUT_HTML_STYLE_H

/* CSS for light and dark screens of any width, and for paper. */
extern const char html_style[];

#endif
