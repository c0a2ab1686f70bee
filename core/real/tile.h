/* The inner step of products of matrices: a tile of the result that stays in registers while it adds up.
 * Plain operations on vectors, as wide as the instruction set has them. Products take each element's terms in
 * the same order wherever its tile lies, so equal rows give equal bits. */
#ifndef REAL_TILE_H
#define REAL_TILE_H

#include "core/real/real.h"

#ifdef __AVX512F__
#define TILE_BYTES 64
enum { TILE_ROWS = 8 };
#elif defined __AVX2__
#define TILE_BYTES 32
enum { TILE_ROWS = 6 };
#else
#define TILE_BYTES 16
enum { TILE_ROWS = 4 };
#endif

#define TILE_LANES (8 * TILE_BYTES / REAL_BITS)
enum { TILE_VECTORS = 2, TILE_COLUMNS = TILE_VECTORS * TILE_LANES };

typedef real tile_vector __attribute__((vector_size(TILE_BYTES), aligned(sizeof(real)), may_alias));

struct tile {
    tile_vector sums[TILE_ROWS][TILE_VECTORS];
};

#define TILE_INLINE static inline __attribute__((always_inline))

/* tile += (elements of one column of a) (elements of one row of b) for `depth` of them: b (depth,
 * TILE_COLUMNS) without gaps, a[i][k] at rows[i][k]. */
TILE_INLINE void tile_add_rows(struct tile *tile, int64_t depth, const real *const rows[TILE_ROWS],
                               const real *b)
{
    for (int64_t k = 0; k < depth; k++, b += TILE_COLUMNS) {
        tile_vector low = *(const tile_vector *)b, high = *(const tile_vector *)(b + TILE_LANES);
        for (int i = 0; i < TILE_ROWS; i++) {
            tile->sums[i][0] += rows[i][k] * low;
            tile->sums[i][1] += rows[i][k] * high;
        }
    }
}

/* The same with a[i][k] at a[k * stride + i]. */
TILE_INLINE void tile_add_columns(struct tile *tile, int64_t depth, const real *a, int64_t stride,
                                  const real *b)
{
    for (int64_t k = 0; k < depth; k++, a += stride, b += TILE_COLUMNS) {
        tile_vector low = *(const tile_vector *)b, high = *(const tile_vector *)(b + TILE_LANES);
        for (int i = 0; i < TILE_ROWS; i++) {
            tile->sums[i][0] += a[i] * low;
            tile->sums[i][1] += a[i] * high;
        }
    }
}

#endif
