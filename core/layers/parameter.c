/* Tensors that depend on no input: one that is learned, and one that is not. */
#include "core/layer.h"
#include "core/real/interval.h"
#include "core/real/real.h"

#include <string.h>

struct parameter {
    struct integers shape;
};

struct constant {
    const struct stability_tensor *value;
};

static const struct stability_attribute parameter_attributes[] = {
    {"shape", STABILITY_ATTRIBUTE_INTEGERS, offsetof(struct parameter, shape), .required = true,
     .maximum = INFINITY, .documentation = "sizes of the tensor"},
    {0},
};

static const struct stability_attribute constant_attributes[] = {
    {"value", STABILITY_ATTRIBUTE_TENSOR, offsetof(struct constant, value), .required = true,
     .documentation = "a number or a tensor"},
    {0},
};

enum { WEIGHT };
static const struct stability_parameter parameters[] = {
    [WEIGHT] = {"weight", "*shape", .init = "normal_", .documentation = "the tensor; drawn like torch.randn"},
    {0},
};

static bool parameter_shape(struct layer_shapes *s)
{
    const struct parameter *parameter = s->attributes;
    s->outputs[0].rank = parameter->shape.count;
    memcpy(s->outputs[0].sizes, parameter->shape.items, sizeof(s->outputs[0].sizes));
    s->feature_dim = STABILITY_MAX_RANK;
    return true;
}

static void parameter_forward(const struct layer_pass *pass)
{
    const struct tensor *weight = &pass->parameters[WEIGHT];
    if (weight->count > 0)
        memcpy(pass->outputs[0].data, weight->data, (size_t)weight->count * sizeof(real));
}

static void parameter_backward(const struct layer_pass *pass)
{
    const struct tensor *gradient = &pass->parameter_gradients[WEIGHT];
    if (gradient->data && gradient->count > 0)
        memcpy(gradient->data, pass->output_gradients[0].data, (size_t)gradient->count * sizeof(real));
}

static bool constant_shape(struct layer_shapes *s)
{
    const struct constant *constant = s->attributes;
    if (!constant->value)
        return layer_shape_fail(s, "value", "value must not be null");
    s->outputs[0] = constant->value->shape;
    s->feature_dim = STABILITY_MAX_RANK;
    return true;
}

static void constant_forward(const struct layer_pass *pass)
{
    const struct constant *constant = pass->attributes;
    stability_convert(constant->value->dtype, constant->value->data,
                      sizeof(real) == 4 ? STABILITY_FLOAT32 : STABILITY_FLOAT64, pass->outputs[0].data,
                      pass->outputs[0].count);
}

static const struct layer_bounds bounds = {.forward = interval_move_forward,
                                           .backward = interval_linear_backward};

LAYER_OPS(Parameter) = {
    .type = {"Parameter", "torch.nn.Parameter", "a tensor that is learned; reads no input",
             .attributes = parameter_attributes, .parameters = parameters},
    .attributes_size = sizeof(struct parameter),
    .shape = parameter_shape,
    .forward = parameter_forward,
    .backward = parameter_backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};

static const struct layer_bounds constant_bounds = {.forward = interval_move_forward, .backward = NULL};

LAYER_OPS(Constant) = {
    .type = {"Constant", "torch.tensor", "a tensor that is given; reads no input",
             .attributes = constant_attributes},
    .attributes_size = sizeof(struct constant),
    .shape = constant_shape,
    .forward = constant_forward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .bounds = &constant_bounds,
};
