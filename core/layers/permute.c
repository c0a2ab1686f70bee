/* The same elements with their dimensions in another order. */
#include "core/layers/dimension.h"
#include "core/layers/strided.h"
#include "core/real/interval.h"

struct permute {
    struct integers dims;
};

struct transpose {
    int64_t dim0;
    int64_t dim1;
};

static const struct stability_attribute permute_attributes[] = {
    {"dims", STABILITY_ATTRIBUTE_INTEGERS, offsetof(struct permute, dims), .required = true,
     .documentation = "for each dimension of the output, the input's"},
    {0},
};

static const struct stability_attribute transpose_attributes[] = {
    {"dim0", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct transpose, dim0), .required = true,
     .documentation = "dimension that changes places with dim1"},
    {"dim1", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct transpose, dim1), .required = true,
     .documentation = "dimension that changes places with dim0"},
    {0},
};

/* source[d]: the input's dimension that is the output's d. */
struct order {
    int source[STABILITY_MAX_RANK];
};

static struct order permute_order(const void *attributes, int rank)
{
    const struct permute *permute = attributes;
    struct order order = {0};
    for (int d = 0; d < rank; d++)
        order.source[d] = dimension_index(permute->dims.items[d], rank);
    return order;
}

static struct order transpose_order(const void *attributes, int rank)
{
    const struct transpose *transpose = attributes;
    struct order order = {0};
    int dim0 = dimension_index(transpose->dim0, rank), dim1 = dimension_index(transpose->dim1, rank);
    for (int d = 0; d < rank; d++)
        order.source[d] = d == dim0 ? dim1 : d == dim1 ? dim0 : d;
    return order;
}

static void take_shape(struct layer_shapes *s, const struct order *order)
{
    const struct stability_shape *x = &s->inputs[0];
    int feature_dim = s->feature_dim;
    s->outputs[0].rank = x->rank;
    for (int d = 0; d < x->rank; d++) {
        s->outputs[0].sizes[d] = x->sizes[order->source[d]];
        if (order->source[d] == feature_dim)
            s->feature_dim = d;
    }
}

static bool permute_shape(struct layer_shapes *s)
{
    const struct permute *permute = s->attributes;
    int rank = s->inputs[0].rank;
    if (permute->dims.count != rank)
        return layer_shape_fail(s, "dims", "dims must name each of the input's %d dimensions, got %d", rank,
                                permute->dims.count);
    unsigned seen = 0;
    for (int d = 0; d < rank; d++) {
        if (!dimension_check(s, "dims", permute->dims.items[d], rank))
            return false;
        unsigned bit = 1U << dimension_index(permute->dims.items[d], rank);
        if (seen & bit)
            return layer_shape_fail(s, "dims", "dims names dimension %d twice",
                                    dimension_index(permute->dims.items[d], rank));
        seen |= bit;
    }
    struct order order = permute_order(permute, rank);
    take_shape(s, &order);
    return true;
}

static bool transpose_shape(struct layer_shapes *s)
{
    const struct transpose *transpose = s->attributes;
    int rank = s->inputs[0].rank;
    if (!dimension_check(s, "dim0", transpose->dim0, rank) ||
        !dimension_check(s, "dim1", transpose->dim1, rank))
        return false;
    struct order order = transpose_order(transpose, rank);
    take_shape(s, &order);
    return true;
}

/* The input, walked in the output's order. */
static struct strided view_of(const struct layer_pass *pass, struct order order)
{
    struct strided whole = strided_whole(&pass->inputs[0].shape);
    struct strided view = {.rank = whole.rank};
    for (int d = 0; d < whole.rank; d++) {
        view.sizes[d] = whole.sizes[order.source[d]];
        view.strides[d] = whole.strides[order.source[d]];
    }
    return view;
}

static void permute_forward(const struct layer_pass *pass)
{
    struct strided view = view_of(pass, permute_order(pass->attributes, pass->inputs[0].shape.rank));
    strided_forward(pass, &view);
}

static void permute_backward(const struct layer_pass *pass)
{
    struct strided view = view_of(pass, permute_order(pass->attributes, pass->inputs[0].shape.rank));
    strided_backward(pass, &view);
}

static void transpose_forward(const struct layer_pass *pass)
{
    struct strided view = view_of(pass, transpose_order(pass->attributes, pass->inputs[0].shape.rank));
    strided_forward(pass, &view);
}

static void transpose_backward(const struct layer_pass *pass)
{
    struct strided view = view_of(pass, transpose_order(pass->attributes, pass->inputs[0].shape.rank));
    strided_backward(pass, &view);
}

static const struct layer_bounds bounds = {.forward = interval_move_forward,
                                           .backward = interval_linear_backward};

LAYER_OPS(Permute) = {
    .type = {"Permute", "torch.permute", "the dimensions in the order of dims", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = permute_attributes},
    .attributes_size = sizeof(struct permute),
    .shape = permute_shape,
    .forward = permute_forward,
    .backward = permute_backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .moves = true,
    .bounds = &bounds,
};

LAYER_OPS(Transpose) = {
    .type = {"Transpose", "torch.transpose", "two dimensions in each other's place", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = transpose_attributes},
    .attributes_size = sizeof(struct transpose),
    .shape = transpose_shape,
    .forward = transpose_forward,
    .backward = transpose_backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .moves = true,
    .bounds = &bounds,
};
