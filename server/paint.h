/* Colours for a report in format text, where a person reads it on a terminal. */
#ifndef SERVER_PAINT_H
#define SERVER_PAINT_H

#include "server/buffer.h"

#include <stdbool.h>
#include <stdio.h>

/* Whether `stream` is a terminal that obeys commands: one that is not dumb. */
bool paint_possible(FILE *stream);

/* Whether what goes to `stream` may be coloured: that is possible, and NO_COLOR
 * (https://no-color.org) is empty or not set. */
bool paint_wanted(FILE *stream);

/* Appends `text`, `length` bytes with a NUL behind them: lines as server/output/report_text.c writes them,
 * with the verdict, the headings of findings and the flags of layers in colour (ECMA-48, SGR). Without the
 * colours it is the same text, byte for byte. */
void paint_report(struct buffer *out, const char *text, size_t length);

#endif
