/* Dimensions of size 1 repeated, and new ones in front: the gradient is summed over what was repeated. */
#include "core/layers/broadcast.h"
#include "core/layers/strided.h"
#include "core/real/interval.h"

struct expand {
    struct integers shape;
};

static const struct stability_attribute attributes[] = {
    {"shape", STABILITY_ATTRIBUTE_INTEGERS, offsetof(struct expand, shape), .required = true, .minimum = -1,
     .maximum = INFINITY, .documentation = "sizes of the output; -1: the input's"},
    {0},
};

static bool shape(struct layer_shapes *s)
{
    const struct expand *expand = s->attributes;
    const struct stability_shape *x = &s->inputs[0];
    struct stability_shape *y = &s->outputs[0];
    int added = expand->shape.count - x->rank;
    char text[STABILITY_SHAPE_TEXT];
    if (added < 0)
        return layer_shape_fail(s, "shape", "shape must have at least the %d dimensions of the input, got %d",
                                x->rank, expand->shape.count);
    y->rank = expand->shape.count;
    for (int d = 0; d < y->rank; d++) {
        int64_t own = d < added ? 1 : x->sizes[d - added];
        y->sizes[d] = expand->shape.items[d] < 0 ? own : expand->shape.items[d];
        if (d < added && expand->shape.items[d] < 0)
            return layer_shape_fail(s, "shape", "dimension %d is new: its size cannot be -1", d);
        if (own != 1 && y->sizes[d] != own)
            return layer_shape_fail(s, "shape", "dimension %d cannot be expanded to %lld: the input is %s", d,
                                    (long long)y->sizes[d], stability_shape_text(x, text));
    }
    s->feature_dim += added;
    broadcast_add_sums(s, &s->workspace, stability_shape_count(x));
    return true;
}

static void forward(const struct layer_pass *pass)
{
    const struct stability_shape *x = &pass->inputs[0].shape;
    const struct stability_shape *y = &pass->outputs[0].shape;
    struct strided own = strided_whole(x);
    struct strided view = {.rank = y->rank};
    for (int d = 0; d < y->rank; d++) {
        int source = d - (y->rank - x->rank);
        view.sizes[d] = y->sizes[d];
        view.strides[d] = source < 0 || x->sizes[source] == 1 ? 0 : own.strides[source];
    }
    strided_forward(pass, &view);
}

static void backward(const struct layer_pass *pass)
{
    const struct tensor *dy = &pass->output_gradients[0];
    broadcast_sum(dy->data, &dy->shape, 1, pass->input_gradients[0].data, &pass->inputs[0].shape,
                  pass->workspace);
}

static const struct layer_bounds bounds = {
    .forward = interval_move_forward, .backward = interval_linear_backward, .terms = interval_no_terms};

LAYER_OPS(Expand) = {
    .type = {"Expand", "torch.Tensor.expand", "dimensions of size 1 repeated", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct expand),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .moves = true,
    .bounds = &bounds,
};
