/* Reductions and running sums. */
#include "server/input/onnx/operators.h"

#include <math.h>
#include <string.h>

/* Each is a layer over dimensions, with a function before and one after it. */
static const struct {
    const char *operator;
    const char *before; /* NULL: none */
    const char *type;
    const char *after;
} reductions[] = {
    {"ReduceMean", NULL, "Mean", NULL},         {"ReduceSum", NULL, "Sum", NULL},
    {"ReduceMax", NULL, "Max", NULL},           {"ReduceMin", "Neg", "Max", "Neg"},
    {"ReduceL1", "Abs", "Sum", NULL},           {"ReduceL2", "Square", "Sum", "Sqrt"},
    {"ReduceLogSum", NULL, "Sum", "Log"},       {"ReduceLogSumExp", NULL, "LogSumExp", NULL},
    {"ReduceSumSquare", "Square", "Sum", NULL},
};

/* The dimensions that are reduced: none given are all, unless the node says that they are none. */
static bool read_dimensions(struct onnx_import *import, int rank, int64_t *dimensions, size_t *count)
{
    struct onnx_integers axes;
    int64_t none = 0;
    if (!onnx_either_integers(import, "axes", 1, &axes) ||
        !onnx_integer(import, "noop_with_empty_axes", &none)) {
        return false;
    }
    *count = 0;
    for (int d = 0; d < rank && axes.count == 0 && none == 0; d++) {
        dimensions[(*count)++] = d;
    }
    if (axes.count > STABILITY_MAX_RANK) {
        return onnx_refuse(import, "it reduces %zu axes", axes.count);
    }
    for (size_t i = 0; i < axes.count; i++) {
        int dimension;
        if (!onnx_axis(import, axes.items[i], rank, &dimension)) {
            return false;
        }
        dimensions[(*count)++] = dimension;
    }
    return true;
}

bool onnx_reduce(struct onnx_import *import)
{
    size_t which = 0;
    int64_t dimensions[STABILITY_MAX_RANK];
    int64_t keep = 1;
    size_t count;
    struct onnx_flow x;
    while (strcmp(reductions[which].operator, import->node->type) != 0) {
        which++;
    }
    if (!onnx_operand_at(import, 0, &x) || !onnx_integer(import, "keepdims", &keep) ||
        !read_dimensions(import, x.shape.rank, dimensions, &count)) {
        return false;
    }
    const char *after = reductions[which].after;
    struct onnx_draft draft = {
        .type = count == 0 ? "Identity" : reductions[which].type, .inputs = &x, .input_count = 1};
    if (count > 0) {
        if (!draft_list(import, &draft, "dim", dimensions, count)) {
            return false;
        }
        draft_boolean(&draft, "keepdim", keep != 0);
    }
    if ((reductions[which].before != NULL &&
         !onnx_unary(import, reductions[which].before, "elements", &x, &x)) ||
        !draft_emit(import, &draft, after != NULL ? "reduced" : NULL, &x) ||
        (after != NULL && !onnx_unary(import, after, NULL, &x, &x))) {
        return false;
    }
    onnx_set_flow(import, 0, &x);
    return true;
}

static bool reverse(struct onnx_import *import, const char *role, int axis, struct onnx_flow *x)
{
    return onnx_slice(import, role, x, axis, x->shape.sizes[axis] - 1, -1, -1, x);
}

bool onnx_cumsum(struct onnx_import *import)
{
    double along = 0;
    int64_t exclusive = 0, backwards = 0;
    int axis;
    struct onnx_flow x, sums;
    if (!onnx_operand_at(import, 0, &x) || !onnx_input_number(import, 1, &along) ||
        !onnx_integer(import, "exclusive", &exclusive) || !onnx_integer(import, "reverse", &backwards) ||
        !onnx_axis(import, (int64_t)fmin(fmax(along, -99), 99), x.shape.rank, &axis)) {
        return false;
    }
    struct onnx_draft draft = {.type = "CumSum", .inputs = &sums, .input_count = 1};
    draft_integer(&draft, "dim", axis);
    sums = x;
    if ((backwards != 0 && !reverse(import, "reversed", axis, &sums)) ||
        !draft_emit(import, &draft, backwards != 0 || exclusive != 0 ? "sums" : NULL, &sums) ||
        (backwards != 0 && !reverse(import, exclusive != 0 ? "restored" : NULL, axis, &sums)) ||
        (exclusive != 0 && !onnx_binary(import, "Sub", NULL, &sums, &x, &sums))) {
        return false;
    }
    onnx_set_flow(import, 0, &sums);
    return true;
}
