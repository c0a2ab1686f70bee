/* y = x Φ(x) with the normal distribution's Φ(x) = (1 + erf(x/√2)) / 2: Hendrycks, Gimpel 2016, Gaussian
 * error linear units, section 2. Results may take the place of what they are computed from. */
#ifndef LAYERS_GELU_H
#define LAYERS_GELU_H

#include "core/real/functions.h"

static inline real normal_distribution(real x)
{
    const real sqrt_half = (real)0.70710678118654752440; /* √(1/2) */
    return (real)0.5 * (1 + real_erf(x * sqrt_half));
}

static inline void gelu_forward(const real *x, real *y, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        y[i] = x[i] * normal_distribution(x[i]);
}

static inline void gelu_backward(const real *x, const real *dy, real *dx, int64_t count)
{
    const real normal_density_at_0 = (real)0.39894228040143267794; /* 1/√(2π) */
    for (int64_t i = 0; i < count; i++)
        dx[i] = dy[i] *
                (normal_distribution(x[i]) + x[i] * normal_density_at_0 * real_exp((real)-0.5 * x[i] * x[i]));
}

#endif
