/* Transposition in registers. */
#ifndef REAL_TRANSPOSE_H
#define REAL_TRANSPOSE_H

#include "core/real/tile.h"

#if TILE_LANES == 16
#define INTERLEAVE_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define INTERLEAVE_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif TILE_LANES == 8
#define INTERLEAVE_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define INTERLEAVE_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#elif TILE_LANES == 4
#define INTERLEAVE_LOW 0, 4, 1, 5
#define INTERLEAVE_HIGH 2, 6, 3, 7
#else
#define INTERLEAVE_LOW 0, 2
#define INTERLEAVE_HIGH 1, 3
#endif

/* to[j][i] = from[i][j] for i and j below TILE_LANES, where row i of either is anywhere. Interleaving the
 * first half of the rows with the second log2(TILE_LANES) times transposes a square. */
TILE_INLINE void transpose_square(const real *const from[TILE_LANES], real *const to[TILE_LANES])
{
    tile_vector rows[TILE_LANES], next[TILE_LANES];
    for (int i = 0; i < TILE_LANES; i++)
        rows[i] = *(const tile_vector *)from[i];
    for (int step = 1; step < TILE_LANES; step *= 2) {
        for (int i = 0; i < TILE_LANES / 2; i++) {
            next[2 * i] = __builtin_shufflevector(rows[i], rows[i + TILE_LANES / 2], INTERLEAVE_LOW);
            next[2 * i + 1] = __builtin_shufflevector(rows[i], rows[i + TILE_LANES / 2], INTERLEAVE_HIGH);
        }
        for (int i = 0; i < TILE_LANES; i++)
            rows[i] = next[i];
    }
    for (int i = 0; i < TILE_LANES; i++)
        *(tile_vector *)to[i] = rows[i];
}

TILE_INLINE void transpose_strided_square(const real *from, int64_t from_stride, real *to, int64_t to_stride)
{
    const real *from_rows[TILE_LANES];
    real *to_rows[TILE_LANES];
    for (int i = 0; i < TILE_LANES; i++) {
        from_rows[i] = from + i * from_stride;
        to_rows[i] = to + i * to_stride;
    }
    transpose_square(from_rows, to_rows);
}

/* to[j][i] = from[i][j] for a (rows, columns) matrix; strides are the distances between stored rows. */
static inline void transpose(const real *from, int64_t from_stride, int64_t rows, int64_t columns, real *to,
                             int64_t to_stride)
{
    int64_t whole_rows = rows - rows % TILE_LANES, whole_columns = columns - columns % TILE_LANES;
    for (int64_t i = 0; i < whole_rows; i += TILE_LANES)
        for (int64_t j = 0; j < whole_columns; j += TILE_LANES)
            transpose_strided_square(from + i * from_stride + j, from_stride, to + j * to_stride + i,
                                     to_stride);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = i < whole_rows ? whole_columns : 0; j < columns; j++)
            to[j * to_stride + i] = from[i * from_stride + j];
}

#endif
