/* Passes over tensors that belong to no layer; see core/kernels.h for what each does. */
#ifndef REAL_PASSES_H
#define REAL_PASSES_H

#include "core/layer.h"
#include "core/real/real.h"
#include "core/samples.h"
#include "core/statistics.h"

statistics_function VARIANT(statistics);
void VARIANT(add)(void *destination, const void *source, int64_t count);
int64_t VARIANT(activation_derivatives)(const struct layer_ops *ops, const struct layer_pass *pass,
                                        int64_t units, int64_t inner, double threshold, bool *unit_alive);
int64_t VARIANT(first_non_finite)(const void *data, int64_t count, double *value);
double VARIANT(square_sum)(const void *data, int64_t count);
double VARIANT(square_distance)(const void *left, const void *right, int64_t count);
void VARIANT(multiply)(void *data, double factor, int64_t count);
bool VARIANT(clamp)(void *data, double bound, int64_t count);
int64_t VARIANT(count_beyond)(const void *data, double least, int64_t count);
void VARIANT(add_spread)(const void *data, const struct sample_vectors *vectors, double *around_mean,
                         double *around_zero);
void VARIANT(add_squares)(const void *data, int64_t count, int64_t stride, double *sums);
void VARIANT(add_gram)(const void *data, const struct sample_vectors *vectors,
                       double products[SAMPLE_VECTORS][SAMPLE_VECTORS]);

#endif
