#include "core/layers/copy.h"
#include "core/real/interval.h"

static bool shape(struct layer_shapes *s)
{
    s->outputs[0] = s->inputs[0];
    return true;
}

static const struct layer_bounds bounds = {.forward = interval_curve_forward,
                                           .backward = interval_curve_backward};

LAYER_OPS(Identity) = {
    .type = {.type = "Identity",
             .torch = "torch.nn.Identity",
             .documentation = "the input itself",
             .minimum_inputs = 1,
             .maximum_inputs = 1},
    .shape = shape,
    .forward = copy_forward,
    .backward = copy_backward,
    .unread = COPY_UNREAD,
    .moves = true,
    .bounds = &bounds,
};
