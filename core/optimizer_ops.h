/* What an optimizer is to the engine: one const struct each, in a file of its own under optimizers/, listed
 * in optimizers.def. Kernels in the text of `real`, as layers are: they get valid input and cannot fail. */
#ifndef CORE_OPTIMIZER_OPS_H
#define CORE_OPTIMIZER_OPS_H

#include <stdbool.h>
#include <stdint.h>

enum { OPTIMIZER_STATES = 2 };

/* Hyperparameters under their names in torch.optim; learning_rate is its lr. */
struct optimizer_values {
    double learning_rate;
    double momentum;
    double dampening;
    bool nesterov;
    double weight_decay;
    double betas[2];
    double eps;
};

/* One step of one parameter, or of a stretch of it: every element is by itself. */
struct optimizer_pass {
    const struct optimizer_values *values;
    int64_t step; /* from 1 */
    int64_t count;
    void *parameter; /* reals, changed in place */
    const void *gradient;
    void *states[OPTIMIZER_STATES]; /* zeros before step 1 */
};

struct optimizer_ops {
    const char *name;     /* "SGD" */
    const char *torch;    /* "torch.optim.SGD" */
    const char *uses;     /* the settings it has beside learning_rate, separated by spaces */
    double weight_decay;  /* default */
    double learning_rate; /* likewise; 0: it has none */
    /* How many tensors it keeps for each parameter. */
    int (*states)(const struct optimizer_values *values);
    void (*step)(const struct optimizer_pass *pass);
};

/* OPTIMIZER_OPS(SGD) = {...}; defines the type in this variant; optimizers.def must list it. */
#define OPTIMIZER_OPS(type) const struct optimizer_ops VARIANT(optimizer_##type)

#endif
