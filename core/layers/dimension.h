/* Dimensions as PyTorch counts them: negative ones from the end, and a scalar as if it had one. */
#ifndef LAYERS_DIMENSION_H
#define LAYERS_DIMENSION_H

#include "core/layer.h"

/* Refuses a `dim` outside of [-rank, rank - 1], naming `attribute`. */
static inline bool dimension_check(struct layer_shapes *shapes, const char *attribute, int64_t dim, int rank)
{
    int count = rank > 0 ? rank : 1;
    return (dim >= -count && dim < count) ||
           layer_shape_fail(shapes, attribute, "%s must lie in [%d, %d] for %d dimensions, got %lld",
                            attribute, -count, count - 1, rank, (long long)dim);
}

/* From the front, for a `dim` that was checked. */
static inline int dimension_index(int64_t dim, int rank)
{
    return (int)(dim < 0 ? dim + (rank > 0 ? rank : 1) : dim);
}

/* A tensor as (outer, size, inner) around one dimension. */
struct dimension_layout {
    int64_t outer;
    int64_t size;
    int64_t inner;
};

static inline struct dimension_layout dimension_layout(const struct stability_shape *shape, int64_t dim)
{
    struct dimension_layout layout = {1, 1, 1};
    int index = dimension_index(dim, shape->rank);
    for (int d = 0; d < shape->rank; d++)
        *(d < index ? &layout.outer : d > index ? &layout.inner : &layout.size) *= shape->sizes[d];
    return layout;
}

/* The shape with a dimension of `size` put in at `dim` of the result, whose rank must be possible. */
static inline struct stability_shape dimension_insert(const struct stability_shape *shape, int64_t dim,
                                                      int64_t size)
{
    struct stability_shape longer = {.rank = shape->rank + 1};
    int index = dimension_index(dim, longer.rank);
    for (int d = 0; d < longer.rank; d++)
        longer.sizes[d] = d == index ? size : shape->sizes[d < index ? d : d - 1];
    return longer;
}

#endif
