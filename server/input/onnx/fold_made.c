/* Tensors that are made from shapes and numbers, and reductions and running sums of integers. */
#include "server/input/onnx/fold.h"
#include "server/input/onnx/operators.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- constants ---- */

static bool set_list(struct onnx_import *import, const struct onnx_attribute *attribute)
{
    struct stability_shape shape = {1, {(int64_t)attribute->count}};
    return attribute->type == ONNX_FLOATS ? fold_set_reals(import, 0, &shape, attribute->reals)
                                          : fold_set_integers(import, 0, &shape, attribute->integers);
}

bool fold_constant(struct onnx_import *import)
{
    static const struct stability_shape scalar = {0};
    const struct onnx_attribute *attribute = import->node->attributes;
    if (import->node->attribute_count != 1) {
        return onnx_fail(import, STABILITY_ERROR_ONNX, "it needs one attribute, 'value'");
    }
    switch (attribute->type) {
    case ONNX_TENSOR:
        return onnx_set_known(import, 0, &attribute->tensor);
    case ONNX_FLOAT:
        return fold_set_reals(import, 0, &scalar, &attribute->real);
    case ONNX_INT:
        return fold_set_integers(import, 0, &scalar, &attribute->integer);
    case ONNX_FLOATS:
    case ONNX_INTS:
        return set_list(import, attribute);
    default:
        return onnx_refuse(import, "its value is no tensor of numbers");
    }
}

static bool shape_of_list(struct onnx_import *import, const struct onnx_integers *sizes,
                          struct stability_shape *shape)
{
    if (sizes->count > STABILITY_MAX_RANK) {
        return onnx_refuse(import, "its result has %zu dimensions", sizes->count);
    }
    *shape = (struct stability_shape){.rank = (int)sizes->count};
    memcpy(shape->sizes, sizes->items, sizes->count * sizeof *sizes->items);
    return fold_count(import, shape) >= 0;
}

bool fold_constant_of_shape(struct onnx_import *import)
{
    const struct onnx_attribute *attribute = onnx_attribute(import, "value");
    struct stability_tensor one = {STABILITY_FLOAT32, {1, {1}}, &(float){0}};
    struct onnx_integers sizes;
    struct stability_shape shape;
    if (attribute != NULL) {
        one = attribute->tensor;
    }
    if (one.data == NULL || stability_shape_count(&one.shape) != 1) {
        return onnx_fail(import, STABILITY_ERROR_ONNX,
                         "the attribute 'value' must be a tensor of one element");
    }
    one.shape = (struct stability_shape){0};
    return onnx_input_integers(import, 0, &sizes) && shape_of_list(import, &sizes, &shape) &&
           fold_view(import, 0, &one, fold_walk_broadcast(&shape, &one.shape));
}

/* A number in a shape; from before opset 9. */
bool fold_constant_fill(struct onnx_import *import)
{
    double number = 0;
    int64_t from_input = 0;
    int64_t dtype = 1;
    struct onnx_integers sizes, more;
    struct stability_shape shape;
    if (!onnx_real(import, "value", &number) || !onnx_integer(import, "input_as_shape", &from_input) ||
        !onnx_integer(import, "dtype", &dtype) || !onnx_integers(import, "extra_shape", &more) ||
        !onnx_input_integers(import, 0, &sizes)) {
        return false;
    }
    if (from_input == 0 || more.count > 0 || dtype != 1) {
        return onnx_refuse(import, "its shape is not that in its input, or its numbers are not float32");
    }
    struct stability_tensor one = {STABILITY_FLOAT64, {0}, &number};
    return shape_of_list(import, &sizes, &shape) &&
           fold_view(import, 0, &one, fold_walk_broadcast(&shape, &one.shape));
}

bool fold_shape(struct onnx_import *import)
{
    const struct onnx_value *value = onnx_required(import, 0);
    int64_t start = 0;
    int64_t end = STABILITY_MAX_RANK;
    if (value == NULL || !onnx_integer(import, "start", &start) || !onnx_integer(import, "end", &end)) {
        return false;
    }
    const struct stability_shape *x = onnx_shape(value);
    start = start < 0 ? start + x->rank : start;
    end = end < 0 ? end + x->rank : end;
    start = start < 0 ? 0 : start > x->rank ? x->rank : start;
    end = end < start ? start : end > x->rank ? x->rank : end;
    int64_t *sizes = onnx_allocate(&import->memory, STABILITY_MAX_RANK, sizeof *sizes);
    if (sizes == NULL) {
        return false;
    }
    memcpy(sizes, x->sizes + start, (size_t)(end - start) * sizeof *sizes);
    return fold_set_integers(import, 0, &(struct stability_shape){1, {end - start}}, sizes);
}

