/* What operators that compute in advance share: their operands as arrays of one type, and broadcasting. */
#ifndef SERVER_INPUT_ONNX_FOLD_H
#define SERVER_INPUT_ONNX_FOLD_H

#include "server/input/onnx/import.h"

/* A known tensor, converted: reals where its dtype is floating, else integers (booleans are 0 and 1). */
struct fold_operand {
    bool real;
    struct stability_shape shape;
    int64_t count;
    const double *reals;
    const int64_t *integers;
};

/* Input `k`, which must be there. `real` asks for reals whatever the dtype is. */
bool fold_operand(struct onnx_import *import, size_t k, bool real, struct fold_operand *operand);

/* Output `k` from reals (float64 where input 0 is, else float32) or from integers. */
bool fold_set_reals(struct onnx_import *import, size_t k, const struct stability_shape *shape,
                    const double *reals);
bool fold_set_integers(struct onnx_import *import, size_t k, const struct stability_shape *shape,
                       const int64_t *integers);
bool fold_set_booleans(struct onnx_import *import, size_t k, const struct stability_shape *shape,
                       const bool *booleans);

/* The elements of a shape; -1 with the error where it is over the limit. */
int64_t fold_count(struct onnx_import *import, const struct stability_shape *shape);

/* The shape that a and b are broadcast to. */
bool fold_broadcast(struct onnx_import *import, const struct stability_shape *a,
                    const struct stability_shape *b, struct stability_shape *shape);

/* Walks over the elements of a shape in row-major order, and over those of another that it views: element
 * `offset` is at hand. */
struct fold_walk {
    struct stability_shape shape;
    int64_t strides[STABILITY_MAX_RANK];
    int64_t index[STABILITY_MAX_RANK];
    int64_t offset;
};
/* A walk over `shape`, to which `own` is broadcast. */
struct fold_walk fold_walk_broadcast(const struct stability_shape *shape, const struct stability_shape *own);
void fold_step(struct fold_walk *walk);
/* The strides of a contiguous tensor. */
void fold_strides(const struct stability_shape *shape, int64_t strides[STABILITY_MAX_RANK]);
/* Copies the elements that a walk gives into a new tensor: output `k`. */
bool fold_view(struct onnx_import *import, size_t k, const struct stability_tensor *source,
               struct fold_walk walk);

#endif
