/* Softmax of one contiguous row, shifted by the greatest element so that no exponential overflows. Results
 * may take the place of x and of dy. */
#ifndef LAYERS_SOFTMAX_ROW_H
#define LAYERS_SOFTMAX_ROW_H

#include "core/real/functions.h"
#include "core/real/sums.h"

/* y = exp(x - *greatest); gives the sum. */
static inline double row_exponentials(const real *x, real *y, int64_t count, real *greatest)
{
    real shift = greatest_of(x, count);
    for (int64_t i = 0; i < count; i++)
        y[i] = real_exp(x[i] - shift);
    *greatest = shift;
    return sum_of(y, count);
}

static inline void softmax_row(const real *x, real *y, int64_t count)
{
    real greatest;
    real scale = (real)(1 / row_exponentials(x, y, count, &greatest));
    for (int64_t i = 0; i < count; i++)
        y[i] *= scale;
}

static inline void softmax_row_gradient(const real *y, const real *dy, real *dx, int64_t count)
{
    real product = (real)sum_of_products(y, dy, count);
    for (int64_t i = 0; i < count; i++)
        dx[i] = y[i] * (dy[i] - product);
}

#endif
