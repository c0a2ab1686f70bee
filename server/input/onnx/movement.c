/* Elements moved about: the layers of Reshape, Transpose, Slice, Concat, Gather and their kin. */
#include "server/input/onnx/operators.h"
#include "server/input/onnx/shapes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MOST_COPIES 1024

bool onnx_identity(struct onnx_import *import)
{
    struct onnx_flow x;
    return onnx_operand_at(import, 0, &x) &&
           onnx_finish(import, onnx_unary(import, "Identity", NULL, &x, &x), &x);
}

/* Among floating types nothing is cast: the run has one precision. */
bool onnx_cast(struct onnx_import *import)
{
    int64_t to = 1;
    struct onnx_flow x;
    if (!onnx_operand_at(import, 0, &x) || !onnx_integer(import, "to", &to)) {
        return false;
    }
    bool floating = onnx_is_real(to);
    if (!floating && !x.integer) {
        return onnx_refuse(import, "activations become integers");
    }
    bool done = x.integer && floating ? onnx_scale(import, NULL, &x, 1, 0, &x)
                                      : onnx_unary(import, "Identity", NULL, &x, &x);
    return onnx_finish(import, done, &x);
}

bool onnx_cast_like(struct onnx_import *import)
{
    const struct onnx_value *like = onnx_required(import, 1);
    struct onnx_flow x;
    if (like == NULL || !onnx_operand_at(import, 0, &x)) {
        return false;
    }
    bool floating = like->known ? stability_dtype_is_floating(like->tensor.dtype) : !like->flow.integer;
    if (!floating && !x.integer) {
        return onnx_refuse(import, "activations become integers");
    }
    return onnx_finish(import,
                       x.integer && floating ? onnx_scale(import, NULL, &x, 1, 0, &x)
                                             : onnx_unary(import, "Identity", NULL, &x, &x),
                       &x);
}

/* Where the request says nothing about the mode, a Dropout that the file has in inference mode does nothing.
 */
bool onnx_dropout(struct onnx_import *import)
{
    double ratio = 0.5;
    struct onnx_flow x;
    if (!onnx_operand_at(import, 0, &x) || !onnx_real(import, "ratio", &ratio) ||
        !onnx_input_number(import, 1, &ratio)) {
        return false;
    }
    if (import->frozen && import->training && !onnx_node_trains(import)) {
        return onnx_finish(import, onnx_unary(import, "Identity", NULL, &x, &x), &x);
    }
    struct onnx_draft draft = {.type = "Dropout", .inputs = &x, .input_count = 1};
    draft_real(&draft, "p", ratio);
    return onnx_finish(import, draft_emit(import, &draft, NULL, &x), &x);
}

/* ---- shapes ---- */

bool onnx_reshape_node(struct onnx_import *import)
{
    struct stability_shape shape;
    struct onnx_flow x;
    return onnx_operand_at(import, 0, &x) && shapes_reshaped(import, &shape) &&
           onnx_finish(import, onnx_reshape(import, NULL, &x, &shape, &x), &x);
}

bool onnx_flatten(struct onnx_import *import)
{
    int64_t axis = 1;
    struct onnx_flow x;
    if (!onnx_integer(import, "axis", &axis) || !onnx_operand_at(import, 0, &x)) {
        return false;
    }
    if (axis != 1 || x.shape.rank < 2) {
        return onnx_reshape_node(import);
    }
    return onnx_finish(import, onnx_unary(import, "Flatten", NULL, &x, &x), &x);
}

bool onnx_transpose(struct onnx_import *import)
{
    int dimensions[STABILITY_MAX_RANK];
    struct onnx_flow x;
    return onnx_operand_at(import, 0, &x) && shapes_permutation(import, x.shape.rank, dimensions) &&
           onnx_finish(import, onnx_permute(import, NULL, &x, dimensions, &x), &x);
}

