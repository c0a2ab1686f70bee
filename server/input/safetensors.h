/* Weights in a safetensors file: eight bytes with the length of a header (little-endian), a header of JSON,
 * and the tensors' bytes. */
#ifndef SERVER_INPUT_SAFETENSORS_H
#define SERVER_INPUT_SAFETENSORS_H

#include "server/input/owner.h"

#include <stability/request.h>

/* Bytes of a header at most. */
#define SAFETENSORS_LONGEST_HEADER 100000000

/* Reads a file into *tensors, in the order of its header; a dtype that the core does not have is refused, and
 * so is a tensor of more elements than `limits` has. Tensors stay in the file, which is moved by some bytes
 * where that aligns them; names and the list are the owner's. False on error, with SAFETENSORS where the file
 * is broken; pointers begin with /weights. */
bool safetensors_read(char *file, size_t length, const struct stability_limits *limits, struct owner *owner,
                      struct stability_tensors *tensors, struct stability_error *error);

#endif
