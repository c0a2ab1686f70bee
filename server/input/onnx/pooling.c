#include "server/input/onnx/operators.h"
#include "server/input/onnx/window.h"

#include <math.h>
#include <string.h>

/* PyTorch pads at most half a window. */
static bool fits(const struct window *window)
{
    bool small = window_is_symmetric(window);
    for (int d = 0; d < window->dimensions; d++) {
        small &= window->begin[d] <= window->kernel[d] / 2;
    }
    return small;
}

static bool read_pool(struct onnx_import *import, struct onnx_flow *x, struct window *window,
                      int64_t *ceil_mode)
{
    *window = (struct window){0};
    return onnx_operand_at(import, 0, x) && window_read(import, &x->shape, 2, window) &&
           onnx_integer(import, "ceil_mode", ceil_mode);
}

bool onnx_max_pool(struct onnx_import *import)
{
    static const char *const types[] = {NULL, "MaxPool1d", "MaxPool2d"};
    const struct onnx_value *indices = onnx_output(import, 1);
    int64_t ceil_mode = 0;
    struct window window;
    struct onnx_flow x;
    if (indices != NULL && indices->reader != SIZE_MAX) {
        return onnx_refuse(import, "its second output, the indices, is read");
    }
    if (!read_pool(import, &x, &window, &ceil_mode) ||
        (!fits(&window) && !window_pad(import, &window, -(double)INFINITY, &x))) {
        return false;
    }
    struct onnx_draft draft = {.type = types[window.dimensions], .inputs = &x, .input_count = 1};
    draft_boolean(&draft, "ceil_mode", ceil_mode != 0);
    return onnx_finish(
        import,
        window_draft(import, &window, &draft) &&
            draft_list(import, &draft, "dilation", window.dilation, (size_t)window.dimensions) &&
            draft_emit(import, &draft, NULL, &x),
        &x);
}

/* How many of the window's elements at position `i` are in the input, not in the padding. */
static int64_t count_inside(const struct window *window, int d, int64_t size, int64_t i)
{
    int64_t first = i * window->stride[d] - window->begin[d];
    int64_t last = first + window->kernel[d];
    first = first < 0 ? 0 : first;
    last = last > size ? size : last;
    return last > first ? last - first : 0;
}

/* Means over whole windows become means over what is in the input. */
static bool correct_mean(struct onnx_import *import, const struct window *window,
                         const struct stability_shape *input, struct onnx_flow *y)
{
    struct stability_shape shape = y->shape;
    shape.sizes[0] = shape.sizes[1] = 1;
    int64_t count = stability_shape_count(&shape);
    int64_t columns = shape.sizes[shape.rank - 1];
    double *factors = onnx_allocate(&import->memory, (size_t)count, sizeof *factors);
    for (int64_t i = 0; factors != NULL && i < count; i++) {
        const int64_t position[2] = {i / columns, i % columns};
        factors[i] = 1;
        for (int d = 0; d < window->dimensions; d++) {
            int64_t at = position[d + 2 - window->dimensions];
            factors[i] *=
                (double)window->kernel[d] / (double)count_inside(window, d, input->sizes[d + 2], at);
        }
    }
    struct stability_tensor tensor = {STABILITY_FLOAT64, shape, factors};
    struct onnx_flow factor;
    return factors != NULL && onnx_constant(import, "count", &tensor, &factor) &&
           onnx_binary(import, "Mul", "mean", y, &factor, y);
}

bool onnx_average_pool(struct onnx_import *import)
{
    static const char *const types[] = {NULL, "AvgPool1d", "AvgPool2d"};
    int64_t ceil_mode = 0;
    int64_t count_padding = 0;
    struct window window;
    struct onnx_flow x;
    if (!read_pool(import, &x, &window, &ceil_mode) ||
        !onnx_integer(import, "count_include_pad", &count_padding)) {
        return false;
    }
    for (int d = 0; d < window.dimensions; d++) {
        if (window.dilation[d] != 1) {
            return onnx_refuse(import, "its windows are dilated");
        }
    }
    struct window padding = window;
    struct stability_shape input = x.shape;
    bool apart = !fits(&window);
    if (apart && ceil_mode != 0) {
        return onnx_refuse(import, "ceil_mode with more padding on one side");
    }
    if (apart && !window_pad(import, &window, 0, &x)) {
        return false;
    }
    struct onnx_draft draft = {.type = types[window.dimensions], .inputs = &x, .input_count = 1};
    draft_boolean(&draft, "ceil_mode", ceil_mode != 0);
    draft_boolean(&draft, "count_include_pad", count_padding != 0);
    return onnx_finish(import,
                       window_draft(import, &window, &draft) && draft_emit(import, &draft, NULL, &x) &&
                           (!apart || count_padding != 0 || correct_mean(import, &padding, &input, &x)),
                       &x);
}

/* ---- over all of the image ---- */

static bool pool_all(struct onnx_import *import, const char *line, const char *image, const char *reduction)
{
    struct onnx_flow x;
    if (!onnx_operand_at(import, 0, &x)) {
        return false;
    }
    int64_t dimensions[STABILITY_MAX_RANK];
    struct onnx_draft draft = {.inputs = &x, .input_count = 1};
    draft.type = x.shape.rank == 3 ? line : x.shape.rank == 4 ? image : NULL;
    if (draft.type != NULL) {
        draft_integer(&draft, "output_size", 1);
        return onnx_finish(import, draft_emit(import, &draft, NULL, &x), &x);
    }
    if (x.shape.rank < 3) {
        return onnx_refuse(import, "its input has %d dimensions", x.shape.rank);
    }
    for (int d = 2; d < x.shape.rank; d++) {
        dimensions[d - 2] = d;
    }
    draft.type = reduction;
    draft_boolean(&draft, "keepdim", true);
    return onnx_finish(import,
                       draft_list(import, &draft, "dim", dimensions, (size_t)x.shape.rank - 2) &&
                           draft_emit(import, &draft, NULL, &x),
                       &x);
}

bool onnx_global_average_pool(struct onnx_import *import)
{
    return pool_all(import, "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "Mean");
}

bool onnx_global_max_pool(struct onnx_import *import)
{
    return pool_all(import, NULL, "AdaptiveMaxPool2d", "Max");
}
