/* Negative log-likelihood of counts under a Poisson distribution. */
#include "core/losses/elementwise.h"

struct poisson_nll {
    struct reduced reduced;
    bool log_input;
    bool full;
    double eps;
};

/* Stirling's approximation of log(t!) */
static real log_factorial(real t)
{
    const real two_pi = (real)6.28318530717958647693;
    return t <= 1 ? 0 : t * real_log(t) - t + (real)0.5 * real_log(two_pi * t);
}

static real term(const void *attributes, real x, real t)
{
    const struct poisson_nll *loss = attributes;
    real value = loss->log_input ? real_exp(x) - t * x : x - t * real_log(x + (real)loss->eps);
    return loss->full ? value + log_factorial(t) : value;
}

static real derivative(const void *attributes, real x, real t)
{
    const struct poisson_nll *loss = attributes;
    return loss->log_input ? real_exp(x) - t : 1 - t / (x + (real)loss->eps);
}

static double forward(const struct loss_pass *pass)
{
    return sum_of_pairs(pass, term) / reduction_divisor(pass, pass->inputs[0].count);
}

static void backward(const struct loss_pass *pass)
{
    derive_pairs(pass, reduction_divisor(pass, pass->inputs[0].count), derivative);
}

static const struct stability_attribute attributes[] = {
    {"log_input", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct poisson_nll, log_input), .number = true,
     .documentation = "whether the input is the logarithm of the rate"},
    {"full", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct poisson_nll, full),
     .documentation = "whether log(t!) is added, by Stirling's approximation where t > 1"},
    {"eps", STABILITY_ATTRIBUTE_REAL, offsetof(struct poisson_nll, eps), .maximum = INFINITY, .number = 1e-8,
     .documentation = "added to a rate before its logarithm is taken"},
    REDUCTION_ROW,
    {0},
};

static bool explain(const struct loss_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    return explain_pairs(pass, place, term,
                         ((const struct poisson_nll *)pass->attributes)->log_input ? "exp(x) - t x"
                                                                                   : "x - t log(x + eps)",
                         cause);
}

/* Of negative counts the loss of a rate is not convex. */
static bool bounds(struct loss_intervals *l)
{
    const struct poisson_nll *loss = l->pass.attributes;
    bool convex = true;
    for (int64_t i = 0; i < l->pass.target.count; i++)
        convex &= loss->log_input || ((const real *)l->pass.target.data)[i] >= 0;
    if (!bound_pairs(l, reduction_divisor(&l->pass, l->inputs[0].low.count), term, derivative))
        return false;
    l->low = convex ? l->low : -INFINITY;
    l->high = convex ? l->high : INFINITY;
    return true;
}

LOSS_OPS(PoissonNLLLoss) = {
    .type = {.type = "PoissonNLLLoss",
             .torch = "torch.nn.PoissonNLLLoss",
             .documentation = "exp(x) - t x of log-rates x, or x - t log(x + eps) of rates",
             .inputs = 1,
             .attributes = attributes},
    .attributes_size = sizeof(struct poisson_nll),
    .shape = loss_shape_of_pairs,
    .forward = forward,
    .backward = backward,
    .explain = explain,
    .bounds = bounds,
};
