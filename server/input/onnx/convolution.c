#include "server/input/onnx/operators.h"
#include "server/input/onnx/window.h"

#include <inttypes.h>
#include <string.h>

/* Reads weight, bias and group. */
struct kernel {
    struct onnx_value *weight;
    struct onnx_value *bias; /* NULL: none */
    int64_t groups;
};

static bool read_kernel(struct onnx_import *import, const struct stability_shape *x, struct kernel *kernel)
{
    kernel->weight = onnx_required(import, 1);
    kernel->bias = onnx_input(import, 2);
    kernel->groups = 1;
    if (kernel->weight == NULL || !onnx_known(import, kernel->weight, "its weight") ||
        (kernel->bias != NULL && !onnx_known(import, kernel->bias, "its bias")) ||
        !onnx_integer(import, "group", &kernel->groups)) {
        return false;
    }
    if (kernel->weight->tensor.shape.rank != x->rank || kernel->groups < 1 || kernel->groups > INT32_MAX) {
        return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                         "the weight has %d dimensions and the input %d, in %" PRId64 " groups",
                         kernel->weight->tensor.shape.rank, x->rank, kernel->groups);
    }
    return true;
}

static void draft_kernel(const struct kernel *kernel, int64_t in, int64_t out, struct onnx_draft *draft)
{
    draft_integer(draft, "in_channels", in);
    draft_integer(draft, "out_channels", out);
    draft_integer(draft, "groups", kernel->groups);
    draft_boolean(draft, "bias", kernel->bias != NULL);
    draft_weight(draft, "weight", kernel->weight, &kernel->weight->tensor.shape);
    if (kernel->bias != NULL) {
        draft_weight(draft, "bias", kernel->bias, &kernel->bias->tensor.shape);
    }
}

bool onnx_conv(struct onnx_import *import)
{
    static const char *const types[] = {NULL, "Conv1d", "Conv2d", "Conv3d"};
    struct window window = {0};
    struct kernel kernel;
    struct onnx_flow x, y;
    if (!onnx_operand_at(import, 0, &x) || !read_kernel(import, &x.shape, &kernel)) {
        return false;
    }
    const int64_t *sizes = kernel.weight->tensor.shape.sizes;
    for (int d = 2; d < x.shape.rank && d - 2 < WINDOW_MAX_DIMENSIONS; d++) {
        window.kernel[d - 2] = sizes[d];
    }
    if (!window_read(import, &x.shape, 3, &window) ||
        (!window_is_symmetric(&window) && !window_pad(import, &window, 0, &x))) {
        return false;
    }
    struct onnx_draft draft = {.type = types[window.dimensions], .inputs = &x, .input_count = 1};
    draft_kernel(&kernel, sizes[1] * kernel.groups, sizes[0], &draft);
    return onnx_finish(
        import,
        window_draft(import, &window, &draft) &&
            draft_list(import, &draft, "dilation", window.dilation, (size_t)window.dimensions) &&
            draft_emit(import, &draft, NULL, &y),
        &y);
}

/* ---- ConvTranspose ---- */

/* Padding, in front of the output or behind it, that gives it a certain shape. */
static void pad_to_shape(const struct stability_shape *x, const int64_t *shape, bool upper, int64_t *extra,
                         struct window *window)
{
    for (int d = 0; d < window->dimensions; d++) {
        int64_t extent = (window->kernel[d] - 1) * window->dilation[d] + 1;
        int64_t total = window->stride[d] * (x->sizes[d + 2] - 1) + extra[d] + extent - shape[d];
        if (total < 0) { /* the output is larger than the windows reach */
            extra[d] -= total;
            total = 0;
        }
        window->begin[d] = upper ? total / 2 : total - total / 2;
        window->end[d] = total - window->begin[d];
    }
}

/* output_padding, and the padding that follows from output_shape or auto_pad. */
static bool read_output(struct onnx_import *import, const struct stability_shape *x, struct window *window,
                        int64_t extra[WINDOW_MAX_DIMENSIONS])
{
    struct onnx_integers shape, padding;
    int64_t wanted[WINDOW_MAX_DIMENSIONS];
    const char *mode = "NOTSET";
    if (!onnx_integers(import, "output_padding", &padding) ||
        !onnx_integers(import, "output_shape", &shape) || !onnx_text(import, "auto_pad", &mode)) {
        return false;
    }
    size_t count = (size_t)window->dimensions;
    if ((padding.present && padding.count != count) || (shape.present && shape.count != count)) {
        return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                         "output_padding and output_shape must have %zu items", count);
    }
    for (int d = 0; d < window->dimensions; d++) {
        extra[d] = padding.present ? padding.items[d] : 0;
        wanted[d] = shape.present ? shape.items[d] : x->sizes[d + 2] * window->stride[d];
    }
    bool same = strncmp(mode, "SAME", 4) == 0;
    if (shape.present || same) {
        pad_to_shape(x, wanted, strcmp(mode, "SAME_UPPER") == 0, extra, window);
    }
    return true;
}

/* Cuts off what the padding takes away. */
static bool crop(struct onnx_import *import, const struct window *window, struct onnx_flow *y)
{
    int64_t pad[2 * WINDOW_MAX_DIMENSIONS];
    struct onnx_draft draft = {.type = "Pad", .inputs = y, .input_count = 1};
    for (int d = 0; d < window->dimensions; d++) {
        int from = window->dimensions - 1 - d;
        pad[2 * d] = -window->begin[from];
        pad[2 * d + 1] = -window->end[from];
    }
    return draft_list(import, &draft, "pad", pad, 2 * (size_t)window->dimensions) &&
           draft_emit(import, &draft, "crop", y);
}

bool onnx_conv_transpose(struct onnx_import *import)
{
    static const char *const types[] = {NULL, "ConvTranspose1d", "ConvTranspose2d"};
    struct window window = {0};
    struct kernel kernel;
    struct onnx_flow x, y;
    int64_t extra[WINDOW_MAX_DIMENSIONS];
    if (!onnx_operand_at(import, 0, &x) || !read_kernel(import, &x.shape, &kernel)) {
        return false;
    }
    const int64_t *sizes = kernel.weight->tensor.shape.sizes;
    for (int d = 2; d < x.shape.rank && d - 2 < WINDOW_MAX_DIMENSIONS; d++) {
        window.kernel[d - 2] = sizes[d];
    }
    if (!window_read(import, &x.shape, 2, &window) || !read_output(import, &x.shape, &window, extra)) {
        return false;
    }
    struct window padding = window;
    bool cropped = !window_is_symmetric(&window);
    for (int d = 0; cropped && d < window.dimensions; d++) {
        window.begin[d] = 0;
    }
    struct onnx_draft draft = {.type = types[window.dimensions], .inputs = &x, .input_count = 1};
    draft_kernel(&kernel, sizes[0], sizes[1] * kernel.groups, &draft);
    size_t count = (size_t)window.dimensions;
    return onnx_finish(import,
                       window_draft(import, &window, &draft) &&
                           draft_list(import, &draft, "dilation", window.dilation, count) &&
                           draft_list(import, &draft, "output_padding", extra, count) &&
                           draft_emit(import, &draft, NULL, &y) && (!cropped || crop(import, &padding, &y)),
                       &y);
}
