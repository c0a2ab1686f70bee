/* max(x, 0); NaN stays NaN. Results may take the place of what they are computed from. */
#ifndef LAYERS_RELU_H
#define LAYERS_RELU_H

#include "core/real/real.h"

static inline void relu_forward(const real *x, real *y, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        y[i] = x[i] <= 0 ? 0 : x[i];
}

/* From y, or from x: they have the same sign. */
static inline void relu_backward(const real *y, const real *dy, real *dx, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        dx[i] = y[i] <= 0 ? 0 : dy[i];
}

#endif
