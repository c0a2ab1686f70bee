/* Shapes and positions as ONNX writes them; for folding and for translating. */
#ifndef SERVER_INPUT_ONNX_SHAPES_H
#define SERVER_INPUT_ONNX_SHAPES_H

#include "server/input/onnx/import.h"

/* The shape that Reshape, Flatten, Squeeze or Unsqueeze gives. */
bool shapes_reshaped(struct onnx_import *import, struct stability_shape *shape);

/* The order of Transpose. */
bool shapes_permutation(struct onnx_import *import, int rank, int dimensions[STABILITY_MAX_RANK]);

/* One dimension of a Slice: positions start, start + step …, `count` of them. */
struct shapes_range {
    int64_t start;
    int64_t step;
    int64_t count;
};
/* All dimensions of a Slice; those that it leaves alone are whole. */
bool shapes_ranges(struct onnx_import *import, const struct stability_shape *shape,
                   struct shapes_range ranges[STABILITY_MAX_RANK]);

/* The axis of Split, and the sizes of its parts, one for each output; the owner's. NULL with the error. */
const int64_t *shapes_parts(struct onnx_import *import, const struct stability_shape *shape, int *axis);

#endif
