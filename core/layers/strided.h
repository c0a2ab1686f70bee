/* Copies between tensors of which some elements are taken, in any order: what permutes, slices, pads, joins
 * and expands. */
#ifndef LAYERS_STRIDED_H
#define LAYERS_STRIDED_H

#include "core/layer.h"
#include "core/real/real.h"

#include <string.h>

/* Some elements of a tensor in an order of their own: a box, and how far apart its elements lie in the
 * tensor along each dimension. A stride may be negative, or 0 in a view that is only read. */
struct strided {
    int rank;
    int64_t sizes[STABILITY_MAX_RANK];
    int64_t strides[STABILITY_MAX_RANK];
    int64_t offset; /* of the first element */
};

/* Elements without gaps, in order. */
static inline struct strided strided_dense(int rank, const int64_t *sizes)
{
    struct strided view = {.rank = rank};
    int64_t inner = 1;
    for (int d = rank - 1; d >= 0; d--) {
        view.sizes[d] = sizes[d];
        view.strides[d] = inner;
        inner *= sizes[d];
    }
    return view;
}

/* The whole of a tensor. */
static inline struct strided strided_whole(const struct stability_shape *shape)
{
    return strided_dense(shape->rank, shape->sizes);
}

/* ---- copying */

/* Two views of the same sizes. */
struct strided_box {
    int rank;
    int64_t sizes[STABILITY_MAX_RANK];
    int64_t to[STABILITY_MAX_RANK];
    int64_t from[STABILITY_MAX_RANK];
};

/* Leaves out dimensions of size 1 and joins neighbours that can be walked as one; false where it is empty. */
static inline bool strided_join(const struct strided *to, const struct strided *from, struct strided_box *box)
{
    int rank = 0;
    for (int d = 0; d < to->rank; d++) {
        int64_t size = to->sizes[d];
        if (size == 0)
            return false;
        if (size == 1)
            continue;
        bool joins = rank > 0 && box->to[rank - 1] == size * to->strides[d] &&
                     box->from[rank - 1] == size * from->strides[d];
        if (joins)
            size *= box->sizes[--rank];
        box->sizes[rank] = size;
        box->to[rank] = to->strides[d];
        box->from[rank] = from->strides[d];
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
static inline int strided_partner(const struct strided_box *box)
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
static inline void strided_swap(struct strided_box *box, int a, int b)
{
    struct strided_box other = *box;
    box->sizes[a] = other.sizes[b];
    box->to[a] = other.to[b];
    box->from[a] = other.from[b];
    box->sizes[b] = other.sizes[a];
    box->to[b] = other.to[a];
    box->from[b] = other.from[a];
}

/* Copies the elements of the view `from` of `source` to those of the view `to` of `destination`, which has
 * the same sizes. */
static inline void strided_copy(const struct strided *to_view, real *destination,
                                const struct strided *from_view, const real *source)
{
    struct strided_box box;
    if (!strided_join(to_view, from_view, &box))
        return;
    real *to = destination + to_view->offset;
    const real *from = source + from_view->offset;
    if (box.rank == 0) {
        *to = *from;
        return;
    }
    int partner = strided_partner(&box);
    int outer = partner >= 0 ? box.rank - 2 : box.rank - 1; /* dimensions around a row or a tile */
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

/* ---- the passes of layers whose output is a view of their input */

static inline void strided_forward(const struct layer_pass *pass, const struct strided *view)
{
    struct strided dense = strided_dense(view->rank, view->sizes);
    strided_copy(&dense, pass->outputs[0].data, view, pass->inputs[0].data);
}

/* What the view leaves out gets the gradient 0. */
static inline void strided_backward(const struct layer_pass *pass, const struct strided *view)
{
    struct strided dense = strided_dense(view->rank, view->sizes);
    real *dx = pass->input_gradients[0].data;
    if (pass->outputs[0].count < pass->inputs[0].count)
        memset(dx, 0, (size_t)pass->inputs[0].count * sizeof(real));
    strided_copy(view, dx, &dense, pass->output_gradients[0].data);
}

#endif
