/* In training, y = x m / (1 - p) with m = 0 with probability p, else 1. The mask is a function of the layer's
 * seed and the element's index, so the backward pass draws it again. */
#include "core/layers/copy.h"
#include "core/random.h"

struct dropout {
    double p;
};

static const struct stability_attribute attributes[] = {
    {"p", STABILITY_ATTRIBUTE_REAL, offsetof(struct dropout, p), .maximum = 1, .number = 0.5,
     .documentation = "probability that an element is set to zero"},
    {0},
};

/* to = from * mask / (1 - p): multiplied also where the mask is 0, so that a NaN stays one, as in PyTorch. */
static void apply(const struct layer_pass *pass, const real *from, real *to)
{
    enum { CHUNK = 1024 };
    const struct dropout *dropout = pass->attributes;
    uint64_t bound = (uint64_t)(dropout->p * 0x1p32);
    const real factor[2] = {0, dropout->p < 1 ? (real)(1 / (1 - dropout->p)) : 0};
    uint64_t bits[CHUNK / 2]; /* each decides for two elements */
    int64_t count = pass->outputs[0].count;
    for (int64_t start = 0; start < count; start += CHUNK) {
        int64_t length = count - start < CHUNK ? count - start : CHUNK;
        random_bits(pass->seed, (uint64_t)start / 2, (size_t)(length + 1) / 2, bits);
        for (int64_t i = 0; i < length; i++) {
            uint64_t drawn = i % 2 ? bits[i / 2] >> 32 : bits[i / 2] & UINT32_MAX;
            to[start + i] = from[start + i] * factor[drawn >= bound];
        }
    }
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
