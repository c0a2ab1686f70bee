/* The member `model`: layers and loss. */
#ifndef SERVER_INPUT_MODEL_H
#define SERVER_INPUT_MODEL_H

#include "server/input/reader.h"

/* `target` is a struct stability_model. Types, attributes and names are for the core to check. */
bool model_read(struct reader *reader, const char *name, const struct node *node, void *target);
/* The same of a model whose layers come from elsewhere: a loss, and a name if it has one. */
bool model_read_loss(struct reader *reader, const char *name, const struct node *node, void *target);

#endif
