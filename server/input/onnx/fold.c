#include "server/input/onnx/fold.h"

#include <inttypes.h>
#include <string.h>

int64_t fold_count(struct onnx_import *import, const struct stability_shape *shape)
{
    int64_t count = stability_shape_count(shape);
    int64_t limit = import->limits->elements;
    if (count < 0 || (limit > 0 && count > limit)) {
        char text[STABILITY_SHAPE_TEXT];
        onnx_fail(import, STABILITY_ERROR_MODEL_TOO_LARGE,
                  "the result would have shape %s, the limit is %" PRId64 " elements",
                  stability_shape_text(shape, text), limit);
        return -1;
    }
    return count;
}

bool fold_operand(struct onnx_import *import, size_t k, bool real, struct fold_operand *operand)
{
    struct onnx_value *value = onnx_required(import, k);
    if (value == NULL) {
        return false;
    }
    int64_t count = stability_shape_count(&value->tensor.shape);
    *operand = (struct fold_operand){.real = real || stability_dtype_is_floating(value->tensor.dtype),
                                     .shape = value->tensor.shape,
                                     .count = count};
    void *items = onnx_allocate(&import->memory, (size_t)count, sizeof(double));
    if (items == NULL) {
        return false;
    }
    stability_convert(value->tensor.dtype, value->tensor.data,
                      operand->real ? STABILITY_FLOAT64 : STABILITY_INT64, items, count);
    operand->reals = operand->real ? items : NULL;
    operand->integers = operand->real ? NULL : items;
    return true;
}

bool fold_set_reals(struct onnx_import *import, size_t k, const struct stability_shape *shape,
                    const double *reals)
{
    const struct onnx_value *first = onnx_input(import, 0);
    struct stability_tensor tensor = {STABILITY_FLOAT64, *shape, reals};
    if (first == NULL || first->tensor.dtype != STABILITY_FLOAT64) {
        int64_t count = stability_shape_count(shape);
        float *narrow = onnx_allocate(&import->memory, (size_t)count, sizeof *narrow);
        if (narrow == NULL) {
            return false;
        }
        stability_convert(STABILITY_FLOAT64, reals, STABILITY_FLOAT32, narrow, count);
        tensor = (struct stability_tensor){STABILITY_FLOAT32, *shape, narrow};
    }
    return onnx_set_known(import, k, &tensor);
}

bool fold_set_integers(struct onnx_import *import, size_t k, const struct stability_shape *shape,
                       const int64_t *integers)
{
    return onnx_set_known(import, k, &(struct stability_tensor){STABILITY_INT64, *shape, integers});
}

bool fold_set_booleans(struct onnx_import *import, size_t k, const struct stability_shape *shape,
                       const bool *booleans)
{
    return onnx_set_known(import, k, &(struct stability_tensor){STABILITY_BOOL, *shape, booleans});
}

bool fold_broadcast(struct onnx_import *import, const struct stability_shape *a,
                    const struct stability_shape *b, struct stability_shape *shape)
{
    *shape = (struct stability_shape){.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int d = 1; d <= shape->rank; d++) {
        int64_t size_a = d <= a->rank ? a->sizes[a->rank - d] : 1;
        int64_t size_b = d <= b->rank ? b->sizes[b->rank - d] : 1;
        if (size_a != size_b && size_a != 1 && size_b != 1) {
            char text_a[STABILITY_SHAPE_TEXT];
            char text_b[STABILITY_SHAPE_TEXT];
            return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                             "shapes %s and %s cannot be broadcast together", stability_shape_text(a, text_a),
                             stability_shape_text(b, text_b));
        }
        shape->sizes[shape->rank - d] = size_a == 1 ? size_b : size_a;
    }
    return fold_count(import, shape) >= 0;
}

void fold_strides(const struct stability_shape *shape, int64_t strides[STABILITY_MAX_RANK])
{
    int64_t stride = 1;
    for (int d = shape->rank; d-- > 0;) {
        strides[d] = stride;
        stride *= shape->sizes[d];
    }
}

struct fold_walk fold_walk_broadcast(const struct stability_shape *shape, const struct stability_shape *own)
{
    int64_t strides[STABILITY_MAX_RANK] = {0};
    struct fold_walk walk = {.shape = *shape};
    fold_strides(own, strides);
    for (int d = 0; d < own->rank; d++) {
        walk.strides[shape->rank - own->rank + d] = own->sizes[d] == 1 ? 0 : strides[d];
    }
    return walk;
}

void fold_step(struct fold_walk *walk)
{
    for (int d = walk->shape.rank; d-- > 0;) {
        walk->offset += walk->strides[d];
        if (++walk->index[d] < walk->shape.sizes[d]) {
            return;
        }
        walk->offset -= walk->strides[d] * walk->shape.sizes[d];
        walk->index[d] = 0;
    }
}

bool fold_view(struct onnx_import *import, size_t k, const struct stability_tensor *source,
               struct fold_walk walk)
{
    int64_t count = fold_count(import, &walk.shape);
    size_t size = stability_dtype_size(source->dtype);
    char *bytes = count < 0 ? NULL : onnx_allocate(&import->memory, (size_t)count, size);
    if (bytes == NULL) {
        return false;
    }
    for (int64_t i = 0; i < count; i++) {
        memcpy(bytes + (size_t)i * size, (const char *)source->data + walk.offset * (int64_t)size, size);
        fold_step(&walk);
    }
    return onnx_set_known(import, k, &(struct stability_tensor){source->dtype, walk.shape, bytes});
}
