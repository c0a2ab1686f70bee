#include "core/optimizer_ops.h"
#include "core/real/real.h"

static int states(const struct optimizer_values *values)
{
    return values->momentum != 0 ? 1 : 0;
}

static void step_plain(const struct optimizer_pass *pass, real rate, real decay)
{
    real *parameter = pass->parameter;
    const real *gradient = pass->gradient;
    for (int64_t i = 0; i < pass->count; i++)
        parameter[i] -= rate * (gradient[i] + decay * parameter[i]);
}

/* b <- momentum b + (1 - dampening) d, where d = g + weight_decay p; the first step takes b = d. Then
 * p <- p - lr b, with Nesterov p <- p - lr (d + momentum b). */
static void step(const struct optimizer_pass *pass)
{
    const struct optimizer_values *values = pass->values;
    real rate = (real)values->learning_rate, decay = (real)values->weight_decay;
    if (values->momentum == 0) {
        step_plain(pass, rate, decay);
        return;
    }
    real *parameter = pass->parameter, *buffer = pass->states[0];
    const real *gradient = pass->gradient;
    real momentum = (real)values->momentum;
    real share = pass->step == 1 ? 1 : (real)(1 - values->dampening);
    for (int64_t i = 0; i < pass->count; i++) {
        real direction = gradient[i] + decay * parameter[i];
        buffer[i] = momentum * buffer[i] + share * direction;
        parameter[i] -= rate * (values->nesterov ? direction + momentum * buffer[i] : buffer[i]);
    }
}

OPTIMIZER_OPS(SGD) = {
    .name = "SGD",
    .torch = "torch.optim.SGD",
    .uses = "momentum dampening nesterov weight_decay",
    .states = states,
    .step = step,
};
