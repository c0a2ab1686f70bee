#include "core/layers/relu.h"

#include "core/layers/kinks.h"
#include "core/real/interval.h"

static void forward(const struct layer_pass *pass)
{
    relu_forward(pass->inputs[0].data, pass->outputs[0].data, pass->outputs[0].count);
}

static void backward(const struct layer_pass *pass)
{
    relu_backward(pass->outputs[0].data, pass->output_gradients[0].data, pass->input_gradients[0].data,
                  pass->outputs[0].count);
}

static const struct layer_bounds bounds = {
    .forward = interval_curve_forward, .backward = interval_curve_backward, .turns = {1, {0}}};

LAYER_OPS(ReLU) = {
    .type = {"ReLU", "torch.nn.ReLU", "max(x, 0)", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .activation = &(const struct layer_activation){.dies = true, .greatest_derivative = 1},
    .switches = kink_at_zero,
    .unread = LAYER_UNREAD_INPUTS,
    .bounds = &bounds,
};
