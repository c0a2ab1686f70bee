/* Some of the elements along one dimension: one (Select, which drops the dimension) or a range of them. */
#include "core/layers/dimension.h"
#include "core/layers/strided.h"
#include "core/real/interval.h"

struct select {
    int64_t dim;
    int64_t index;
};

struct slice {
    int64_t dim;
    struct optional_integer start;
    struct optional_integer end;
    struct optional_integer step;
};

static const struct stability_attribute select_attributes[] = {
    {"dim", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct select, dim), .required = true,
     .documentation = "dimension to take one element of"},
    {"index", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct select, index), .required = true,
     .documentation = "which one; a negative index counts from the end"},
    {0},
};

static const struct stability_attribute slice_attributes[] = {
    {"dim", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct slice, dim),
     .documentation = "dimension to take a range of"},
    {"start", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct slice, start), .nullable = true,
     .documentation = "first index, as in Python's start:end:step"},
    {"end", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct slice, end), .nullable = true,
     .documentation = "index to stop before"},
    {"step", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct slice, step), .nullable = true, .number = 1,
     .minimum = -0x1p53, .maximum = 0x1p53, .documentation = "distance between indices; below 0: backwards"},
    {0},
};

/* Indices first, first + step ... */
struct range {
    int dim;
    int64_t first;
    int64_t step;
    int64_t count;
};

static struct range select_range(const void *attributes, const struct stability_shape *x)
{
    const struct select *select = attributes;
    int dim = dimension_index(select->dim, x->rank);
    return (struct range){dim, select->index < 0 ? select->index + x->sizes[dim] : select->index, 1, 1};
}

/* A bound as Python reads it: from the end where it is negative, and kept within [low, high]. */
static int64_t bound(struct optional_integer given, int64_t otherwise, int64_t size, int64_t low,
                     int64_t high)
{
    if (!given.present)
        return otherwise;
    int64_t index = given.value < 0 ? given.value + size : given.value;
    return index < low ? low : index > high ? high : index;
}

static struct range slice_range(const void *attributes, const struct stability_shape *x)
{
    const struct slice *slice = attributes;
    int dim = dimension_index(slice->dim, x->rank);
    int64_t size = x->sizes[dim];
    int64_t step = slice->step.present ? slice->step.value : 1;
    if (step > 0) {
        int64_t start = bound(slice->start, 0, size, 0, size);
        int64_t end = bound(slice->end, size, size, 0, size);
        return (struct range){dim, start, step, end > start ? (end - start - 1) / step + 1 : 0};
    }
    int64_t start = bound(slice->start, size - 1, size, -1, size - 1);
    int64_t end = bound(slice->end, -1, size, -1, size - 1);
    return (struct range){dim, start, step, start > end ? (start - end - 1) / -step + 1 : 0};
}

static bool has_dimension(struct layer_shapes *s, int64_t dim)
{
    if (s->inputs[0].rank == 0)
        return layer_shape_fail(s, "inputs", "a scalar has no dimension to choose from");
    return dimension_check(s, "dim", dim, s->inputs[0].rank);
}

static bool select_shape(struct layer_shapes *s)
{
    const struct select *select = s->attributes;
    const struct stability_shape *x = &s->inputs[0];
    struct stability_shape *y = &s->outputs[0];
    if (!has_dimension(s, select->dim))
        return false;
    int dim = dimension_index(select->dim, x->rank);
    int64_t size = x->sizes[dim];
    if (select->index < -size || select->index >= size)
        return layer_shape_fail(s, "index", "index %lld lies outside of dimension %d, whose size is %lld",
                                (long long)select->index, dim, (long long)size);
    for (int d = 0; d < x->rank; d++)
        if (d != dim)
            y->sizes[y->rank++] = x->sizes[d];
    s->feature_dim = s->feature_dim == dim ? STABILITY_MAX_RANK : s->feature_dim - (s->feature_dim > dim);
    return true;
}

static bool slice_shape(struct layer_shapes *s)
{
    const struct slice *slice = s->attributes;
    if (!has_dimension(s, slice->dim))
        return false;
    if (slice->step.present && slice->step.value == 0)
        return layer_shape_fail(s, "step", "step must not be 0");
    struct range range = slice_range(slice, &s->inputs[0]);
    s->outputs[0] = s->inputs[0];
    s->outputs[0].sizes[range.dim] = range.count;
    return true;
}

/* The chosen elements of the input. */
static struct strided view_of(const struct layer_pass *pass, struct range range)
{
    struct strided view = strided_whole(&pass->inputs[0].shape);
    view.offset = range.first * view.strides[range.dim];
    view.sizes[range.dim] = range.count;
    view.strides[range.dim] *= range.step;
    return view;
}

static void select_forward(const struct layer_pass *pass)
{
    struct strided view = view_of(pass, select_range(pass->attributes, &pass->inputs[0].shape));
    strided_forward(pass, &view);
}

static void select_backward(const struct layer_pass *pass)
{
    struct strided view = view_of(pass, select_range(pass->attributes, &pass->inputs[0].shape));
    strided_backward(pass, &view);
}

static void slice_forward(const struct layer_pass *pass)
{
    struct strided view = view_of(pass, slice_range(pass->attributes, &pass->inputs[0].shape));
    strided_forward(pass, &view);
}

static void slice_backward(const struct layer_pass *pass)
{
    struct strided view = view_of(pass, slice_range(pass->attributes, &pass->inputs[0].shape));
    strided_backward(pass, &view);
}

static const struct layer_bounds bounds = {.forward = interval_move_forward,
                                           .backward = interval_linear_backward};

LAYER_OPS(Select) = {
    .type = {"Select", "torch.select", "one element of a dimension, which is dropped", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = select_attributes},
    .attributes_size = sizeof(struct select),
    .shape = select_shape,
    .forward = select_forward,
    .backward = select_backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .moves = true,
    .bounds = &bounds,
};

LAYER_OPS(Slice) = {
    .type = {"Slice", "x[start:end:step]", "a range of a dimension", .minimum_inputs = 1, .maximum_inputs = 1,
             .attributes = slice_attributes},
    .attributes_size = sizeof(struct slice),
    .shape = slice_shape,
    .forward = slice_forward,
    .backward = slice_backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .moves = true,
    .bounds = &bounds,
};