bool onnx_expand(struct onnx_import *import)
{
    struct onnx_integers sizes;
    struct onnx_flow x;
    int64_t items[STABILITY_MAX_RANK];
    if (!onnx_operand_at(import, 0, &x) || !onnx_input_integers(import, 1, &sizes)) {
        return false;
    }
    int rank = (int)sizes.count > x.shape.rank ? (int)sizes.count : x.shape.rank;
    if (rank > STABILITY_MAX_RANK) {
        return onnx_refuse(import, "its result has %d dimensions", rank);
    }
    for (int d = 1; d <= rank; d++) {
        int64_t own = d <= x.shape.rank ? x.shape.sizes[x.shape.rank - d] : 1;
        int64_t wanted = (size_t)d <= sizes.count ? sizes.items[sizes.count - (size_t)d] : 1;
        items[rank - d] = wanted == 1 ? own : wanted;
    }
    struct onnx_draft draft = {.type = "Expand", .inputs = &x, .input_count = 1};
    return draft_list(import, &draft, "shape", items, (size_t)rank) &&
           onnx_finish(import, draft_emit(import, &draft, NULL, &x), &x);
}

/* ---- parts ---- */

bool onnx_slice_node(struct onnx_import *import)
{
    struct shapes_range ranges[STABILITY_MAX_RANK];
    struct onnx_flow x;
    int last = -1;
    if (!onnx_operand_at(import, 0, &x) || !shapes_ranges(import, &x.shape, ranges)) {
        return false;
    }
    for (int d = 0; d < x.shape.rank; d++) {
        bool whole = ranges[d].step == 1 && ranges[d].count == x.shape.sizes[d];
        last = whole ? last : d;
    }
    if (last < 0) {
        return onnx_finish(import, onnx_unary(import, "Identity", NULL, &x, &x), &x);
    }
    for (int d = 0; d <= last; d++) {
        const struct shapes_range *range = &ranges[d];
        if (range->step == 1 && range->count == x.shape.sizes[d]) {
            continue;
        }
        int64_t end = range->start + range->step * (range->count - 1) + (range->step > 0 ? 1 : -1);
        if (range->count == 0) {
            return onnx_refuse(import, "its result has no elements");
        }
        if (!onnx_slice(import, d == last ? NULL : "axis", &x, d, range->start, end, range->step, &x)) {
            return false;
        }
    }
    onnx_set_flow(import, 0, &x);
    return true;
}

bool onnx_split(struct onnx_import *import)
{
    struct onnx_flow x, part;
    int axis;
    int64_t start = 0;
    const int64_t *parts = NULL;
    if (!onnx_operand_at(import, 0, &x) || (parts = shapes_parts(import, &x.shape, &axis)) == NULL) {
        return false;
    }
    for (size_t k = 0; k < import->node->output_count; k++) {
        char role[24];
        snprintf(role, sizeof role, "%zu", k);
        if (!onnx_slice(import, role, &x, axis, start, start + parts[k], 1, &part)) {
            return false;
        }
        onnx_set_flow(import, k, &part);
        start += parts[k];
    }
    return true;
}

bool onnx_concat(struct onnx_import *import)
{
    int64_t along = 0;
    int axis;
    size_t count = import->node->input_count;
    struct onnx_flow *inputs = onnx_allocate(&import->memory, count, sizeof *inputs);
    struct onnx_flow y;
    if (inputs == NULL || !onnx_integer(import, "axis", &along)) {
        return false;
    }
    for (size_t k = 0; k < count; k++) {
        if (!onnx_operand_at(import, k, &inputs[k])) {
            return false;
        }
    }
    if (count == 0 || !onnx_axis(import, along, inputs[0].shape.rank, &axis)) {
        return count == 0 ? onnx_required(import, 0) != NULL : false;
    }
    struct onnx_draft draft = {.type = "Concat", .inputs = inputs, .input_count = count};
    draft_integer(&draft, "dim", axis);
    return onnx_finish(import, draft_emit(import, &draft, NULL, &y), &y);
}