bool fold_size(struct onnx_import *import)
{
    const struct onnx_value *value = onnx_required(import, 0);
    int64_t *count = onnx_allocate(&import->memory, 1, sizeof *count);
    if (value == NULL || count == NULL) {
        return false;
    }
    *count = stability_shape_count(onnx_shape(value));
    return fold_set_integers(import, 0, &(struct stability_shape){0}, count);
}

bool fold_range(struct onnx_import *import)
{
    const struct onnx_value *first = onnx_required(import, 0);
    double start = 0, limit = 0, step = 1;
    if (first == NULL || !onnx_input_number(import, 0, &start) || !onnx_input_number(import, 1, &limit) ||
        !onnx_input_number(import, 2, &step)) {
        return false;
    }
    double count = ceil((limit - start) / step);
    if (!(fabs(start) < 0x1p53 && fabs(limit) < 0x1p53 && fabs(step) < 0x1p53 && step != 0)) {
        return onnx_fail(import, STABILITY_ERROR_INVALID_VALUE, "its start, limit and step are no range");
    }
    struct stability_shape shape = {1, {count > 0 ? (int64_t)fmin(count, 0x1p46) : 0}};
    int64_t length = fold_count(import, &shape);
    double *reals = length < 0 ? NULL : onnx_allocate(&import->memory, (size_t)length, sizeof *reals);
    for (int64_t i = 0; reals != NULL && i < length; i++) {
        reals[i] = start + (double)i * step;
    }
    if (reals == NULL || stability_dtype_is_floating(first->tensor.dtype)) {
        return reals != NULL && fold_set_reals(import, 0, &shape, reals);
    }
    int64_t *integers = onnx_allocate(&import->memory, (size_t)length, sizeof *integers);
    if (integers == NULL) {
        return false;
    }
    stability_convert(STABILITY_FLOAT64, reals, STABILITY_INT64, integers, length);
    return fold_set_integers(import, 0, &shape, integers);
}

/* ---- triangles and diagonals ---- */

bool fold_trilu(struct onnx_import *import)
{
    const struct onnx_value *value = onnx_required(import, 0);
    int64_t upper = 1;
    double diagonal = 0;
    if (value == NULL || !onnx_integer(import, "upper", &upper) || !onnx_input_number(import, 1, &diagonal)) {
        return false;
    }
    const struct stability_shape *shape = &value->tensor.shape;
    size_t size = stability_dtype_size(value->tensor.dtype);
    int64_t count = stability_shape_count(shape);
    char *bytes = onnx_allocate(&import->memory, (size_t)count, size);
    if (bytes == NULL || shape->rank < 2) {
        return bytes != NULL && onnx_refuse(import, "its input is no matrix");
    }
    int64_t columns = shape->sizes[shape->rank - 1];
    int64_t rows = shape->sizes[shape->rank - 2];
    for (int64_t i = 0; i < count; i++) {
        double above = (double)(i % columns - i / columns % rows);
        if (upper != 0 ? above >= diagonal : above <= diagonal) {
            memcpy(bytes + (size_t)i * size, (const char *)value->tensor.data + (size_t)i * size, size);
        }
    }
    return onnx_set_known(import, 0, &(struct stability_tensor){value->tensor.dtype, *shape, bytes});
}

bool fold_eye_like(struct onnx_import *import)
{
    const struct onnx_value *value = onnx_required(import, 0);
    int64_t diagonal = 0;
    int64_t dtype = 1;
    if (value == NULL || !onnx_integer(import, "k", &diagonal) || !onnx_integer(import, "dtype", &dtype)) {
        return false;
    }
    const struct stability_shape *shape = onnx_shape(value);
    if (shape->rank != 2 || diagonal < -INT32_MAX || diagonal > INT32_MAX) {
        return onnx_refuse(import, "its input is no matrix");
    }
    int64_t count = fold_count(import, shape);
    int64_t *integers = count < 0 ? NULL : onnx_allocate(&import->memory, (size_t)count, sizeof *integers);
    double *reals = count < 0 ? NULL : onnx_allocate(&import->memory, (size_t)count, sizeof *reals);
    for (int64_t i = 0; integers != NULL && reals != NULL && i < count; i++) {
        integers[i] = i % shape->sizes[1] - i / shape->sizes[1] == diagonal;
        reals[i] = (double)integers[i];
    }
    if (integers == NULL || reals == NULL) {
        return false;
    }
    return onnx_is_real(dtype) ? fold_set_reals(import, 0, shape, reals)
                               : fold_set_integers(import, 0, shape, integers);
}

/* ---- integers reduced ---- */

static double combine(const char *type, double a, double b)
{
    return strcmp(type, "ReduceSum") == 0    ? a + b
           : strcmp(type, "ReduceProd") == 0 ? a * b
           : strcmp(type, "ReduceMax") == 0  ? fmax(a, b)
                                             : fmin(a, b);
}

