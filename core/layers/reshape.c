/* The same elements in the same order under another shape. */
#include "core/layers/copy.h"
#include "core/layers/dimension.h"
#include "core/real/interval.h"

struct reshape {
    struct integers shape;
};

struct unflatten {
    int64_t dim;
    struct integers unflattened_size;
};

struct squeeze {
    struct integers dim;
};

struct unsqueeze {
    int64_t dim;
};

static const struct stability_attribute reshape_attributes[] = {
    {"shape", STABILITY_ATTRIBUTE_INTEGERS, offsetof(struct reshape, shape), .required = true, .minimum = -1,
     .maximum = INFINITY, .documentation = "sizes of the output; one may be -1: what is left"},
    {0},
};

static const struct stability_attribute unflatten_attributes[] = {
    {"dim", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct unflatten, dim), .required = true,
     .documentation = "dimension to split"},
    {"unflattened_size", STABILITY_ATTRIBUTE_INTEGERS, offsetof(struct unflatten, unflattened_size),
     .required = true, .minimum = -1, .maximum = INFINITY,
     .documentation = "sizes that take its place; one may be -1: what is left"},
    {0},
};

static const struct stability_attribute squeeze_attributes[] = {
    {"dim", STABILITY_ATTRIBUTE_INTEGERS, offsetof(struct squeeze, dim), .nullable = true,
     .documentation = "dimension or list of dimensions to drop where their size is 1; null: all"},
    {0},
};

static const struct stability_attribute unsqueeze_attributes[] = {
    {"dim", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct unsqueeze, dim), .required = true,
     .documentation = "where the new dimension of size 1 stands in the output"},
    {0},
};

/* Appends sizes whose product is `count`, with one -1 at most. */
static bool push_sizes(struct layer_shapes *s, const char *attribute, const struct integers *sizes,
                       int64_t count)
{
    struct stability_shape known = {.rank = sizes->count};
    int free = -1;
    for (int i = 0; i < sizes->count; i++) {
        known.sizes[i] = sizes->items[i] < 0 ? 1 : sizes->items[i];
        if (sizes->items[i] < 0 && free >= 0)
            return layer_shape_fail(s, attribute, "only one size may be -1");
        if (sizes->items[i] < 0)
            free = i;
    }
    int64_t product = stability_shape_count(&known);
    if (free >= 0 && product > 0 && count % product == 0) {
        known.sizes[free] = count / product;
        product = count;
    }
    char text[STABILITY_SHAPE_TEXT];
    if (product != count || (free >= 0 && count == 0 && known.sizes[free] != 0))
        return layer_shape_fail(s, attribute, "%lld elements cannot have shape %s%s", (long long)count,
                                stability_shape_text(&known, text), free >= 0 ? ", one size left free" : "");
    if (s->outputs[0].rank + known.rank > STABILITY_MAX_RANK)
        return layer_shape_fail(s, attribute, "the output would have more than %d dimensions",
                                STABILITY_MAX_RANK);
    for (int i = 0; i < known.rank; i++)
        s->outputs[0].sizes[s->outputs[0].rank++] = known.sizes[i];
    return true;
}

/* The dimension of the output that counts what `feature_dim` of the input does: of the same size with as many
 * elements after it. Where there is none, the channels of an image, else the last. */
static void follow_feature_dim(struct layer_shapes *s)
{
    struct dimension_layout before = dimension_layout(&s->inputs[0], s->feature_dim);
    int rank = s->outputs[0].rank;
    s->feature_dim = rank >= 4 ? 1 : rank;
    for (int d = 0; d < rank; d++) {
        struct dimension_layout after = dimension_layout(&s->outputs[0], d);
        if (after.size == before.size && after.inner == before.inner)
            s->feature_dim = d;
    }
}

static bool reshape_shape(struct layer_shapes *s)
{
    const struct reshape *reshape = s->attributes;
    if (!push_sizes(s, "shape", &reshape->shape, stability_shape_count(&s->inputs[0])))
        return false;
    follow_feature_dim(s);
    return true;
}

