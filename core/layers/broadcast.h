/* PyTorch's broadcasting: a tensor is walked row by row together with two operands whose dimensions, counted
 * from the last, are the tensor's or 1.
 *
 *     struct broadcast walk;
 *     for (bool more = broadcast_first(&walk, whole, a, b); more; more = broadcast_next(&walk))
 *         for (i < walk.row)  whole[walk.whole + i], a[walk.operand[0] + i * walk.step[0]] ...
 */
#ifndef LAYERS_BROADCAST_H
#define LAYERS_BROADCAST_H

#include "core/layer.h"
#include "core/real/sums.h"

struct broadcast {
    int64_t row;        /* elements of a row: as many of the last dimensions as can be walked as one */
    int64_t step[2];    /* of the operands along a row: 1, or 0 where it is the same element */
    int64_t whole;      /* offsets of the present row in the tensor ... */
    int64_t operand[2]; /* ... and in the operands */
    int rank;           /* the row's dimension, then those around it from the inside */
    int64_t sizes[STABILITY_MAX_RANK];
    int64_t strides[2][STABILITY_MAX_RANK];
    int64_t position[STABILITY_MAX_RANK];
};

/* Adds a dimension around the others, or makes the outermost longer where both operands go on as in it. */
static inline void broadcast_push(struct broadcast *walk, int64_t size, const int64_t strides[2])
{
    int last = walk->rank - 1;
    if (walk->rank > 0 && strides[0] == walk->strides[0][last] * walk->sizes[last] &&
        strides[1] == walk->strides[1][last] * walk->sizes[last]) {
        walk->sizes[last] *= size;
        return;
    }
    walk->sizes[walk->rank] = size;
    walk->strides[0][walk->rank] = strides[0];
    walk->strides[1][walk->rank] = strides[1];
    walk->rank++;
}

/* Stands at the first row; false where the tensor is empty. */
static inline bool broadcast_first(struct broadcast *walk, const struct stability_shape *whole,
                                   const struct stability_shape *a, const struct stability_shape *b)
{
    const struct stability_shape *operands[2] = {a, b};
    int64_t inner[2] = {1, 1};
    *walk = (struct broadcast){.row = 1};
    for (int d = 1; d <= whole->rank; d++) { /* from the last dimension */
        int64_t size = whole->sizes[whole->rank - d];
        int64_t strides[2];
        for (int k = 0; k < 2; k++) {
            int64_t own = d <= operands[k]->rank ? operands[k]->sizes[operands[k]->rank - d] : 1;
            strides[k] = own == 1 ? 0 : inner[k];
            inner[k] *= own;
        }
        if (size != 1)
            broadcast_push(walk, size, strides);
        if (size == 0)
            return false;
    }
    if (walk->rank > 0) {
        walk->row = walk->sizes[0];
        walk->step[0] = walk->strides[0][0];
        walk->step[1] = walk->strides[1][0];
    }
    return true;
}

/* Goes to the next row; false after the last one. */
static inline bool broadcast_next(struct broadcast *walk)
{
    walk->whole += walk->row;
    for (int d = 1; d < walk->rank; d++) {
        bool within = ++walk->position[d] < walk->sizes[d];
        int64_t steps = within ? 1 : 1 - walk->sizes[d];
        walk->operand[0] += steps * walk->strides[0][d];
        walk->operand[1] += steps * walk->strides[1][d];
        if (within)
            return true;
        walk->position[d] = 0;
    }
    return false;
}

/* Where an operand has what element `element` of the tensor is made of. */
static inline int64_t broadcast_offset(const struct stability_shape *whole,
                                       const struct stability_shape *operand, int64_t element)
{
    int64_t offset = 0;
    int64_t inner = 1;
    for (int d = 1; d <= operand->rank; d++) { /* from the last dimension */
        int64_t size = operand->sizes[operand->rank - d];
        int64_t position = element % whole->sizes[whole->rank - d];
        element /= whole->sizes[whole->rank - d];
        offset += size == 1 ? 0 : inner * position;
        inner *= size;
    }
    return offset;
}

/* Bytes of `count` float64 accumulators, in a shape rule. */
static inline void broadcast_add_sums(const struct layer_shapes *shapes, size_t *total, int64_t count)
{
    layer_add_reals(shapes, total, count * (int64_t)(sizeof(double) / shapes->real_size));
}

/* Adds a row of `count` to sums that lie along it (step 1), or to one sum (step 0). */
static inline void broadcast_accumulate(double *sums, int64_t step, const real *row, int64_t count)
{
    if (step == 0)
        *sums += sum_of(row, count);
    else
        for (int64_t i = 0; i < count; i++)
            sums[i] += (double)row[i];
}

/* part = the sum of `whole` over the dimensions along which `part` is broadcast, divided by `divisor`; `sums`
 * is a workspace of as many float64 as `part` has elements. */
static inline void broadcast_sum(const real *whole, const struct stability_shape *whole_shape, double divisor,
                                 real *part, const struct stability_shape *part_shape, double *sums)
{
    int64_t count = stability_shape_count(part_shape);
    for (int64_t i = 0; i < count; i++)
        sums[i] = 0;
    struct broadcast walk;
    for (bool more = broadcast_first(&walk, whole_shape, part_shape, part_shape); more;
         more = broadcast_next(&walk))
        broadcast_accumulate(sums + walk.operand[0], walk.step[0], whole + walk.whole, walk.row);
    for (int64_t i = 0; i < count; i++)
        part[i] = (real)(sums[i] / divisor);
}

#endif
