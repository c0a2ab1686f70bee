/* The forms in which a request may write a tensor. */
#ifndef SERVER_INPUT_TENSOR_H
#define SERVER_INPUT_TENSOR_H

#include "server/input/reader.h"

/* A number, nested arrays of numbers, a flat array with a shape, base64 with a dtype and a shape. Numbers
 * become float64; with `integers`, int64 if all of them were written as integers, of which those from 2^53 on
 * are refused. Elements from an array of numbers stay where the scan put them, and may be used by one tensor
 * only. */
bool tensor_read(struct reader *reader, const struct node *node, bool integers,
                 struct stability_tensor *tensor);
/* The same for a form that is an object. */
bool tensor_read_object(struct reader *reader, const struct node *node, bool integers,
                        struct stability_tensor *tensor);
/* The same for the flat array of a tensor whose shape is given. */
bool tensor_read_flat(struct reader *reader, const struct node *node, bool integers,
                      const struct stability_shape *shape, struct stability_tensor *tensor);

/* A list of sizes; the number of elements is within the limits. */
bool shape_read(struct reader *reader, const struct node *node, struct stability_shape *shape);

#endif
