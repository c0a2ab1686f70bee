#include "server/input/onnx/window.h"

#include <inttypes.h>
#include <string.h>

/* A list with one item for each spatial dimension, at least `least` each. */
static bool read_list(struct onnx_import *import, const char *name, int64_t least, int dimensions,
                      int64_t *items)
{
    struct onnx_integers list;
    if (!onnx_integers(import, name, &list)) {
        return false;
    }
    if (!list.present) {
        return true;
    }
    if (list.count != (size_t)dimensions) {
        return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                         "the attribute '%s' has %zu items, and the input %d spatial dimensions", name,
                         list.count, dimensions);
    }
    for (int d = 0; d < dimensions; d++) {
        if (list.items[d] < least || list.items[d] > INT32_MAX) {
            return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                             "the attribute '%s' cannot have the item %" PRId64, name, list.items[d]);
        }
        items[d] = list.items[d];
    }
    return true;
}

static bool read_pads(struct onnx_import *import, struct window *window)
{
    struct onnx_integers pads;
    if (!onnx_integers(import, "pads", &pads)) {
        return false;
    }
    if (pads.present && pads.count != 2 * (size_t)window->dimensions) {
        return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH, "the attribute 'pads' must have %d items",
                         2 * window->dimensions);
    }
    for (int d = 0; pads.present && d < window->dimensions; d++) {
        window->begin[d] = pads.items[d];
        window->end[d] = pads.items[window->dimensions + d];
        if (window->begin[d] < 0 || window->end[d] < 0 || window->begin[d] > INT32_MAX ||
            window->end[d] > INT32_MAX) {
            return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH, "the attribute 'pads' is out of range");
        }
    }
    return true;
}

/* So much padding that there are input / stride windows, rounded up. */
static void pad_same(const struct stability_shape *x, bool upper, struct window *window)
{
    for (int d = 0; d < window->dimensions; d++) {
        int64_t size = x->sizes[d + 2];
        int64_t count = (size + window->stride[d] - 1) / window->stride[d];
        int64_t extent = (window->kernel[d] - 1) * window->dilation[d] + 1;
        int64_t total = (count - 1) * window->stride[d] + extent - size;
        total = total < 0 ? 0 : total;
        window->begin[d] = upper ? total / 2 : total - total / 2;
        window->end[d] = total - window->begin[d];
    }
}

bool window_read(struct onnx_import *import, const struct stability_shape *x, int most, struct window *window)
{
    const char *mode = "NOTSET";
    window->dimensions = x->rank - 2;
    if (window->dimensions < 1 || window->dimensions > most) {
        return onnx_refuse(import, "its input has %d dimensions, supported are 3 to %d", x->rank, most + 2);
    }
    for (int d = 0; d < window->dimensions; d++) {
        window->stride[d] = window->dilation[d] = 1;
        window->begin[d] = window->end[d] = 0;
    }
    if (!read_list(import, "kernel_shape", 1, window->dimensions, window->kernel) ||
        !read_list(import, "strides", 1, window->dimensions, window->stride) ||
        !read_list(import, "dilations", 1, window->dimensions, window->dilation) ||
        !read_pads(import, window) || !onnx_text(import, "auto_pad", &mode)) {
        return false;
    }
    if (strcmp(mode, "SAME_UPPER") == 0 || strcmp(mode, "SAME_LOWER") == 0) {
        pad_same(x, strcmp(mode, "SAME_UPPER") == 0, window);
    } else if (strcmp(mode, "NOTSET") != 0 && strcmp(mode, "VALID") != 0) {
        return onnx_fail(import, STABILITY_ERROR_ONNX, "the attribute 'auto_pad' cannot be '%.32s'", mode);
    }
    return true;
}

bool window_is_symmetric(const struct window *window)
{
    return memcmp(window->begin, window->end, (size_t)window->dimensions * sizeof *window->begin) == 0;
}

bool window_pad(struct onnx_import *import, struct window *window, double value, struct onnx_flow *x)
{
    int64_t pad[2 * WINDOW_MAX_DIMENSIONS];
    struct onnx_draft draft = {.type = "Pad", .inputs = x, .input_count = 1};
    for (int d = 0; d < window->dimensions; d++) { /* from the last dimension, as torch.nn.functional.pad */
        int from = window->dimensions - 1 - d;
        pad[2 * d] = window->begin[from];
        pad[2 * d + 1] = window->end[from];
        window->begin[from] = window->end[from] = 0;
    }
    draft_real(&draft, "value", value);
    return draft_list(import, &draft, "pad", pad, 2 * (size_t)window->dimensions) &&
           draft_emit(import, &draft, "pad", x);
}

bool window_draft(struct onnx_import *import, const struct window *window, struct onnx_draft *draft)
{
    size_t count = (size_t)window->dimensions;
    return draft_list(import, draft, "kernel_size", window->kernel, count) &&
           draft_list(import, draft, "stride", window->stride, count) &&
           draft_list(import, draft, "padding", window->begin, count);
}
