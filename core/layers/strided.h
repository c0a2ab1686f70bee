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
    const real first = *from;
    if (to_stride == 1 && from_stride == 1)
        memcpy(to, from, (size_t)count * sizeof(real));
    else if (to_stride == 1 && from_stride == 0)
        for (int64_t i = 0; i < count; i++)
            to[i] = first;
    else
        for (int64_t i = 0; i < count; i++)
            to[i * to_stride] = from[i * from_stride];
}

/* A matrix whose rows lie in order in `to` and whose columns in `from`: in tiles that are transposed in the
 * first cache, so that both sides are walked in order. */
static inline void strided_transpose(int64_t rows, int64_t columns, real *to, int64_t to_stride,
                                     const real *from, int64_t from_stride)
{
    enum { TILE = 32, ROW = TILE + 1 }; /* a row longer, lest all of a column falls into one cache set */
    real tile[TILE * ROW];
    for (int64_t r = 0; r < rows; r += TILE)
        for (int64_t c = 0; c < columns; c += TILE) {
            int64_t tile_rows = rows - r < TILE ? rows - r : TILE;
            int64_t tile_columns = columns - c < TILE ? columns - c : TILE;
            for (int64_t j = 0; j < tile_columns; j++)
                for (int64_t i = 0; i < tile_rows; i++)
                    tile[i * ROW + j] = from[(c + j) * from_stride + r + i];
            for (int64_t i = 0; i < tile_rows; i++)
                for (int64_t j = 0; j < tile_columns; j++)
                    to[(r + i) * to_stride + c + j] = tile[i * ROW + j];
        }
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

/* Whether one dimension is walked in order in `to` and another one in `from`: then these become the last and
 * the last but one. */
static inline bool strided_is_transposition(struct strided_box *box)
{
    int in_to = -1, in_from = -1;
    for (int d = 0; d < box->rank; d++) {
        if (box->to[d] == 1)
            in_to = d;
        if (box->from[d] == 1)
            in_from = d;
    }
    if (in_to < 0 || in_from < 0 || in_to == in_from || box->from[in_to] == 0)
        return false;
    int last = box->rank - 1;
    strided_swap(box, in_to, last);
    strided_swap(box, in_from == last ? in_to : in_from, last - 1);
    return true;
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
    bool transposes = strided_is_transposition(&box);
    int last = box.rank - 1;
    int outer = transposes ? last - 1 : last; /* dimensions around a matrix or a row */
    int64_t position[STABILITY_MAX_RANK] = {0};
    for (int d = 0; d >= 0;) {
        if (transposes)
            strided_transpose(box.sizes[outer], box.sizes[last], to, box.to[outer], from, box.from[last]);
        else
            strided_row(box.sizes[last], to, box.to[last], from, box.from[last]);
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
