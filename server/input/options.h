/* The member `options`. */
#ifndef SERVER_INPUT_OPTIONS_H
#define SERVER_INPUT_OPTIONS_H

#include "server/input/reader.h"

/* `target` is a struct stability_options that has the defaults already. Rules and thresholds are for the core
 * to check. */
bool options_read(struct reader *reader, const char *name, const struct node *node, void *target);

#endif
