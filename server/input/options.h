/* The member `options`. */
#ifndef SERVER_INPUT_OPTIONS_H
#define SERVER_INPUT_OPTIONS_H

#include "server/input/reader.h"

/* `target` is a struct input_request whose options have the defaults already. Rules and thresholds are for
 * the core to check. A gradient check's have the member `gradcheck` besides. */
bool options_read(struct reader *reader, const char *name, const struct node *node, void *target);
bool options_read_gradcheck(struct reader *reader, const char *name, const struct node *node, void *target);

#endif
