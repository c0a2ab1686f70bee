/* A copy of some samples of a tensor (batch, channels, spatial...) as (samples, spatial with padding...,
 * channels). */
#ifndef LAYERS_CHANNELS_LAST_H
#define LAYERS_CHANNELS_LAST_H

#include "core/layers/convolution.h"
#include "core/real/transpose.h"

#include <string.h>

struct channels_last {
    int64_t channels;
    int64_t size[3];   /* of the tensor */
    int64_t padded[3]; /* of the copy */
    int64_t before[3]; /* where the tensor begins in it */
    enum convolution_padding mode;
};

/* Elements of a sample. */
static inline int64_t channels_last_count(const struct channels_last *l)
{
    return l->padded[0] * l->padded[1] * l->padded[2] * l->channels;
}

/* Offset of a position, which counts from the padding's edge. */
static inline int64_t channels_last_at(const struct channels_last *l, int64_t sample, int64_t d, int64_t h,
                                       int64_t w)
{
    return (((sample * l->padded[0] + d) * l->padded[1] + h) * l->padded[2] + w) * l->channels;
}

/* Positions [from, to) of a row, in the padding. */
static inline void channels_last_edge(const struct channels_last *l, const real *row, int64_t plane,
                                      int64_t from, int64_t to, real *copy)
{
    for (int64_t w = from; w < to; w++) {
        int64_t source = convolution_source(l->mode, w - l->before[2], l->size[2]);
        for (int64_t c = 0; c < l->channels; c++)
            copy[w * l->channels + c] = source < 0 ? 0 : row[c * plane + source];
    }
}

/* One row (padded[2], channels) from `row`, whose channels lie `plane` apart. */
static inline void channels_last_row(const struct channels_last *l, const real *row, int64_t plane,
                                     real *copy)
{
    int64_t width = l->padded[2];
    int64_t from = l->before[2] < width ? l->before[2] : width;
    int64_t to = from + l->size[2] < width ? from + l->size[2] : width;
    channels_last_edge(l, row, plane, 0, from, copy);
    transpose(row, plane, l->channels, to - from, copy + from * l->channels, l->channels);
    channels_last_edge(l, row, plane, to, width, copy);
}

/* Copies one sample, whose first channel is at `from`. */
static inline void channels_last_copy(const struct channels_last *l, const real *from, real *to)
{
    int64_t plane = l->size[0] * l->size[1] * l->size[2], row = l->padded[2] * l->channels;
    for (int64_t d = 0; d < l->padded[0]; d++) {
        int64_t source_d = convolution_source(l->mode, d - l->before[0], l->size[0]);
        for (int64_t h = 0; h < l->padded[1]; h++, to += row) {
            int64_t source_h = convolution_source(l->mode, h - l->before[1], l->size[1]);
            if (source_d < 0 || source_h < 0)
                memset(to, 0, (size_t)row * sizeof(real));
            else
                channels_last_row(l, from + (source_d * l->size[1] + source_h) * l->size[2], plane, to);
        }
    }
}

#endif
