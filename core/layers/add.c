/* a + b and a - b. */
#include "core/layers/binary.h"

static real sum(real a, real b)
{
    return a + b;
}

static real difference(real a, real b)
{
    return a - b;
}

static void add_forward(const struct layer_pass *pass)
{
    binary_forward(pass, sum);
}

static void sub_forward(const struct layer_pass *pass)
{
    binary_forward(pass, difference);
}

/* The gradient of input k: sign dy. */
static void pass_gradient(const struct layer_pass *pass, int k, real sign)
{
    const struct tensor *dy = &pass->output_gradients[0];
    const struct tensor *dx = &pass->input_gradients[k];
    if (dx->data && !stability_shape_equal(&dx->shape, &dy->shape))
        broadcast_sum(dy->data, &dy->shape, (double)sign, dx->data, &dx->shape, pass->workspace);
    else if (dx->data)
        for (int64_t i = 0; i < dx->count; i++)
            ((real *)dx->data)[i] = sign * ((const real *)dy->data)[i];
}

static void add_backward(const struct layer_pass *pass)
{
    pass_gradient(pass, 0, 1);
    pass_gradient(pass, 1, 1);
}

static void sub_backward(const struct layer_pass *pass)
{
    pass_gradient(pass, 0, 1);
    pass_gradient(pass, 1, -1);
}

LAYER_OPS(Add) = {
    .type = {"Add", "torch.add", "a + b, broadcast together", .minimum_inputs = 2, .maximum_inputs = 2},
    .shape = binary_shape,
    .forward = add_forward,
    .backward = add_backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
};

LAYER_OPS(Sub) = {
    .type = {"Sub", "torch.sub", "a - b, broadcast together", .minimum_inputs = 2, .maximum_inputs = 2},
    .shape = binary_shape,
    .forward = sub_forward,
    .backward = sub_backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
};
