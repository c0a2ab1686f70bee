/* The table of layers in a report for a terminal. */
#ifndef SERVER_OUTPUT_TEXT_LAYERS_H
#define SERVER_OUTPUT_TEXT_LAYERS_H

#include "server/buffer.h"

#include <stability/report.h>

/* Appends a heading and one line a layer, none wider than terminal_width(): name, type and shape of the
 * output, its mean and standard deviation, the L2 norms of the gradients of the output and of all parameters
 * together, and the labels of the findings that name the layer. What does not exist is "-".
 * Where the width is less than TERMINAL_WIDTH, columns are left out until names have room. */
void text_layers(struct buffer *buffer, const struct stability_report *report);

#endif