/* The same flow `count` times along a dimension. */
static bool repeat(struct onnx_import *import, const char *role, int64_t count, int dimension,
                   struct onnx_flow *x)
{
    if (count < 1 || count > MOST_COPIES) {
        return onnx_refuse(import, "%" PRId64 " copies of a dimension", count);
    }
    struct onnx_flow *inputs = onnx_allocate(&import->memory, (size_t)count, sizeof *inputs);
    for (int64_t i = 0; inputs != NULL && i < count; i++) {
        inputs[i] = *x;
    }
    struct onnx_draft draft = {.type = "Concat", .inputs = inputs, .input_count = (size_t)count};
    draft_integer(&draft, "dim", dimension);
    return inputs != NULL && draft_emit(import, &draft, role, x);
}

bool onnx_tile(struct onnx_import *import)
{
    struct onnx_integers repeats;
    struct onnx_flow x;
    int last = -1;
    if (!onnx_operand_at(import, 0, &x) || !onnx_input_integers(import, 1, &repeats)) {
        return false;
    }
    if (repeats.count != (size_t)x.shape.rank) {
        return onnx_refuse(import, "it has %zu repeats for %d dimensions", repeats.count, x.shape.rank);
    }
    for (int d = 0; d < x.shape.rank; d++) {
        last = repeats.items[d] == 1 ? last : d;
    }
    if (last < 0) {
        return onnx_finish(import, onnx_unary(import, "Identity", NULL, &x, &x), &x);
    }
    for (int d = 0; d <= last; d++) {
        if (repeats.items[d] != 1 && !repeat(import, d == last ? NULL : "axis", repeats.items[d], d, &x)) {
            return false;
        }
    }
    onnx_set_flow(import, 0, &x);
    return true;
}

/* ---- blocks of an image ---- */

/* (N, C, H, W) in another order, by way of six dimensions. */
static bool rearrange(struct onnx_import *import, struct onnx_flow *x, const struct stability_shape *six,
                      const int *order, const struct stability_shape *shape)
{
    return onnx_reshape(import, "blocks", x, six, x) && onnx_permute(import, "order", x, order, x) &&
           onnx_finish(import, onnx_reshape(import, NULL, x, shape, x), x);
}

static bool read_blocks(struct onnx_import *import, struct onnx_flow *x, int64_t *block)
{
    *block = 0;
    if (!onnx_operand_at(import, 0, x) || !onnx_integer(import, "blocksize", block)) {
        return false;
    }
    return (x->shape.rank == 4 && *block >= 1 && *block <= MOST_COPIES) ||
           onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                     "its input must have four dimensions, and its blocksize be from 1 to 1024");
}

bool onnx_depth_to_space(struct onnx_import *import)
{
    static const int columns[] = {0, 3, 4, 1, 5, 2}; /* (N, b, b, C, H, W): depth, column, row */
    static const int rows[] = {0, 1, 4, 2, 5, 3};    /* (N, C, b, b, H, W) */
    const char *mode = "DCR";
    int64_t b;
    struct onnx_flow x;
    if (!read_blocks(import, &x, &b) || !onnx_text(import, "mode", &mode)) {
        return false;
    }
    const int64_t *s = x.shape.sizes;
    bool depth_first = strcmp(mode, "CRD") != 0;
    int64_t depth = s[1] / b / b;
    struct stability_shape six = {6, {s[0], depth_first ? b : depth, b, depth_first ? depth : b, s[2], s[3]}};
    struct stability_shape shape = {4, {s[0], depth, s[2] * b, s[3] * b}};
    return rearrange(import, &x, &six, depth_first ? columns : rows, &shape);
}

bool onnx_space_to_depth(struct onnx_import *import)
{
    static const int order[] = {0, 3, 5, 1, 2, 4};
    int64_t b;
    struct onnx_flow x;
    if (!read_blocks(import, &x, &b)) {
        return false;
    }
    const int64_t *s = x.shape.sizes;
    struct stability_shape six = {6, {s[0], s[1], s[2] / b, b, s[3] / b, b}};
    struct stability_shape shape = {4, {s[0], s[1] * b * b, s[2] / b, s[3] / b}};
    return rearrange(import, &x, &six, order, &shape);
}
