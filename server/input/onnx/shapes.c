#include "server/input/onnx/shapes.h"

#include <inttypes.h>
#include <string.h>

/* ---- Reshape and its kin ---- */

static bool reshape_to(struct onnx_import *import, const struct stability_shape *x,
                       struct stability_shape *shape)
{
    struct onnx_integers sizes;
    int64_t zero_is_zero = 0;
    int64_t rest = 1;
    int open = -1;
    char text[STABILITY_SHAPE_TEXT];
    if (!onnx_input_integers(import, 1, &sizes) || !onnx_integer(import, "allowzero", &zero_is_zero)) {
        return false;
    }
    if (!sizes.present || sizes.count > STABILITY_MAX_RANK) {
        return onnx_refuse(import, "its shape has %zu dimensions, at most %d are supported", sizes.count,
                           STABILITY_MAX_RANK);
    }
    *shape = (struct stability_shape){.rank = (int)sizes.count};
    for (int d = 0; d < shape->rank; d++) {
        int64_t size = sizes.items[d];
        if (size == 0 && zero_is_zero == 0 && d < x->rank) {
            size = x->sizes[d];
        }
        if (size < -1 || (size == -1 && open >= 0) ||
            __builtin_mul_overflow(rest, size < 0 ? 1 : size, &rest)) {
            return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH, "'%.128s' is no shape",
                             onnx_input(import, 1)->name);
        }
        open = size == -1 ? d : open;
        shape->sizes[d] = size;
    }
    int64_t count = stability_shape_count(x);
    if (open >= 0 && rest > 0 && count % rest == 0) {
        shape->sizes[open] = count / rest;
    } else if (open >= 0 || rest != count) {
        return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                         "%" PRId64 " elements of shape %s do not fill the shape in '%.128s'", count,
                         stability_shape_text(x, text), onnx_input(import, 1)->name);
    }
    return true;
}

static bool flatten(struct onnx_import *import, const struct stability_shape *x,
                    struct stability_shape *shape)
{
    int64_t axis = 1;
    if (!onnx_integer(import, "axis", &axis)) {
        return false;
    }
    if (axis < -x->rank || axis > x->rank) {
        return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                         "there is no axis %" PRId64 " in %d dimensions", axis, x->rank);
    }
    axis += axis < 0 ? x->rank : 0;
    *shape = (struct stability_shape){2, {1, 1}};
    for (int d = 0; d < x->rank; d++) {
        shape->sizes[d >= axis] *= x->sizes[d];
    }
    return true;
}

/* Which of `rank` dimensions the axes are. */
static bool mark_axes(struct onnx_import *import, const struct onnx_integers *axes, int rank,
                      bool marks[2 * STABILITY_MAX_RANK])
{
    memset(marks, 0, 2 * STABILITY_MAX_RANK * sizeof *marks);
    for (size_t i = 0; i < axes->count; i++) {
        int dimension;
        if (!onnx_axis(import, axes->items[i], rank, &dimension)) {
            return false;
        }
        marks[dimension] = true;
    }
    return true;
}

static bool squeeze(struct onnx_import *import, const struct onnx_integers *axes,
                    const struct stability_shape *x, struct stability_shape *shape)
{
    bool marks[2 * STABILITY_MAX_RANK];
    if (!mark_axes(import, axes, x->rank, marks)) {
        return false;
    }
    *shape = (struct stability_shape){0};
    for (int d = 0; d < x->rank; d++) {
        if (marks[d] && x->sizes[d] != 1) {
            return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                             "axis %d has size %" PRId64 " and cannot be dropped", d, x->sizes[d]);
        }
        if (axes->present ? !marks[d] : x->sizes[d] != 1) {
            shape->sizes[shape->rank++] = x->sizes[d];
        }
    }
    return true;
}

static bool unsqueeze(struct onnx_import *import, const struct onnx_integers *axes,
                      const struct stability_shape *x, struct stability_shape *shape)
{
    bool marks[2 * STABILITY_MAX_RANK];
    int rank = x->rank + (int)axes->count;
    int taken = 0;
    if (rank > STABILITY_MAX_RANK) {
        return onnx_refuse(import, "its result has %d dimensions, at most %d are supported", rank,
                           STABILITY_MAX_RANK);
    }
    if (!mark_axes(import, axes, rank, marks)) {
        return false;
    }
    *shape = (struct stability_shape){.rank = rank};
    for (int d = 0; d < rank; d++) {
        if (!marks[d] && taken == x->rank) {
            return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH, "an axis is named twice");
        }
        shape->sizes[d] = marks[d] ? 1 : x->sizes[taken++];
    }
    return true;
}

bool shapes_reshaped(struct onnx_import *import, struct stability_shape *shape)
{
    const struct onnx_value *value = onnx_required(import, 0);
    struct onnx_integers axes;
    if (value == NULL) {
        return false;
    }
    const struct stability_shape *x = onnx_shape(value);
    if (strcmp(import->node->type, "Reshape") == 0) {
        return reshape_to(import, x, shape);
    }
    if (strcmp(import->node->type, "Flatten") == 0) {
        return flatten(import, x, shape);
    }
    if (!onnx_either_integers(import, "axes", 1, &axes)) {
        return false;
    }
    return strcmp(import->node->type, "Squeeze") == 0 ? squeeze(import, &axes, x, shape)
                                                      : unsqueeze(import, &axes, x, shape);
}

