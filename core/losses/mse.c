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

static double forward(const struct loss_pass *pass)
{
    return sum_of_pairs(pass, term) / reduction_divisor(pass, pass->inputs[0].count);
}

static double row_losses(const struct loss_pass *pass, double *losses)
{
    sum_pairs_of_rows(pass, term, losses);
    return reduction_divisor(pass, pass->inputs[0].count);
}

static void backward(const struct loss_pass *pass)
{
    derive_pairs(pass, reduction_divisor(pass, pass->inputs[0].count), derivative);
}

static const struct stability_attribute attributes[] = {REDUCTION_ROW, {0}};

static bool explain(const struct loss_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    return explain_pairs(pass, place, term, "(x - t)²", cause);
}

static bool bounds(struct loss_intervals *l)
{
    return bound_pairs(l, reduction_divisor(&l->pass, l->inputs[0].low.count), term, derivative);
}

LOSS_OPS(MSELoss) = {
    .type = {.type = "MSELoss",
             .torch = "torch.nn.MSELoss",
             .documentation = "squared differences, (x - t)²",
             .inputs = 1,
             .attributes = attributes},
    .attributes_size = sizeof(struct reduced),
    .shape = loss_shape_of_pairs,
    .forward = forward,
    .backward = backward,
    .row_losses = row_losses,
    .explain = explain,
    .bounds = bounds,
};
