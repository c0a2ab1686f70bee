/* Who defines which value, who reads it, and in which order nodes can be translated. */
#ifndef SERVER_INPUT_ONNX_WIRING_H
#define SERVER_INPUT_ONNX_WIRING_H

#include "server/input/onnx/import.h"

/* Names every value, connects the nodes, and puts those that the graph's outputs need in an order in which
 * each comes after what it reads. False where a value is defined twice or not at all (DUPLICATE_NAME,
 * UNKNOWN_INPUT), and where nodes depend on each other in a circle (CYCLE). */
bool wiring_read(struct onnx_import *import);

/* The value of that name, or NULL. */
struct onnx_value *wiring_find(const struct onnx_import *import, const char *name);

/* Writes "/model/graph/node/3" for a node of the file. */
void wiring_pointer(const struct onnx_import *import, const struct onnx_node *node, char *pointer,
                    size_t size);

/* What a node is called: its name, or that of the first output that has one. */
const char *wiring_name(const struct onnx_node *node);

#endif
