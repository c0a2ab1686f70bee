/* Gather: Embedding where rows of an initializer are looked up, else slices of what is computed. */
#include "server/input/onnx/operators.h"

#include <inttypes.h>
#include <string.h>

#define MOST_PARTS 1024

/* The shape with the dimensions of the indices in place of one. */
static bool result_shape(struct onnx_import *import, const struct stability_shape *x, int axis,
                         const struct stability_shape *indices, struct stability_shape *shape)
{
    *shape = (struct stability_shape){.rank = x->rank - 1 + indices->rank};
    if (shape->rank > STABILITY_MAX_RANK) {
        return onnx_refuse(import, "its result has %d dimensions", shape->rank);
    }
    for (int d = 0; d < shape->rank; d++) {
        shape->sizes[d] = d < axis                   ? x->sizes[d]
                          : d < axis + indices->rank ? indices->sizes[d - axis]
                                                     : x->sizes[d - indices->rank + 1];
    }
    return true;
}

/* ---- rows of an initializer ---- */

/* Known indices below 0 count from the end: Embedding has none of these. */
static bool from_the_front(struct onnx_import *import, struct onnx_value *indices, int64_t rows,
                           struct onnx_value *positive)
{
    int64_t count = stability_shape_count(&indices->tensor.shape);
    int64_t *items = onnx_allocate(&import->memory, (size_t)count, sizeof *items);
    bool below = false;
    if (items == NULL) {
        return false;
    }
    stability_convert(indices->tensor.dtype, indices->tensor.data, STABILITY_INT64, items, count);
    for (int64_t i = 0; i < count; i++) {
        below |= items[i] < 0;
        items[i] += items[i] < 0 ? rows : 0;
    }
    *positive = *indices;
    if (below) {
        positive->tensor = (struct stability_tensor){STABILITY_INT64, indices->tensor.shape, items};
        positive->flow.name = NULL;
        positive->flow.integer = false;
    }
    return true;
}

static bool look_up(struct onnx_import *import, struct onnx_value *table, struct onnx_value *indices)
{
    struct onnx_value positive;
    struct stability_shape shape = table->tensor.shape;
    int64_t rows = shape.sizes[0];
    int64_t length = 1;
    struct onnx_flow x, y;
    for (int d = 1; d < shape.rank; d++) {
        length *= shape.sizes[d];
    }
    if (!result_shape(import, &table->tensor.shape, 0, onnx_shape(indices), &shape)) {
        return false;
    }
    if (indices->known) {
        if (!from_the_front(import, indices, rows, &positive) || !onnx_indices(import, &positive, &x)) {
            return false;
        }
        indices->flow = positive.tensor.data == indices->tensor.data ? positive.flow : indices->flow;
    } else if (!onnx_indices(import, indices, &x)) {
        return false;
    }
    struct onnx_draft draft = {.type = "Embedding", .inputs = &x, .input_count = 1};
    draft_integer(&draft, "num_embeddings", rows);
    draft_integer(&draft, "embedding_dim", length);
    draft_weight(&draft, "weight", table, &(struct stability_shape){2, {rows, length}});
    return draft_emit(import, &draft, NULL, &y) &&
           onnx_finish(
               import,
               stability_shape_equal(&y.shape, &shape) || onnx_reshape(import, "shape", &y, &shape, &y), &y);
}

/* ---- parts of what is computed ---- */

static bool select_one(struct onnx_import *import, const struct onnx_flow *x, int axis, int64_t index)
{
    struct onnx_flow y;
    struct onnx_draft draft = {.type = "Select", .inputs = x, .input_count = 1};
    draft_integer(&draft, "dim", axis);
    draft_integer(&draft, "index", index);
    return onnx_finish(import, draft_emit(import, &draft, NULL, &y), &y);
}

/* How many indices from the first on are a step of `step` apart. */
static int64_t run_length(const int64_t *indices, int64_t count, int64_t *step)
{
    int64_t length = 1;
    *step = count > 1 && indices[1] - indices[0] == -1 ? -1 : 1;
    while (length < count && indices[length] - indices[length - 1] == *step) {
        length++;
    }
    return length;
}

/* Slices of successive indices, one behind the other. */
static bool join_parts(struct onnx_import *import, const struct onnx_flow *x, int axis,
                       const int64_t *indices, int64_t count, const char *role, struct onnx_flow *y)
{
    struct onnx_flow *parts = onnx_allocate(&import->memory, MOST_PARTS, sizeof *parts);
    size_t part_count = 0;
    int64_t step;
    for (int64_t i = 0, length; parts != NULL && i < count; i += length) {
        length = run_length(indices + i, count - i, &step);
        if (part_count == MOST_PARTS) {
            return onnx_refuse(import, "indices in more than %d runs", MOST_PARTS);
        }
        bool only = i == 0 && length == count;
        if (!onnx_slice(import, only ? role : "part", x, axis, indices[i],
                        indices[i] + step * (length - 1) + step, step, &parts[part_count++])) {
            return false;
        }
        if (only) {
            *y = parts[0];
            return true;
        }
    }
    struct onnx_draft draft = {.type = "Concat", .inputs = parts, .input_count = part_count};
    draft_integer(&draft, "dim", axis);
    return parts != NULL && draft_emit(import, &draft, role, y);
}

static bool take_parts(struct onnx_import *import, const struct onnx_flow *x, int axis,
                       struct onnx_value *value)
{
    const struct stability_shape *own = &value->tensor.shape;
    int64_t count = stability_shape_count(own);
    int64_t *indices = onnx_allocate(&import->memory, (size_t)count, sizeof *indices);
    struct stability_shape shape;
    struct onnx_flow y;
    if (indices == NULL || !result_shape(import, &x->shape, axis, own, &shape)) {
        return false;
    }
    stability_convert(value->tensor.dtype, value->tensor.data, STABILITY_INT64, indices, count);
    for (int64_t i = 0; i < count; i++) {
        indices[i] += indices[i] < 0 ? x->shape.sizes[axis] : 0;
        if (indices[i] < 0 || indices[i] >= x->shape.sizes[axis]) {
            return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                             "an index is outside of axis %d, which has size %" PRId64, axis,
                             x->shape.sizes[axis]);
        }
    }
    if (own->rank == 0) {
        return select_one(import, x, axis, indices[0]);
    }
    if (count == 0) {
        return onnx_refuse(import, "its result has no elements");
    }
    bool vector = own->rank == 1;
    return join_parts(import, x, axis, indices, count, vector ? NULL : "parts", &y) &&
           onnx_finish(import, vector || onnx_reshape(import, NULL, &y, &shape, &y), &y);
}

bool onnx_gather(struct onnx_import *import)
{
    struct onnx_value *data = onnx_required(import, 0);
    struct onnx_value *indices = data == NULL ? NULL : onnx_required(import, 1);
    int64_t along = 0;
    int axis;
    struct onnx_flow x;
    if (indices == NULL || !onnx_integer(import, "axis", &along) ||
        !onnx_axis(import, along, onnx_shape(data)->rank, &axis)) {
        return false;
    }
    bool table = data->learned || (data->is_input && data->tensor.data != NULL && !indices->known);
    if (axis == 0 && table && onnx_shape(indices)->rank > 0 && onnx_known(import, data, "its table")) {
        return look_up(import, data, indices);
    }
    if (!onnx_known(import, indices, "its indices")) {
        return false;
    }
    if (stability_dtype_is_floating(indices->tensor.dtype)) {
        return onnx_refuse(import, "its indices are no integers");
    }
    return onnx_operand(import, data, &x) && take_parts(import, &x, axis, indices);
}
