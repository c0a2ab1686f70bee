/* Joins dimensions start_dim to end_dim, both included, into one. */
#include "core/layers/copy.h"
#include "core/layers/dimension.h"
#include "core/real/interval.h"

struct flatten {
    int64_t start_dim;
    int64_t end_dim;
};

static const struct stability_attribute attributes[] = {
    {"start_dim", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct flatten, start_dim), .number = 1,
     .documentation = "first dimension to join; a negative one counts from the end"},
    {"end_dim", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct flatten, end_dim), .number = -1,
     .documentation = "last dimension to join"},
    {0},
};

static bool shape(struct layer_shapes *s)
{
    const struct flatten *flatten = s->attributes;
    const struct stability_shape *x = &s->inputs[0];
    if (!dimension_check(s, "start_dim", flatten->start_dim, x->rank) ||
        !dimension_check(s, "end_dim", flatten->end_dim, x->rank))
        return false;
    int start = dimension_index(flatten->start_dim, x->rank);
    int end = dimension_index(flatten->end_dim, x->rank);
    if (start > end)
        return layer_shape_fail(s, "start_dim", "start_dim, %d, comes after end_dim, %d", start, end);
    struct stability_shape *y = &s->outputs[0];
    for (int d = 0; d < x->rank; d++) {
        if (d <= start || d > end)
            y->sizes[y->rank++] = x->sizes[d];
        else
            y->sizes[start] *= x->sizes[d];
    }
    if (x->rank == 0)
        *y = (struct stability_shape){1, {1}};
    if (s->feature_dim > start)
        s->feature_dim = s->feature_dim <= end ? start : s->feature_dim - (end - start);
    return true;
}

static const struct layer_bounds bounds = {.forward = interval_move_forward,
                                           .backward = interval_linear_backward};

LAYER_OPS(Flatten) = {
    .type = {.type = "Flatten",
             .torch = "torch.nn.Flatten",
             .documentation = "joins dimensions start_dim to end_dim into one",
             .minimum_inputs = 1,
             .maximum_inputs = 1,
             .attributes = attributes},
    .attributes_size = sizeof(struct flatten),
    .shape = shape,
    .forward = copy_forward,
    .backward = copy_backward,
    .unread = COPY_UNREAD,
    .moves = true,
    .bounds = &bounds,
};
