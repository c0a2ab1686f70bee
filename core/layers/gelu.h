/* y = x Φ(x) with the normal distribution's Φ(x) = (1 + erf(x/√2)) / 2: Hendrycks, Gimpel 2016, Gaussian
 * error linear units, section 2. Results may take the place of what they are computed from. */
#ifndef LAYERS_GELU_H
#define LAYERS_GELU_H

#include "core/real/functions.h"

static inline void gelu_forward(const real *x, real *y, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        y[i] = x[i] * real_normal(x[i]).distribution;
}

/* y' = Φ(x) + x φ(x) */
static inline void gelu_backward(const real *x, const real *dy, real *dx, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        struct real_normal normal = real_normal(x[i]);
        dx[i] = dy[i] * (normal.distribution + x[i] * normal.density);
    }
}

#endif
