/* The members `weights` and `data`: tensors by name, given or to be drawn. */
#ifndef SERVER_INPUT_TENSORS_H
#define SERVER_INPUT_TENSORS_H

#include "server/input/reader.h"

/* Numbers are float64; what is to be drawn has "init". */
bool weights_read(struct reader *reader, const struct node *node, struct stability_tensors *tensors);
/* Numbers that were all written as integers are int64; what is to be drawn has "random" and "shape". */
bool data_read(struct reader *reader, const struct node *node, struct stability_tensors *tensors);

#endif
