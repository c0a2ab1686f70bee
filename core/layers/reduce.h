/* Reductions over some dimensions: what Sum, Mean, Max, Var and LogSumExp share. The output, seen with the
 * reduced dimensions kept as 1, is broadcast to the input: broadcast.h walks both. */
#ifndef LAYERS_REDUCE_H
#define LAYERS_REDUCE_H

#include "core/layers/broadcast.h"
#include "core/layers/dimension.h"
#include "core/real/interval.h"

/* Begins the private struct of every reduction. */
struct reduction {
    struct integers dim; /* null or none: all dimensions */
    bool keepdim;
};

#define REDUCTION_KEEPDIM                                                            \
    {                                                                                \
        "keepdim", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct reduction, keepdim), \
            .documentation = "whether reduced dimensions stay, with size 1"          \
    }

/* The attributes of a reduction that may be over everything. */
static const struct stability_attribute reduction_attributes[] = {
    {"dim", STABILITY_ATTRIBUTE_INTEGERS, offsetof(struct reduction, dim), .nullable = true,
     .documentation = "dimension or list of dimensions to reduce; null: all"},
    REDUCTION_KEEPDIM,
    {0},
};

/* Whether dimension d of an input of that rank is reduced. */
static inline bool reduction_has(const struct reduction *reduction, int rank, int d)
{
    bool found = reduction->dim.count == 0;
    for (int i = 0; i < reduction->dim.count; i++)
        found |= dimension_index(reduction->dim.items[i], rank) == d;
    return found;
}

/* The input's shape with 1 in place of what is reduced. */
static inline struct stability_shape reduction_kept(const struct layer_pass *pass)
{
    struct stability_shape kept = pass->inputs[0].shape;
    for (int d = 0; d < kept.rank; d++)
        if (reduction_has(pass->attributes, kept.rank, d))
            kept.sizes[d] = 1;
    return kept;
}

/* How many elements make one element of the output; 0 where the input is empty. */
static inline int64_t reduction_size(const struct layer_pass *pass)
{
    const struct stability_shape *x = &pass->inputs[0].shape;
    int64_t size = 1;
    for (int d = 0; d < x->rank; d++)
        size *= reduction_has(pass->attributes, x->rank, d) ? x->sizes[d] : 1;
    return size;
}

/* Checks the dimensions and gives the output's shape; the workspace gets a float64 for each of its elements.
 */
static inline bool reduction_shape(struct layer_shapes *shapes)
{
    const struct reduction *reduction = shapes->attributes;
    const struct stability_shape *x = &shapes->inputs[0];
    struct stability_shape *y = &shapes->outputs[0];
    for (int i = 0; i < reduction->dim.count; i++) {
        if (!dimension_check(shapes, "dim", reduction->dim.items[i], x->rank))
            return false;
        for (int k = 0; k < i; k++)
            if (dimension_index(reduction->dim.items[i], x->rank) ==
                dimension_index(reduction->dim.items[k], x->rank))
                return layer_shape_fail(shapes, "dim", "dim names dimension %d twice",
                                        dimension_index(reduction->dim.items[i], x->rank));
    }
    int feature_dim = STABILITY_MAX_RANK; /* the last one, where the inputs' is reduced */
    for (int d = 0; d < x->rank; d++) {
        bool reduced = reduction_has(reduction, x->rank, d);
        if (d == shapes->feature_dim && !reduced)
            feature_dim = y->rank;
        if (!reduced || reduction->keepdim)
            y->sizes[y->rank++] = reduced ? 1 : x->sizes[d];
    }
    shapes->feature_dim = feature_dim;
    shapes->flops = (double)stability_shape_count(x);
    broadcast_add_sums(shapes, &shapes->workspace, stability_shape_count(y));
    return true;
}

/* y = the greatest of x over the reduced dimensions: -Infinity over nothing, NaN where there is one. */
static inline void reduction_greatest(const struct layer_pass *pass, const struct stability_shape *kept)
{
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = -INFINITY;
    struct broadcast walk;
    for (bool more = broadcast_first(&walk, &pass->inputs[0].shape, kept, kept); more;
         more = broadcast_next(&walk)) {
        const real *x = (const real *)pass->inputs[0].data + walk.whole;
        real *greatest = y + walk.operand[0];
        if (walk.step[0] == 0)
            *greatest = greater_of(greatest_of(x, walk.row), *greatest);
        else
            for (int64_t i = 0; i < walk.row; i++)
                greatest[i] = greater_of(x[i], greatest[i]);
    }
}

/* dx = dy times a factor, over the dimensions that were reduced. */
static inline bool reduction_bound_gradient(struct interval_pass *p, struct span factor)
{
    const struct interval_tensor *dx = &p->input_gradients[0], *dy = &p->output_gradients[0];
    struct layer_pass pass;
    if (!dx->low.data)
        return true;
    if (!interval_low_pass(p, &pass))
        return false;
    struct stability_shape kept = reduction_kept(&pass);
    struct broadcast walk;
    for (bool more = broadcast_first(&walk, &pass.inputs[0].shape, &kept, &kept); more;
         more = broadcast_next(&walk))
        for (int64_t i = 0; i < walk.row; i++) {
            struct span d = span_multiply(span_at(dy, walk.operand[0] + i * walk.step[0]), factor);
            interval_store(dx, walk.whole + i, d, 8 * (double)REAL_EPSILON * span_magnitude(d));
        }
    return true;
}

#endif
