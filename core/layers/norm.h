/* What all normalisations share: y = (x - mean) / √(variance + eps) * weight + bias, with the mean and the
 * population variance of a group of elements (Ioffe, Szegedy 2015; Ba, Kiros, Hinton 2016; Wu, He 2018), or
 * y = x / √(mean of squares + eps) * weight (Zhang, Sennrich 2019). */
#ifndef LAYERS_NORM_H
#define LAYERS_NORM_H

#include "core/layer.h"
#include "core/real/interval.h"
#include "core/real/real.h"

struct norm {
    /* x is (outer, channels, inner) */
    int64_t outer;
    int64_t channels;
    int64_t inner;
    int64_t groups; /* of neighbouring channels in each outer item; 0: a group is one channel of all items */
    bool centered;  /* false: the mean of squares in place of the variance */
    double eps;
    const real *weight;       /* (channels) or NULL */
    const real *bias;         /* (channels) or NULL */
    const real *running_mean; /* (channels): in place of the groups' own, where groups is 0; or NULL */
    const real *running_var;
};

/* A row of `channels` elements is a group: LayerNorm over the last dimensions. */
static inline struct norm norm_of_rows(int64_t rows, int64_t channels, double eps)
{
    return (struct norm){
        .outer = rows, .channels = channels, .inner = 1, .groups = 1, .centered = true, .eps = eps};
}

/* Reals to be saved from the forward to the backward pass: each group's mean and 1 / √(variance + eps). */
static inline int64_t norm_saved(const struct norm *norm)
{
    return 2 * (norm->groups ? norm->outer * norm->groups : norm->channels);
}

/* Elements of a group. */
static inline double norm_group_size(const struct norm *norm)
{
    double size = (double)norm->channels * (double)norm->inner;
    return norm->groups ? size / (double)norm->groups : (double)norm->outer * (double)norm->inner;
}

/* Float64 numbers that either pass needs while it runs: sums by channel. */
static inline int64_t norm_workspace(const struct norm *norm)
{
    return 2 * norm->channels;
}

#define norm_plan VARIANT(norm_plan)
#define norm_forward VARIANT(norm_forward)
#define norm_backward VARIANT(norm_backward)
#define norm_explain VARIANT(norm_explain)
#define norm_bound_forward VARIANT(norm_bound_forward)
#define norm_bound_backward VARIANT(norm_bound_backward)

/* Ends the shape rule of a normalisation: output, memory and operations. */
void norm_plan(const struct norm *norm, struct layer_shapes *shapes);

void norm_forward(const struct norm *norm, const real *x, real *y, real *saved, double *workspace);

/* Where the gradients go; each may be NULL. */
struct norm_gradients {
    real *dx; /* as x */
    real *weight;
    real *bias;
};
void norm_backward(const struct norm *norm, const real *x, const real *dy, const real *saved,
                   double *workspace, const struct norm_gradients *gradients);

/* As layer_ops.explain: tells of a group without variance. */
bool norm_explain(const struct norm *norm, const struct layer_pass *pass, const struct layer_place *place,
                  struct layer_cause *cause);

/* Bounds of both passes, for layer_bounds; `norm` has the parameters at their low ends. Of n numbers none is
 * farther than √(n - 1) standard deviations from their mean (Samuelson 1968, How deviant can you be?). */
bool norm_bound_forward(const struct norm *norm, struct interval_pass *p);
bool norm_bound_backward(const struct norm *norm, struct interval_pass *p);

/* The passes of a layer whose first parameters are weight and bias. */
static inline void norm_forward_layer(const struct norm *norm, const struct layer_pass *pass)
{
    norm_forward(norm, pass->inputs[0].data, pass->outputs[0].data, pass->saved, pass->workspace);
}

static inline void norm_backward_layer(const struct norm *norm, const struct layer_pass *pass)
{
    struct norm_gradients gradients = {
        .dx = pass->input_gradients[0].data,
        .weight = norm->weight ? pass->parameter_gradients[0].data : NULL,
        .bias = norm->bias ? pass->parameter_gradients[1].data : NULL,
    };
    norm_backward(norm, pass->inputs[0].data, pass->output_gradients[0].data, pass->saved, pass->workspace,
                  &gradients);
}

#endif