bool shapes_permutation(struct onnx_import *import, int rank, int dimensions[STABILITY_MAX_RANK])
{
    struct onnx_integers order;
    unsigned seen = 0;
    if (!onnx_integers(import, "perm", &order)) {
        return false;
    }
    for (int d = 0; d < rank; d++) {
        int64_t from = order.present && order.count == (size_t)rank ? order.items[d] : rank - 1 - d;
        if (from < 0 || from >= rank || (order.present && order.count != (size_t)rank)) {
            return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                             "the attribute 'perm' is no order of %d dimensions", rank);
        }
        dimensions[d] = (int)from;
        seen |= 1U << from;
    }
    return seen == (1U << rank) - 1 ||
           onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH, "the attribute 'perm' names a dimension twice");
}

/* ---- Slice ---- */

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* As in Python's start:end:step. */
static struct shapes_range range_of(int64_t size, int64_t start, int64_t end, int64_t step)
{
    start = start < 0 ? (start < -size ? -1 : start + size) : start;
    end = end < 0 ? (end < -size ? -1 : end + size) : end;
    struct shapes_range range = {.step = step};
    if (step > 0) {
        range.start = clamp(start, 0, size);
        end = clamp(end, 0, size);
        range.count = end > range.start ? (end - range.start - 1) / step + 1 : 0;
    } else {
        range.start = clamp(start, -1, size - 1);
        end = clamp(end, -1, size - 1);
        range.count = end < range.start ? (range.start - end - 1) / -step + 1 : 0;
    }
    return range;
}

bool shapes_ranges(struct onnx_import *import, const struct stability_shape *shape,
                   struct shapes_range ranges[STABILITY_MAX_RANK])
{
    struct onnx_integers starts, ends, axes, steps;
    if (!onnx_either_integers(import, "starts", 1, &starts) ||
        !onnx_either_integers(import, "ends", 2, &ends) || !onnx_either_integers(import, "axes", 3, &axes) ||
        !onnx_input_integers(import, 4, &steps)) {
        return false;
    }
    if (starts.count != ends.count || (axes.present && axes.count != starts.count) ||
        (steps.present && steps.count != starts.count) || starts.count > (size_t)shape->rank) {
        return onnx_fail(
            import, STABILITY_ERROR_SHAPE_MISMATCH,
            "starts, ends, axes and steps must be as many as each other, and no more than the %d "
            "dimensions",
            shape->rank);
    }
    for (int d = 0; d < shape->rank; d++) {
        ranges[d] = (struct shapes_range){0, 1, shape->sizes[d]};
    }
    for (size_t i = 0; i < starts.count; i++) {
        int dimension;
        int64_t step = steps.present ? steps.items[i] : 1;
        if (!onnx_axis(import, axes.present ? axes.items[i] : (int64_t)i, shape->rank, &dimension)) {
            return false;
        }
        if (step == 0 || step < -INT32_MAX || step > INT32_MAX) {
            return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH, "a step cannot be %" PRId64, step);
        }
        ranges[dimension] = range_of(shape->sizes[dimension], starts.items[i], ends.items[i], step);
    }
    return true;
}

/* ---- Split ---- */

const int64_t *shapes_parts(struct onnx_import *import, const struct stability_shape *shape, int *axis)
{
    int64_t along = 0;
    int64_t count = (int64_t)import->node->output_count;
    if (!onnx_integer(import, "axis", &along) || !onnx_axis(import, along, shape->rank, axis)) {
        return NULL;
    }
    struct onnx_value *sizes = onnx_input(import, 1);
    const struct onnx_attribute *attribute = onnx_attribute(import, "split");
    int64_t *parts = onnx_allocate(&import->memory, (size_t)count, sizeof *parts);
    if (parts == NULL) {
        return NULL;
    }
    int64_t size = shape->sizes[*axis];
    int64_t share = (size + count - 1) / count;
    int64_t left = size;
    for (int64_t i = 0; i < count; i++) {
        parts[i] = left < share ? left : share;
        left -= parts[i];
    }
    if (sizes != NULL) {
        if (!onnx_known(import, sizes, "the sizes of its parts")) {
            return NULL;
        }
        if (stability_shape_count(&sizes->tensor.shape) == count) {
            stability_convert(sizes->tensor.dtype, sizes->tensor.data, STABILITY_INT64, parts, count);
        }
    } else if (attribute != NULL && attribute->type == ONNX_INTS && attribute->count == (size_t)count) {
        memcpy(parts, attribute->integers, (size_t)count * sizeof *parts);
    }
    left = size;
    for (int64_t i = 0; i < count && left >= 0; i++) {
        left = parts[i] < 0 ? -1 : left - parts[i];
    }
    if (left != 0) {
        onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                  "its parts do not add up to the %" PRId64 " of axis %d", size, *axis);
        return NULL;
    }
    return parts;
}
