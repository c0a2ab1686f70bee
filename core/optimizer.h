/* Steps of gradient descent on a trial's parameters, as torch.optim and torch.nn.utils.clip_grad take them.
 *
 *     struct optimizer optimizer;
 *     bool done = optimizer_open(&optimizer, &trial, &settings, error);
 *     for (...) {
 *         done = done && trial_execute(&trial, NULL, error);
 *         optimizer_step(&optimizer, &taken);
 *     }
 *     optimizer_close(&optimizer);
 */
#ifndef CORE_OPTIMIZER_H
#define CORE_OPTIMIZER_H

#include "core/trial.h"

/* What a request says of an optimizer; what is left out is the optimizer's default. All zeros: SGD with the
 * request's learning rate. */
struct optimizer_settings {
    int type; /* index into kernels.optimizers; its name is the choice */
    struct optional_real
        learning_rate; /* left out: options.learning_rate where that is given, or torch.optim's default */
    struct optional_real momentum;
    struct optional_real dampening;
    bool nesterov;
    struct optional_real weight_decay;
    const struct stability_tensor *betas; /* two numbers */
    struct optional_real eps;
    bool normalize_gradients;
    struct optional_real clip_grad_norm;
    struct optional_real clip_grad_value;
};

/* The names of optimizers.def, separated by spaces. */
extern const char optimizer_names[];

/* Rows of an analysis's settings whose private struct has a struct optimizer_settings as `member`. */
#define OPTIMIZER_ROW(owner, member, field, ...)                                                            \
    {                                                                                                       \
#field, .offset = offsetof(owner, member) + offsetof(struct optimizer_settings, field), __VA_ARGS__ \
    }
#define OPTIMIZER_ROWS(owner, member)                                                                        \
    {"optimizer",                                                                                            \
     STABILITY_ATTRIBUTE_CHOICE,                                                                             \
     offsetof(owner, member) + offsetof(struct optimizer_settings, type),                                    \
     .choice = "SGD",                                                                                        \
     .choices = optimizer_names,                                                                             \
     .documentation = "as in torch.optim"},                                                                  \
        OPTIMIZER_ROW(owner, member, learning_rate, .kind = STABILITY_ATTRIBUTE_REAL, .nullable = true,      \
                      .exclusive = true, .maximum = INFINITY,                                                \
                      .documentation = "null: options.learning_rate, and where that is not given 0.01 with " \
                                       "SGD, 0.001 with Adam and AdamW"),                                    \
        OPTIMIZER_ROW(owner, member, momentum, .kind = STABILITY_ATTRIBUTE_REAL, .nullable = true,           \
                      .maximum = INFINITY, .documentation = "of SGD; null: 0"),                              \
        OPTIMIZER_ROW(owner, member, dampening, .kind = STABILITY_ATTRIBUTE_REAL, .nullable = true,          \
                      .documentation = "of SGD's momentum; null: 0"),                                        \
        OPTIMIZER_ROW(owner, member, nesterov, .kind = STABILITY_ATTRIBUTE_BOOLEAN,                          \
                      .documentation = "of SGD: needs a momentum and no dampening"),                         \
        OPTIMIZER_ROW(owner, member, weight_decay, .kind = STABILITY_ATTRIBUTE_REAL, .nullable = true,       \
                      .maximum = INFINITY, .documentation = "null: 0, with AdamW 0.01"),                     \
        OPTIMIZER_ROW(owner, member, betas, .kind = STABILITY_ATTRIBUTE_TENSOR,                              \
                      .documentation = "of Adam and AdamW, two numbers; null: [0.9, 0.999]"),                \
        OPTIMIZER_ROW(owner, member, eps, .kind = STABILITY_ATTRIBUTE_REAL, .nullable = true,                \
                      .maximum = INFINITY, .documentation = "of Adam and AdamW; null: 1e-8"),                \
        OPTIMIZER_ROW(owner, member, normalize_gradients, .kind = STABILITY_ATTRIBUTE_BOOLEAN,               \
                      .documentation = "all gradients together are divided by their L2 norm, before they "   \
                                       "are clipped"),                                                       \
        OPTIMIZER_ROW(owner, member, clip_grad_norm, .kind = STABILITY_ATTRIBUTE_REAL, .nullable = true,     \
                      .exclusive = true, .maximum = INFINITY,                                                \
                      .documentation = "max_norm of torch.nn.utils.clip_grad_norm_; null: not clipped"),     \
        OPTIMIZER_ROW(owner, member, clip_grad_value, .kind = STABILITY_ATTRIBUTE_REAL, .nullable = true,    \
                      .exclusive = true, .maximum = INFINITY,                                                \
                      .documentation = "clip_value of torch.nn.utils.clip_grad_value_, after "               \
                                       "clip_grad_norm; null: not clipped")

/* Checks one setting against another; `pointer` is that of the object that has them. */
bool optimizer_check(const struct optimizer_settings *settings, const char *pointer,
                     struct stability_error *error);

/* A parameter under training. */
struct optimized {
    int node;
    int parameter;
    const struct tensor *tensor;   /* the trial's */
    const struct tensor *gradient; /* the trial's; clipped in place */
    void *states[OPTIMIZER_STATES];
    double change; /* L2 norm of what the last step changed, as rounded */
    double norm;   /* L2 norm before it */
};

struct optimizer {
    struct trial *trial; /* borrowed */
    struct optimizer_settings settings;
    struct optimizer_values values; /* change them between steps for a schedule */
    const struct optimizer_ops *ops;
    int64_t steps;
    void *memory; /* the states */
    size_t memory_bytes;
    struct arena arena;
    int count;
    struct optimized *parameters; /* those that have a gradient, in the order of the model */
};

/* One step. */
struct optimizer_taken {
    double gradient_norm; /* L2 over all parameters, before anything is done to them */
    bool clipped;         /* clip_grad_norm or clip_grad_value changed a gradient */
    double change;        /* L2 over all parameters of what the step changed */
};

/* Bytes of the states of an optimizer for this graph. */
double optimizer_bytes(const struct graph *graph, const struct optimizer_settings *settings);

/* The trial must be open, with RUN_OWN, and stay open. optimizer_close in both cases. */
bool optimizer_open(struct optimizer *optimizer, struct trial *trial,
                    const struct optimizer_settings *settings, struct stability_error *error);
/* Takes one step with the gradients of the last trial_execute: scales and clips them in place, then changes
 * the trial's parameters. */
void optimizer_step(struct optimizer *optimizer, struct optimizer_taken *taken);
/* Forgets all steps; the trial's parameters stay as they are (see trial_reset). */
void optimizer_reset(struct optimizer *optimizer);
void optimizer_close(struct optimizer *optimizer);

#endif
