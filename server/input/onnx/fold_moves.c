/* Elements moved about. */
#include "server/input/onnx/fold.h"
#include "server/input/onnx/operators.h"
#include "server/input/onnx/shapes.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define BEYOND_INT64 9223372036854775808.0

bool fold_identity(struct onnx_import *import)
{
    struct onnx_value *value = onnx_required(import, 0);
    if (value == NULL || !onnx_set_known(import, 0, &value->tensor)) {
        return false;
    }
    if (import->tied && value->learned) {
        onnx_output(import, 0)->same = value->same != NULL ? value->same : value;
    }
    return true;
}

/* Of TensorProto.DataType. */
static enum stability_dtype dtype_of(int64_t type)
{
    return type == 11                              ? STABILITY_FLOAT64
           : type == 1 || type == 10 || type == 16 ? STABILITY_FLOAT32
           : type == 9                             ? STABILITY_BOOL
                                                   : STABILITY_INT64;
}

bool fold_cast(struct onnx_import *import)
{
    struct fold_operand x;
    int64_t to = 0;
    const struct onnx_value *value = onnx_required(import, 0);
    if (value == NULL || !onnx_integer(import, "to", &to)) {
        return false;
    }
    enum stability_dtype dtype = dtype_of(to);
    if (stability_dtype_is_floating(dtype) && stability_dtype_is_floating(value->tensor.dtype)) {
        return onnx_set_known(import, 0, &value->tensor);
    }
    if (!fold_operand(import, 0, dtype != STABILITY_INT64, &x)) {
        return false;
    }
    if (dtype == STABILITY_INT64) {
        int64_t *integers = onnx_allocate(&import->memory, (size_t)x.count, sizeof *integers);
        for (int64_t i = 0; integers != NULL && i < x.count; i++) {
            bool fits = !x.real || fabs(x.reals[i]) < BEYOND_INT64;
            integers[i] = !x.real ? x.integers[i] : fits ? (int64_t)x.reals[i] : INT64_MIN;
        }
        return integers != NULL && fold_set_integers(import, 0, &x.shape, integers);
    }
    if (dtype != STABILITY_BOOL) {
        return onnx_set_known(import, 0, &(struct stability_tensor){STABILITY_FLOAT64, x.shape, x.reals});
    }
    bool *booleans = onnx_allocate(&import->memory, (size_t)x.count, sizeof *booleans);
    for (int64_t i = 0; booleans != NULL && i < x.count; i++) {
        booleans[i] = x.reals[i] != 0;
    }
    return booleans != NULL && fold_set_booleans(import, 0, &x.shape, booleans);
}

bool fold_reshape(struct onnx_import *import)
{
    struct stability_shape shape;
    if (!shapes_reshaped(import, &shape)) {
        return false;
    }
    struct stability_tensor tensor = onnx_input(import, 0)->tensor;
    tensor.shape = shape;
    return onnx_set_known(import, 0, &tensor);
}

bool fold_transpose(struct onnx_import *import)
{
    struct onnx_value *value = onnx_required(import, 0);
    int dimensions[STABILITY_MAX_RANK];
    int64_t strides[STABILITY_MAX_RANK];
    if (value == NULL || !shapes_permutation(import, value->tensor.shape.rank, dimensions)) {
        return false;
    }
    const struct stability_shape *x = &value->tensor.shape;
    struct fold_walk walk = {.shape = {.rank = x->rank}};
    fold_strides(x, strides);
    for (int d = 0; d < x->rank; d++) {
        walk.shape.sizes[d] = x->sizes[dimensions[d]];
        walk.strides[d] = strides[dimensions[d]];
    }
    if (!fold_view(import, 0, &value->tensor, walk)) {
        return false;
    }
    struct onnx_value *output = onnx_output(import, 0);
    if (x->rank == 2 && dimensions[0] == 1 && value->learned && output != NULL) {
        output->transpose = value->same != NULL ? value->same : value;
        output->transpose->transpose = output;
    }
    return true;
}

