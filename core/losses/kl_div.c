/* Kullback-Leibler divergence of the target's distribution from the input's, which is given as logarithms. */
#include "core/losses/elementwise.h"

struct kl_div {
    struct reduced reduced;
    bool log_target;
};

enum { REDUCTION_BATCHMEAN = REDUCTION_SUM + 1 };

static real term(const void *attributes, real x, real t)
{
    if (((const struct kl_div *)attributes)->log_target)
        return real_exp(t) * (t - x);
    return (t == 0 ? 0 : t * real_log(t)) - t * x;
}

static real derivative(const void *attributes, real x, real t)
{
    (void)x;
    return ((const struct kl_div *)attributes)->log_target ? -real_exp(t) : -t;
}

static double divisor(const struct loss_pass *pass, const struct tensor *x)
{
    const struct kl_div *kl_div = pass->attributes;
    if (kl_div->reduced.reduction == REDUCTION_BATCHMEAN)
        return x->shape.rank > 0 ? (double)x->shape.sizes[0] : 1;
    return reduction_divisor(pass, x->count);
}

static double forward(const struct loss_pass *pass)
{
    return sum_of_pairs(pass, term) / divisor(pass, &pass->inputs[0]);
}

static void backward(const struct loss_pass *pass)
{
    derive_pairs(pass, divisor(pass, &pass->inputs[0]), derivative);
}

static const struct stability_attribute attributes[] = {
    {"reduction", STABILITY_ATTRIBUTE_CHOICE, offsetof(struct kl_div, reduced.reduction), .choice = "mean",
     .choices = "mean sum batchmean",
     .documentation = "mean over the elements, their sum, or the sum divided by the size of the batch"},
    {"log_target", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct kl_div, log_target),
     .documentation = "whether the target is given as logarithms too"},
    {0},
};

static bool explain(const struct loss_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    return explain_pairs(
        pass, place, term,
        ((const struct kl_div *)pass->attributes)->log_target ? "exp(t) (t - x)" : "t (log t - x)", cause);
}

static bool bounds(struct loss_intervals *l)
{
    return bound_pairs(l, divisor(&l->pass, &l->inputs[0].low), term, derivative);
}

LOSS_OPS(KLDivLoss) = {
    .type = {.type = "KLDivLoss",
             .torch = "torch.nn.KLDivLoss",
             .documentation = "t (log t - x) of log-probabilities x",
             .inputs = 1,
             .attributes = attributes},
    .attributes_size = sizeof(struct kl_div),
    .shape = loss_shape_of_pairs,
    .forward = forward,
    .backward = backward,
    .explain = explain,
    .bounds = bounds,
};
