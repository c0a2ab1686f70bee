/* The engine's kernels in one precision, built for one instruction set. */
#ifndef CORE_KERNELS_H
#define CORE_KERNELS_H

#include "core/layer.h"
#include "core/optimizer_ops.h"
#include "core/samples.h"
#include "core/statistics.h"

struct kernels {
    size_t real_size;
    enum stability_dtype dtype;
    const struct layer_ops *const *layers; /* in the order of layers.def */
    const struct loss_ops *const *losses;
    const struct optimizer_ops *const *optimizers;
    statistics_function *statistics;
    /* destination += source */
    void (*add)(void *destination, const void *source, int64_t count);
    /* Derivative of an activation, through its own backward pass: marks unit_alive[u] where a derivative of
     * unit u is not 0, and returns how many elements have one below `threshold`. */
    int64_t (*activation_derivatives)(const struct layer_ops *ops, const struct layer_pass *pass,
                                      int64_t units, int64_t inner, double threshold, bool *unit_alive);
    /* Tensors of intervals: the elements of `data`, each up to `radius` less or more; all in [low, high];
     * to += from, outwards. */
    void (*load_interval)(const struct interval_tensor *tensor, const void *data, double radius);
    void (*fill_interval)(const struct interval_tensor *tensor, double low, double high);
    void (*add_interval)(const struct interval_tensor *to, const struct interval_tensor *from);
    /* Gives the least and the greatest that an element may be and the index of the first one with a bound
     * that is not finite, or -1; replaces such bounds by the greatest finite numbers. */
    int64_t (*settle_interval)(const struct interval_tensor *tensor, double *low, double *high);
    /* Index of the first element that is NaN or infinite, or -1; *value gets it. */
    int64_t (*first_non_finite)(const void *data, int64_t count, double *value);
    double (*square_sum)(const void *data, int64_t count);                         /* Σ x², in float64 */
    double (*square_distance)(const void *left, const void *right, int64_t count); /* Σ (x - y)² */
    void (*multiply)(void *data, double factor, int64_t count);                    /* in place */
    bool (*clamp)(void *data, double bound,
                  int64_t count); /* to [-bound, bound], in place; whether that changed any. NaN stays NaN */
    int64_t (*count_beyond)(const void *data, double least, int64_t count); /* finite, and |x| >= least */
    /* Adds the squares of the distances of vectors from their mean, and from 0. */
    void (*add_spread)(const void *data, const struct sample_vectors *vectors, double *around_mean,
                       double *around_zero);
    /* sums[i] += x[i * stride]² */
    void (*add_squares)(const void *data, int64_t count, int64_t stride, double *sums);
    /* products[i][k] += the scalar product of vectors i and k <= i; of at most SAMPLE_VECTORS. */
    void (*add_gram)(const void *data, const struct sample_vectors *vectors,
                     double products[SAMPLE_VECTORS][SAMPLE_VECTORS]);
};

extern const size_t kernels_layer_count;
extern const size_t kernels_loss_count;

/* The kernels of a precision for the processor that runs this. */
const struct kernels *kernels_for(enum stability_precision precision);

/* Index into kernels.layers or kernels.losses by name, or -1. */
int kernels_find_layer(const char *type);
int kernels_find_loss(const char *type);

#endif
