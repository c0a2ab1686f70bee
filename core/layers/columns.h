/* The column matrix of a convolution (im2col), row by row: what one channel of `big` shows through one
 * element of the kernel, for a range of positions of `small`. */
#ifndef LAYERS_COLUMNS_H
#define LAYERS_COLUMNS_H

#include "core/layers/convolution.h"

#define columns_map_bytes VARIANT(columns_map_bytes)
#define columns_make_map VARIANT(columns_make_map)
#define columns_tap VARIANT(columns_tap)
#define columns_read VARIANT(columns_read)
#define columns_add VARIANT(columns_add)

/* Source indices for each (tap, position) of each dimension, -1 outside, and for the innermost dimension the
 * range of positions whose source is in bounds. */
struct columns_map {
    int32_t *source[3]; /* (kernel, small) */
    int64_t *low;       /* (kernel of the innermost dimension) */
    int64_t *high;
};

/* One tap of the kernel, by its indices. */
struct tap {
    int64_t d, h, w;
};

/* Memory of the map, a multiple of 64 bytes. */
size_t columns_map_bytes(const struct convolution *c);
struct columns_map columns_make_map(const struct convolution *c, void *memory);

/* The element of the kernel with this flat index. */
struct tap columns_tap(const struct convolution *c, int64_t index);

/* Reads what positions [first, first + count) see of a channel through a tap. */
void columns_read(const struct convolution *c, const struct columns_map *map, struct tap tap,
                  const real *channel, int64_t first, int64_t count, real *column);
/* The way back: adds such a row to the channel; zeroes what of it falls into the padding. */
void columns_add(const struct convolution *c, const struct columns_map *map, struct tap tap, real *channel,
                 int64_t first, int64_t count, real *column);

#endif
