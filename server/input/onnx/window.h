/* The windows of convolutions and pooling. */
#ifndef SERVER_INPUT_ONNX_WINDOW_H
#define SERVER_INPUT_ONNX_WINDOW_H

#include "server/input/onnx/import.h"

#define WINDOW_MAX_DIMENSIONS 3

struct window {
    int dimensions; /* spatial ones: those behind batch and channels */
    int64_t kernel[WINDOW_MAX_DIMENSIONS];
    int64_t stride[WINDOW_MAX_DIMENSIONS];
    int64_t dilation[WINDOW_MAX_DIMENSIONS];
    int64_t begin[WINDOW_MAX_DIMENSIONS]; /* padding before and after */
    int64_t end[WINDOW_MAX_DIMENSIONS];
};

/* Reads kernel_shape (where it is given, else *window has it), strides, dilations, pads and auto_pad for an
 * input of shape (N, C, …). Refuses any but `most` spatial dimensions or fewer. */
bool window_read(struct onnx_import *import, const struct stability_shape *x, int most,
                 struct window *window);
/* As much padding in front as behind. */
bool window_is_symmetric(const struct window *window);
/* The padding as a layer Pad; the window has none then. */
bool window_pad(struct onnx_import *import, struct window *window, double value, struct onnx_flow *x);
/* kernel_size, stride and padding (that in front) as attributes of a layer. */
bool window_draft(struct onnx_import *import, const struct window *window, struct onnx_draft *draft);

#endif