static bool unflatten_shape(struct layer_shapes *s)
{
    const struct unflatten *unflatten = s->attributes;
    const struct stability_shape *x = &s->inputs[0];
    struct stability_shape *y = &s->outputs[0];
    if (x->rank == 0)
        return layer_shape_fail(s, "inputs", "a scalar has no dimension to be split");
    if (!dimension_check(s, "dim", unflatten->dim, x->rank))
        return false;
    int dim = dimension_index(unflatten->dim, x->rank);
    for (int d = 0; d < dim; d++)
        y->sizes[y->rank++] = x->sizes[d];
    if (!push_sizes(s, "unflattened_size", &unflatten->unflattened_size, x->sizes[dim]))
        return false;
    if (y->rank + x->rank - 1 - dim > STABILITY_MAX_RANK)
        return layer_shape_fail(s, "unflattened_size", "the output would have more than %d dimensions",
                                STABILITY_MAX_RANK);
    for (int d = dim + 1; d < x->rank; d++)
        y->sizes[y->rank++] = x->sizes[d];
    follow_feature_dim(s);
    return true;
}

static bool squeeze_shape(struct layer_shapes *s)
{
    const struct squeeze *squeeze = s->attributes;
    const struct stability_shape *x = &s->inputs[0];
    struct stability_shape *y = &s->outputs[0];
    int feature_dim = STABILITY_MAX_RANK;
    for (int i = 0; i < squeeze->dim.count; i++)
        if (!dimension_check(s, "dim", squeeze->dim.items[i], x->rank))
            return false;
    for (int d = 0; d < x->rank; d++) {
        bool drops = !squeeze->dim.present;
        for (int i = 0; i < squeeze->dim.count; i++)
            drops |= dimension_index(squeeze->dim.items[i], x->rank) == d;
        if (drops && x->sizes[d] == 1)
            continue;
        if (d == s->feature_dim)
            feature_dim = y->rank;
        y->sizes[y->rank++] = x->sizes[d];
    }
    s->feature_dim = feature_dim;
    return true;
}

static bool unsqueeze_shape(struct layer_shapes *s)
{
    const struct unsqueeze *unsqueeze = s->attributes;
    const struct stability_shape *x = &s->inputs[0];
    struct stability_shape *y = &s->outputs[0];
    if (x->rank == STABILITY_MAX_RANK)
        return layer_shape_fail(s, "inputs", "the output would have more than %d dimensions",
                                STABILITY_MAX_RANK);
    if (!dimension_check(s, "dim", unsqueeze->dim, x->rank + 1))
        return false;
    *y = dimension_insert(x, unsqueeze->dim, 1);
    s->feature_dim += s->feature_dim >= dimension_index(unsqueeze->dim, y->rank);
    return true;
}

static const struct layer_bounds bounds = {.forward = interval_move_forward,
                                           .backward = interval_linear_backward};

#define RESHAPE_OPS(name, torch_, text, family)                                                     \
    {                                                                                               \
        .type = {name,                                                                              \
                 torch_,                                                                            \
                 text,                                                                              \
                 .minimum_inputs = 1,                                                               \
                 .maximum_inputs = 1,                                                               \
                 .attributes = family##_attributes},                                                \
        .attributes_size = sizeof(struct family), .shape = family##_shape, .forward = copy_forward, \
        .backward = copy_backward, .bounds = &bounds, .unread = COPY_UNREAD, .moves = true,         \
    }

LAYER_OPS(Reshape) = RESHAPE_OPS("Reshape", "torch.reshape", "the same elements in another shape", reshape);
LAYER_OPS(Unflatten) = RESHAPE_OPS("Unflatten", "torch.nn.Unflatten", "a dimension split into several",
                                   unflatten);
LAYER_OPS(Squeeze) = RESHAPE_OPS("Squeeze", "torch.squeeze", "dimensions of size 1 dropped", squeeze);
LAYER_OPS(Unsqueeze) = RESHAPE_OPS("Unsqueeze", "torch.unsqueeze", "a new dimension of size 1", unsqueeze);
