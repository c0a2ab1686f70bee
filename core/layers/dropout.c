/* In training, y = x m / (1 - p) with m = 0 with probability p, else 1. */
#include "core/layers/dropout.h"
#include "core/layers/copy.h"

struct dropout {
    double p;
};

static const struct stability_attribute attributes[] = {
    {"p", STABILITY_ATTRIBUTE_REAL, offsetof(struct dropout, p), .maximum = 1, .number = 0.5,
     .documentation = "probability that an element is set to zero"},
    {0},
};

static void apply(const struct layer_pass *pass, const real *from, real *to)
{
    const struct dropout *dropout = pass->attributes;
    dropout_apply(pass->seed, 0, dropout->p, from, to, pass->outputs[0].count);
}

static bool is_active(const struct layer_pass *pass)
{
    const struct dropout *dropout = pass->attributes;
    return pass->drops && dropout->p > 0;
}

static void forward(const struct layer_pass *pass)
{
    if (is_active(pass))
        apply(pass, pass->inputs[0].data, pass->outputs[0].data);
    else
        copy_forward(pass);
}

static void backward(const struct layer_pass *pass)
{
    if (is_active(pass))
        apply(pass, pass->output_gradients[0].data, pass->input_gradients[0].data);
    else
        copy_backward(pass);
}

LAYER_OPS(Dropout) = {
    .type = {.type = "Dropout",
             .torch = "torch.nn.Dropout",
             .documentation = "in training zeroes elements at random and divides the others by 1 - p",
             .minimum_inputs = 1,
             .maximum_inputs = 1,
             .attributes = attributes},
    .attributes_size = sizeof(struct dropout),
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .unread = COPY_UNREAD,
};
