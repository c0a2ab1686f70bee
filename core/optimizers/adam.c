/* Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019), whose weight decay is not part of the
 * gradient. */
#include "core/optimizer_ops.h"
#include "core/real/real.h"

static int states(const struct optimizer_values *values)
{
    (void)values;
    return 2;
}

/* m <- b1 m + (1 - b1) d, v <- b2 v + (1 - b2) d², where d = g + decay p; then
 * p <- shrink p - lr m / (1 - b1^t) / (sqrt(v) / sqrt(1 - b2^t) + eps). */
static void update(const struct optimizer_pass *pass, double weight_decay, double shrinkage)
{
    const struct optimizer_values *values = pass->values;
    double steps = (double)pass->step;
    real rate = (real)(values->learning_rate / (1 - pow(values->betas[0], steps)));
    real root = (real)sqrt(1 - pow(values->betas[1], steps));
    real beta1 = (real)values->betas[0], rest1 = (real)(1 - values->betas[0]);
    real beta2 = (real)values->betas[1], rest2 = (real)(1 - values->betas[1]);
    real eps = (real)values->eps, decay = (real)weight_decay, shrink = (real)shrinkage;
    real *parameter = pass->parameter, *mean = pass->states[0], *square = pass->states[1];
    const real *gradient = pass->gradient;
    for (int64_t i = 0; i < pass->count; i++) {
        real direction = gradient[i] + decay * parameter[i];
        mean[i] = beta1 * mean[i] + rest1 * direction;
        square[i] = beta2 * square[i] + rest2 * direction * direction;
        parameter[i] = shrink * parameter[i] - rate * mean[i] / (sqrt(square[i]) / root + eps);
    }
}

static void step_adam(const struct optimizer_pass *pass)
{
    update(pass, pass->values->weight_decay, 1);
}

static void step_adamw(const struct optimizer_pass *pass)
{
    update(pass, 0, 1 - pass->values->learning_rate * pass->values->weight_decay);
}

OPTIMIZER_OPS(Adam) = {
    .name = "Adam",
    .torch = "torch.optim.Adam",
    .uses = "betas eps weight_decay",
    .learning_rate = 1e-3,
    .states = states,
    .step = step_adam,
};

OPTIMIZER_OPS(AdamW) = {
    .name = "AdamW",
    .torch = "torch.optim.AdamW",
    .uses = "betas eps weight_decay",
    .learning_rate = 1e-3,
    .weight_decay = 0.01,
    .states = states,
    .step = step_adamw,
};
