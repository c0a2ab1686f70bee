/* (x - t)² */
#include "core/losses/elementwise.h"

static real term(const void *attributes, real x, real t)
{
    (void)attributes;
    return (x - t) * (x - t);
}

static real derivative(const void *attributes, real x, real t)
{
    (void)attributes;
    return 2 * (x - t);
}

static double divisor(const struct loss_pass *pass)
{
    const struct reduction_only *loss = pass->attributes;
    return reduction_divisor(loss->reduction, pass->inputs[0].count);
}

static double forward(const struct loss_pass *pass)
{
    return sum_of_pairs(pass, term) / divisor(pass);
}

static void backward(const struct loss_pass *pass)
{
    derive_pairs(pass, divisor(pass), derivative);
}

LOSS_OPS(MSELoss) = {
    .type = {.type = "MSELoss",
             .torch = "torch.nn.MSELoss",
             .documentation = "squared differences, (x - t)²",
             .inputs = 1,
             .attributes = reduction_rows},
    .attributes_size = sizeof(struct reduction_only),
    .shape = loss_shape_of_pairs,
    .forward = forward,
    .backward = backward,
};
