/* Copies between tensors that are walked in different orders: what permutes, slices, joins and expands. */
#ifndef LAYERS_STRIDED_H
#define LAYERS_STRIDED_H

#include "core/layer.h"
#include "core/real/real.h"

#include <string.h>

/* A box of elements, and how far apart they lie along each dimension in the tensor written and in the one
 * read. A stride read may be 0 (the element is repeated) or negative. */
struct strided {
    int rank;
    int64_t sizes[STABILITY_MAX_RANK];
    int64_t to[STABILITY_MAX_RANK];
    int64_t from[STABILITY_MAX_RANK];
};

/* strides[d] of a contiguous tensor. */
static inline void strided_contiguous(const struct stability_shape *shape, int64_t *strides)
{
    int64_t inner = 1;
    for (int d = shape->rank - 1; d >= 0; d--) {
        strides[d] = inner;
        inner *= shape->sizes[d];
    }
}

/* Leaves out dimensions of size 1 and joins neighbours that can be walked as one; false where it is empty. */
static inline bool strided_simplify(struct strided *box)
{
    int rank = 0;
    for (int d = 0; d < box->rank; d++) {
        int64_t size = box->sizes[d];
        if (size == 0)
            return false;
        if (size == 1)
            continue;
        bool joins =
            rank > 0 && box->to[rank - 1] == size * box->to[d] && box->from[rank - 1] == size * box->from[d];
        if (joins)
            size *= box->sizes[--rank];
        box->sizes[rank] = size;
        box->to[rank] = box->to[d];
        box->from[rank] = box->from[d];
        rank++;
    }
    box->rank = rank;
    return true;
}

/* One row: the last dimension. */
static inline void strided_row(int64_t count, real *to, int64_t to_stride, const real *from,
                               int64_t from_stride)
{
    if (to_stride == 1 && from_stride == 1)
        memcpy(to, from, (size_t)count * sizeof(real));
    else if (to_stride == 1 && from_stride == 0)
        for (int64_t i = 0; i < count; i++)
            to[i] = *from;
    else
        for (int64_t i = 0; i < count; i++)
            to[i * to_stride] = from[i * from_stride];
}

/* Two dimensions, in tiles: for a transposition, of whose two sides only one can be walked in order. */
static inline void strided_tiles(const int64_t *sizes, const int64_t *to_strides, const int64_t *from_strides,
                                 real *to, const real *from)
{
    enum { TILE = 32 };
    for (int64_t i = 0; i < sizes[0]; i += TILE)
        for (int64_t j = 0; j < sizes[1]; j += TILE) {
            int64_t rows = sizes[0] - i < TILE ? sizes[0] - i : TILE;
            int64_t columns = sizes[1] - j < TILE ? sizes[1] - j : TILE;
            for (int64_t r = i; r < i + rows; r++)
                for (int64_t c = j; c < j + columns; c++)
                    to[r * to_strides[0] + c * to_strides[1]] =
                        from[r * from_strides[0] + c * from_strides[1]];
        }
}

/* The dimension to be tiled together with the last one, or -1: where the last is walked in order on one side
 * only, one that is walked in order on the other. */
static inline int strided_partner(const struct strided *box)
{
    int last = box->rank - 1;
    if (last < 1 || (box->to[last] == 1) == (box->from[last] == 1))
        return -1;
    for (int d = 0; d < last; d++)
        if (box->to[last] == 1 ? box->from[d] == 1 : box->to[d] == 1)
            return d;
    return -1;
}

/* Swaps two dimensions: the order in which a box is walked does not matter. */
static inline void strided_swap(struct strided *box, int a, int b)
{
    struct strided other = *box;
    box->sizes[a] = other.sizes[b];
    box->to[a] = other.to[b];
    box->from[a] = other.from[b];
    box->sizes[b] = other.sizes[a];
    box->to[b] = other.to[a];
    box->from[b] = other.from[a];
}

/* to[...] = from[...] over the whole box; both point to its first element. */
static inline void strided_copy(struct strided box, real *to, const real *from)
{
    if (!strided_simplify(&box))
        return;
    if (box.rank == 0) {
        *to = *from;
        return;
    }
    int partner = strided_partner(&box);
    int outer = partner >= 0 ? box.rank - 2 : box.rank - 1;
    if (partner >= 0)
        strided_swap(&box, partner, outer);
    int64_t position[STABILITY_MAX_RANK] = {0};
    for (int d = 0; d >= 0;) {
        if (partner >= 0)
            strided_tiles(&box.sizes[outer], &box.to[outer], &box.from[outer], to, from);
        else
            strided_row(box.sizes[outer], to, box.to[outer], from, box.from[outer]);
        for (d = outer - 1; d >= 0; d--) {
            bool within = ++position[d] < box.sizes[d];
            int64_t steps = within ? 1 : 1 - box.sizes[d];
            to += steps * box.to[d];
            from += steps * box.from[d];
            if (within)
                break;
            position[d] = 0;
        }
    }
}

#endif