bool fold_slice(struct onnx_import *import)
{
    struct onnx_value *value = onnx_required(import, 0);
    struct shapes_range ranges[STABILITY_MAX_RANK];
    int64_t strides[STABILITY_MAX_RANK];
    if (value == NULL || !shapes_ranges(import, &value->tensor.shape, ranges)) {
        return false;
    }
    struct fold_walk walk = {.shape = {.rank = value->tensor.shape.rank}};
    fold_strides(&value->tensor.shape, strides);
    for (int d = 0; d < walk.shape.rank; d++) {
        walk.shape.sizes[d] = ranges[d].count;
        walk.strides[d] = ranges[d].count > 1 ? strides[d] * ranges[d].step : 0;
        walk.offset += strides[d] * ranges[d].start;
    }
    return fold_view(import, 0, &value->tensor, walk);
}

bool fold_split(struct onnx_import *import)
{
    struct onnx_value *value = onnx_required(import, 0);
    int axis;
    const int64_t *parts = value == NULL ? NULL : shapes_parts(import, &value->tensor.shape, &axis);
    int64_t start = 0;
    if (parts == NULL) {
        return false;
    }
    for (size_t k = 0; k < import->node->output_count; k++) {
        struct fold_walk walk = {.shape = value->tensor.shape};
        fold_strides(&value->tensor.shape, walk.strides);
        walk.shape.sizes[axis] = parts[k];
        walk.offset = start * walk.strides[axis];
        start += parts[k];
        if (!fold_view(import, k, &value->tensor, walk)) {
            return false;
        }
    }
    return true;
}

bool fold_expand(struct onnx_import *import)
{
    struct onnx_value *value = onnx_required(import, 0);
    struct onnx_integers sizes;
    struct stability_shape wanted = {0};
    struct stability_shape shape;
    if (value == NULL || !onnx_input_integers(import, 1, &sizes)) {
        return false;
    }
    if (sizes.count > STABILITY_MAX_RANK) {
        return onnx_refuse(import, "its shape has %zu dimensions", sizes.count);
    }
    wanted.rank = (int)sizes.count;
    memcpy(wanted.sizes, sizes.items, sizes.count * sizeof *sizes.items);
    return fold_broadcast(import, &value->tensor.shape, &wanted, &shape) &&
           fold_view(import, 0, &value->tensor, fold_walk_broadcast(&shape, &value->tensor.shape));
}

/* ---- blocks ---- */

/* Copies `rows` blocks of `size` bytes, which stand `stride_from` and `stride_to` bytes apart. */
static void copy_blocks(char *to, size_t stride_to, const char *from, size_t stride_from, size_t size,
                        int64_t rows)
{
    for (int64_t i = 0; i < rows && size > 0; i++) {
        memcpy(to + (size_t)i * stride_to, from + (size_t)i * stride_from, size);
    }
}

/* The elements before an axis, and those behind it. */
static void around(const struct stability_shape *shape, int axis, int64_t *before, int64_t *behind)
{
    *before = *behind = 1;
    for (int d = 0; d < shape->rank; d++) {
        *before *= d < axis ? shape->sizes[d] : 1;
        *behind *= d > axis ? shape->sizes[d] : 1;
    }
}

/* The shape of the inputs one behind the other. */
static bool joined_shape(struct onnx_import *import, int64_t along, int *axis, struct stability_shape *shape)
{
    for (size_t k = 0; k < import->node->input_count; k++) {
        const struct onnx_value *value = onnx_required(import, k);
        if (value == NULL) {
            return false;
        }
        const struct stability_shape *own = &value->tensor.shape;
        if (k == 0) {
            *shape = *own;
            if (!onnx_axis(import, along, own->rank, axis)) {
                return false;
            }
            continue;
        }
        struct stability_shape same = *own;
        bool fits = own->rank == shape->rank;
        if (fits) {
            same.sizes[*axis] = shape->sizes[*axis];
            fits = stability_shape_equal(&same, shape);
        }
        if (!fits || value->tensor.dtype != onnx_input(import, 0)->tensor.dtype ||
            __builtin_add_overflow(shape->sizes[*axis], own->sizes[*axis], &shape->sizes[*axis])) {
            return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                             "'%.128s' does not fit the inputs before it", value->name);
        }
    }
    return import->node->input_count > 0 && fold_count(import, shape) >= 0;
}

