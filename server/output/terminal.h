/* Text for a terminal of fixed width: escaped, measured in columns, cut, padded and wrapped. */
#ifndef SERVER_OUTPUT_TERMINAL_H
#define SERVER_OUTPUT_TERMINAL_H

#include "server/buffer.h"

/* Columns that no line of a report exceeds, unless terminal_use_width says less. */
#define TERMINAL_WIDTH 100
#define TERMINAL_LEAST_WIDTH 60

/* The width that reports are written for. */
size_t terminal_width(void);

/* Sets it for the whole process, before any other thread is started: between TERMINAL_LEAST_WIDTH and
 * TERMINAL_WIDTH, whatever `columns` is. */
void terminal_use_width(size_t columns);

/* Bytes that always suffice for a number's text, the NUL included. */
#define TERMINAL_NUMBER 32

/* Appends `text` so that no terminal takes it for a command: control characters and those that change the
 * direction of text as \n, \x1b or \u202e, bytes that are not UTF-8 as \xff. */
void terminal_escape(struct buffer *buffer, const char *text);

/* The columns that escaped text takes up: none for a combining mark, two for an ideograph, else one a
 * character. */
size_t terminal_columns(const char *text, size_t length);

/* Appends escaped text in at most `width` columns, its middle replaced by "..." where it is wider. Returns
 * the columns that it takes up. */
size_t terminal_fit(struct buffer *buffer, const char *text, size_t length, size_t width);

/* Appends escaped text and a newline, words wrapped at terminal_width(). The first line goes on at column
 * `column`; the following ones are indented by `indent`. A word that is wider than a line is cut. */
void terminal_wrap(struct buffer *buffer, const char *text, size_t column, size_t indent);

/* Four significant digits, aligned well in a column: "0.1234", "12.34", "1.234e-09", "NaN", "-Inf". At most
 * 10 columns, 9 where the number is not negative. Returns `text`. */
const char *terminal_aligned_number(double number, char text[TERMINAL_NUMBER]);

/* Up to four significant digits without trailing zeros: "0.8", "1e-06", "1234", "Inf"; whole numbers below
 * 10^9 with all of theirs. Returns `text`. */
const char *terminal_short_number(double number, char text[TERMINAL_NUMBER]);

#endif