/* Marks the axes of a reduction; none given are all. */
static bool read_axes(struct onnx_import *import, int rank, bool reduced[STABILITY_MAX_RANK])
{
    struct onnx_integers axes;
    if (!onnx_either_integers(import, "axes", 1, &axes)) {
        return false;
    }
    for (int d = 0; d < rank; d++) {
        reduced[d] = axes.count == 0;
    }
    for (size_t i = 0; i < axes.count; i++) {
        int dimension;
        if (!onnx_axis(import, axes.items[i], rank, &dimension)) {
            return false;
        }
        reduced[dimension] = true;
    }
    return true;
}

/* Sums in float64: exact for what shapes and positions are. */
bool fold_reduce(struct onnx_import *import)
{
    struct fold_operand x;
    bool reduced[STABILITY_MAX_RANK];
    int64_t keep = 1;
    int64_t stride = 1;
    struct stability_shape shape = {0};
    if (!fold_operand(import, 0, true, &x) || !onnx_integer(import, "keepdims", &keep) ||
        !read_axes(import, x.shape.rank, reduced)) {
        return false;
    }
    struct fold_walk walk = {.shape = x.shape};
    for (int d = x.shape.rank; d-- > 0;) {
        walk.strides[d] = reduced[d] ? 0 : stride;
        stride *= reduced[d] ? 1 : x.shape.sizes[d];
    }
    for (int d = 0; d < x.shape.rank; d++) {
        if (!reduced[d] || keep != 0) {
            shape.sizes[shape.rank++] = reduced[d] ? 1 : x.shape.sizes[d];
        }
    }
    double *reals = onnx_allocate(&import->memory, (size_t)stride, sizeof *reals);
    bool *started = onnx_allocate(&import->memory, (size_t)stride, sizeof *started);
    int64_t *integers = onnx_allocate(&import->memory, (size_t)stride, sizeof *integers);
    if (reals == NULL || started == NULL || integers == NULL) {
        return false;
    }
    if (x.count == 0) {
        return onnx_refuse(import, "it reduces a tensor without elements");
    }
    for (int64_t i = 0; i < x.count; i++) {
        double *sum = &reals[walk.offset];
        *sum = started[walk.offset] ? combine(import->node->type, *sum, x.reals[i]) : x.reals[i];
        started[walk.offset] = true;
        fold_step(&walk);
    }
    if (stability_dtype_is_floating(onnx_input(import, 0)->tensor.dtype)) {
        return fold_set_reals(import, 0, &shape, reals);
    }
    for (int64_t i = 0; i < stride; i++) {
        integers[i] = (int64_t)fmin(fmax(reals[i], -0x1p62), 0x1p62);
    }
    return fold_set_integers(import, 0, &shape, integers);
}

bool fold_cumsum(struct onnx_import *import)
{
    struct fold_operand x;
    double along = 0;
    int64_t exclusive = 0, reverse = 0;
    int axis;
    if (!fold_operand(import, 0, true, &x) || !onnx_input_number(import, 1, &along) ||
        !onnx_integer(import, "exclusive", &exclusive) || !onnx_integer(import, "reverse", &reverse) ||
        !onnx_axis(import, (int64_t)fmin(fmax(along, -99), 99), x.shape.rank, &axis)) {
        return false;
    }
    int64_t strides[STABILITY_MAX_RANK];
    double *sums = onnx_allocate(&import->memory, (size_t)x.count, sizeof *sums);
    int64_t *integers = onnx_allocate(&import->memory, (size_t)x.count, sizeof *integers);
    if (sums == NULL || integers == NULL) {
        return false;
    }
    fold_strides(&x.shape, strides);
    int64_t size = x.shape.sizes[axis];
    int64_t stride = strides[axis];
    for (int64_t i = 0; i < x.count; i++) { /* `i` in the order of summation: each after the one before it */
        int64_t at = reverse != 0 ? x.count - 1 - i : i;
        int64_t position = at / stride % size;
        int64_t before = reverse != 0 ? at + stride : at - stride;
        bool first = position == (reverse != 0 ? size - 1 : 0);
        sums[at] = x.reals[at] + (first ? 0 : sums[before]);
    }
    for (int64_t i = 0; i < x.count; i++) {
        sums[i] -= exclusive != 0 ? x.reals[i] : 0;
        integers[i] = (int64_t)fmin(fmax(sums[i], -0x1p62), 0x1p62);
    }
    return stability_dtype_is_floating(onnx_input(import, 0)->tensor.dtype)
               ? fold_set_reals(import, 0, &x.shape, sums)
               : fold_set_integers(import, 0, &x.shape, integers);
}
