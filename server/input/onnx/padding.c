/* Pad in all of its modes. */
#include "server/input/onnx/operators.h"

#include <inttypes.h>
#include <string.h>

struct padding {
    int64_t before[STABILITY_MAX_RANK];
    int64_t behind[STABILITY_MAX_RANK];
};

static bool read_padding(struct onnx_import *import, int rank, struct padding *padding)
{
    struct onnx_integers pads, axes;
    if (!onnx_either_integers(import, "pads", 1, &pads) || !onnx_input_integers(import, 3, &axes)) {
        return false;
    }
    size_t count = axes.present ? axes.count : (size_t)rank;
    if (pads.count != 2 * count || count > (size_t)rank) {
        return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH, "%zu pads do not fit %zu dimensions",
                         pads.count, count);
    }
    *padding = (struct padding){0};
    for (size_t i = 0; i < count; i++) {
        int dimension = (int)i;
        if (axes.present && !onnx_axis(import, axes.items[i], rank, &dimension)) {
            return false;
        }
        padding->before[dimension] = pads.items[i];
        padding->behind[dimension] = pads.items[count + i];
        if (pads.items[i] < -INT32_MAX || pads.items[i] > INT32_MAX || pads.items[count + i] < -INT32_MAX ||
            pads.items[count + i] > INT32_MAX) {
            return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH, "a padding is out of range");
        }
    }
    return true;
}

static bool pad_constant(struct onnx_import *import, const struct padding *padding, double value,
                         struct onnx_flow *x)
{
    int64_t items[2 * STABILITY_MAX_RANK];
    int rank = x->shape.rank;
    struct onnx_draft draft = {.type = "Pad", .inputs = x, .input_count = 1};
    for (int d = 0; d < rank; d++) {
        items[2 * d] = padding->before[rank - 1 - d];
        items[2 * d + 1] = padding->behind[rank - 1 - d];
    }
    draft_real(&draft, "value", value);
    return draft_list(import, &draft, "pad", items, 2 * (size_t)rank) && draft_emit(import, &draft, NULL, x);
}

/* What stands before or behind the elements of a dimension: they in reverse, the last of them again and
 * again, or those of the other end. */
static bool border(struct onnx_import *import, const char *mode, int d, int64_t count, bool before,
                   const struct onnx_flow *x, struct onnx_flow *y)
{
    int64_t size = x->shape.sizes[d];
    if (strcmp(mode, "edge") == 0) {
        int64_t at = before ? 0 : size - 1;
        struct stability_shape shape = x->shape;
        shape.sizes[d] = count;
        struct onnx_draft draft = {.type = "Expand", .inputs = y, .input_count = 1};
        return onnx_slice(import, "edge", x, d, at, at + 1, 1, y) &&
               draft_list(import, &draft, "shape", shape.sizes, (size_t)shape.rank) &&
               draft_emit(import, &draft, "border", y);
    }
    bool wrap = strcmp(mode, "wrap") == 0;
    if (count > (wrap ? size : size - 1)) {
        return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                         "%" PRId64 " elements cannot be taken from axis %d, which has size %" PRId64, count,
                         d, size);
    }
    if (wrap) {
        int64_t start = before ? size - count : 0;
        return onnx_slice(import, "border", x, d, start, start + count, 1, y);
    }
    int64_t start = before ? count : size - 2;
    return onnx_slice(import, "border", x, d, start, start - count, -1, y);
}

static bool pad_dimension(struct onnx_import *import, const char *mode, int d, int64_t before, int64_t behind,
                          const char *role, struct onnx_flow *x)
{
    struct onnx_flow parts[3];
    size_t count = 0;
    if (before < 0 || behind < 0) {
        return onnx_refuse(import, "a padding below 0 in the mode '%.16s'", mode);
    }
    if (before > 0 && !border(import, mode, d, before, true, x, &parts[count++])) {
        return false;
    }
    parts[count++] = *x;
    if (behind > 0 && !border(import, mode, d, behind, false, x, &parts[count++])) {
        return false;
    }
    struct onnx_draft draft = {.type = "Concat", .inputs = parts, .input_count = count};
    draft_integer(&draft, "dim", d);
    return draft_emit(import, &draft, role, x);
}

bool onnx_pad(struct onnx_import *import)
{
    const char *mode = "constant";
    struct padding padding = {0};
    struct onnx_flow x;
    double value = 0;
    int last = -1;
    if (!onnx_operand_at(import, 0, &x) || !onnx_text(import, "mode", &mode) ||
        !onnx_real(import, "value", &value) || !onnx_input_number(import, 2, &value) ||
        !read_padding(import, x.shape.rank, &padding)) {
        return false;
    }
    for (int d = 0; d < x.shape.rank; d++) {
        last = padding.before[d] != 0 || padding.behind[d] != 0 ? d : last;
    }
    if (last < 0) {
        return onnx_finish(import, onnx_unary(import, "Identity", NULL, &x, &x), &x);
    }
    if (strcmp(mode, "constant") == 0) {
        return onnx_finish(import, pad_constant(import, &padding, value, &x), &x);
    }
    if (strcmp(mode, "reflect") != 0 && strcmp(mode, "edge") != 0 && strcmp(mode, "wrap") != 0) {
        return onnx_fail(import, STABILITY_ERROR_ONNX, "the attribute 'mode' cannot be '%.32s'", mode);
    }
    for (int d = 0; d <= last; d++) {
        if ((padding.before[d] != 0 || padding.behind[d] != 0) &&
            !pad_dimension(import, mode, d, padding.before[d], padding.behind[d], d == last ? NULL : "axis",
                           &x)) {
            return false;
        }
    }
    onnx_set_flow(import, 0, &x);
    return true;
}
