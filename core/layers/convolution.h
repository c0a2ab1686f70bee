/* Convolution of any of the family, as three operations between a `big` tensor (the input of Conv2d, the
 * output of ConvTranspose2d) and a `small` one, with spatial dimensions filled up to three:
 *
 *     small = W columns(big)           convolution_apply          Conv forward, ConvTranspose backward
 *     big = columns^T(W^T small)       convolution_apply_back     Conv backward, ConvTranspose forward
 *     dW = small columns(big)^T        convolution_weight         both
 *
 * columns(big) has one column for each position of `small`, with the channels x kernel elements that it sees
 * (im2col). It is built tile by tile in a bounded workspace, and GEMM does the rest. Where a group has one
 * channel, rows are multiplied directly. */
#ifndef LAYERS_CONVOLUTION_H
#define LAYERS_CONVOLUTION_H

#include "core/layer.h"
#include "core/real/real.h"

#define convolution_workspace VARIANT(convolution_workspace)
#define convolution_apply VARIANT(convolution_apply)
#define convolution_apply_back VARIANT(convolution_apply_back)
#define convolution_weight VARIANT(convolution_weight)
#define convolution_bias VARIANT(convolution_bias)

enum convolution_padding { PADDING_ZEROS, PADDING_REFLECT, PADDING_REPLICATE, PADDING_CIRCULAR };

struct convolution {
    int64_t batch;
    int64_t groups;
    int64_t channels; /* of big, in one group */
    int64_t filters;  /* of small, in one group */
    int64_t big[3];
    int64_t small[3];
    int64_t kernel[3];
    int64_t stride[3];
    int64_t dilation[3];
    int64_t before[3]; /* padding on the low side */
    enum convolution_padding mode;
};

/* Index into a dimension of big that stands at index `i`, in the padding where that is outside [0, size); -1:
 * zero. */
static inline int64_t convolution_source(enum convolution_padding mode, int64_t i, int64_t size)
{
    if (i >= 0 && i < size)
        return i;
    switch (mode) {
    case PADDING_REFLECT:
        return i < 0 ? -i : 2 * (size - 1) - i;
    case PADDING_REPLICATE:
        return i < 0 ? 0 : size - 1;
    case PADDING_CIRCULAR:
        return i < 0 ? i + size : i - size;
    case PADDING_ZEROS:
        break;
    }
    return -1;
}

/* Bytes of workspace for each operation; saturates. */
void convolution_workspace(const struct convolution *c, struct layer_shapes *shapes);

/* big: (batch, groups * channels, big...), small: (batch, groups * filters, small...),
 * weight: (groups * filters, channels, kernel...). `small` gets bias (groups * filters) added where that is
 * given; results are overwritten. */
void convolution_apply(const struct convolution *c, const real *weight, const real *bias, const real *big,
                       real *small, void *workspace);
void convolution_apply_back(const struct convolution *c, const real *weight, const real *bias,
                            const real *small, real *big, void *workspace);
void convolution_weight(const struct convolution *c, const real *big, const real *small,
                        real *weight_gradient, void *workspace);

/* Sums each channel of x (batch, channels, inner): the gradient of a bias. */
void convolution_bias(int64_t batch, int64_t channels, int64_t inner, const real *x, real *bias_gradient);

#endif