bool fold_concat(struct onnx_import *import)
{
    struct stability_shape shape = {0};
    int64_t along = 0, before, behind;
    int axis = 0;
    if (!onnx_integer(import, "axis", &along) || !joined_shape(import, along, &axis, &shape)) {
        return false;
    }
    enum stability_dtype dtype = onnx_input(import, 0)->tensor.dtype;
    size_t size = stability_dtype_size(dtype);
    char *bytes = onnx_allocate(&import->memory, (size_t)stability_shape_count(&shape), size);
    if (bytes == NULL) {
        return false;
    }
    around(&shape, axis, &before, &behind);
    size_t row = (size_t)(shape.sizes[axis] * behind) * size;
    size_t reached = 0;
    for (size_t k = 0; k < import->node->input_count; k++) {
        const struct stability_tensor *own = &onnx_input(import, k)->tensor;
        size_t block = (size_t)(own->shape.sizes[axis] * behind) * size;
        copy_blocks(bytes + reached, row, own->data, block, block, before);
        reached += block;
    }
    return onnx_set_known(import, 0, &(struct stability_tensor){dtype, shape, bytes});
}

bool fold_gather(struct onnx_import *import)
{
    struct onnx_value *value = onnx_required(import, 0);
    struct fold_operand indices;
    int64_t along = 0, before, behind;
    int axis;
    if (value == NULL || !fold_operand(import, 1, false, &indices) || !onnx_integer(import, "axis", &along) ||
        !onnx_axis(import, along, value->tensor.shape.rank, &axis)) {
        return false;
    }
    const struct stability_shape *x = &value->tensor.shape;
    if (indices.real || x->rank - 1 + indices.shape.rank > STABILITY_MAX_RANK) {
        return onnx_refuse(import, "its indices are not integers, or its result has too many dimensions");
    }
    struct stability_shape shape = {.rank = x->rank - 1 + indices.shape.rank};
    for (int d = 0; d < shape.rank; d++) {
        shape.sizes[d] = d < axis                        ? x->sizes[d]
                         : d < axis + indices.shape.rank ? indices.shape.sizes[d - axis]
                                                         : x->sizes[d - indices.shape.rank + 1];
    }
    int64_t count = fold_count(import, &shape);
    around(x, axis, &before, &behind);
    size_t block = (size_t)behind * stability_dtype_size(value->tensor.dtype);
    char *bytes =
        count < 0 ? NULL
                  : onnx_allocate(&import->memory, (size_t)count, stability_dtype_size(value->tensor.dtype));
    for (int64_t i = 0; bytes != NULL && i < indices.count; i++) {
        int64_t index = indices.integers[i] + (indices.integers[i] < 0 ? x->sizes[axis] : 0);
        if (index < 0 || index >= x->sizes[axis]) {
            return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                             "the index %" PRId64 " is outside of axis %d, which has size %" PRId64,
                             indices.integers[i], axis, x->sizes[axis]);
        }
        copy_blocks(bytes + (size_t)i * block, (size_t)indices.count * block,
                    (const char *)value->tensor.data + (size_t)index * block, (size_t)x->sizes[axis] * block,
                    block, before);
    }
    return bytes != NULL &&
           onnx_set_known(import, 0, &(struct stability_tensor){value->tensor.dtype, shape, bytes});
}

bool fold_tile(struct onnx_import *import)
{
    struct onnx_value *value = onnx_required(import, 0);
    struct onnx_integers repeats;
    struct stability_shape shape;
    int64_t strides[STABILITY_MAX_RANK];
    if (value == NULL || !onnx_input_integers(import, 1, &repeats)) {
        return false;
    }
    const struct stability_shape *x = &value->tensor.shape;
    if (repeats.count != (size_t)x->rank || 2 * x->rank > STABILITY_MAX_RANK) {
        return onnx_refuse(import, "it has %zu repeats for %d dimensions", repeats.count, x->rank);
    }
    struct fold_walk walk = {.shape = {.rank = 2 * x->rank}};
    shape = *x;
    fold_strides(x, strides);
    for (int d = 0; d < x->rank; d++) {
        if (repeats.items[d] < 0 || __builtin_mul_overflow(x->sizes[d], repeats.items[d], &shape.sizes[d])) {
            return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                             "a dimension cannot be repeated %" PRId64 " times", repeats.items[d]);
        }
        walk.shape.sizes[2 * d] = repeats.items[d];
        walk.shape.sizes[2 * d + 1] = x->sizes[d];
        walk.strides[2 * d + 1] = strides[d];
    }
    if (!fold_view(import, 0, &value->tensor, walk)) {
        return false;
    }
    onnx_output(import, 0)->tensor.shape = shape;
    return true;
}
