/* y = x Wᵀ + b over rows, and its gradients: what Linear, recurrent layers and attention are made of. x is
 * (rows, inputs), W (outputs, inputs), b (outputs), y (rows, outputs); x and y may have gaps between their
 * rows: ldx and ldy are the distances from row to row. */
#ifndef LAYERS_AFFINE_H
#define LAYERS_AFFINE_H

#include "core/real/blas.h"

struct affine {
    int64_t rows;
    int64_t inputs;
    int64_t outputs;
    int64_t ldx; /* of x and dx */
    int64_t ldy; /* of y and dy */
};

static inline struct affine affine_dense(int64_t rows, int64_t inputs, int64_t outputs)
{
    return (struct affine){rows, inputs, outputs, inputs, outputs};
}

/* `bias` may be NULL. */
static inline void affine_forward(const struct affine *a, const real *x, const real *weight, const real *bias,
                                  real *y)
{
    for (int64_t r = 0; bias && r < a->rows; r++)
        for (int64_t o = 0; o < a->outputs; o++)
            y[r * a->ldy + o] = bias[o];
    gemm_strided(PLAIN, TRANSPOSED, a->rows, a->outputs, a->inputs, 1, x, a->ldx, weight, a->inputs,
                 bias ? 1 : 0, y, a->ldy);
}

/* dx = dy W + beta dx */
static inline void affine_input_gradient(const struct affine *a, const real *dy, const real *weight,
                                         real beta, real *dx)
{
    gemm_strided(PLAIN, PLAIN, a->rows, a->inputs, a->outputs, 1, dy, a->ldy, weight, a->inputs, beta, dx,
                 a->ldx);
}

/* dW = dyᵀ x + beta dW */
static inline void affine_weight_gradient(const struct affine *a, const real *x, const real *dy, real beta,
                                          real *weight_gradient)
{
    gemm_strided(TRANSPOSED, PLAIN, a->outputs, a->inputs, a->rows, 1, dy, a->ldy, x, a->ldx, beta,
                 weight_gradient, a->inputs);
}

/* db = Σ dy over the rows, accumulated in float64. */
static inline void affine_bias_gradient(const struct affine *a, const real *dy, real *bias_gradient)
{
    enum { COLUMNS = 256 };
    double sums[COLUMNS];
    for (int64_t first = 0; first < a->outputs; first += COLUMNS) {
        int64_t count = a->outputs - first < COLUMNS ? a->outputs - first : COLUMNS;
        for (int64_t o = 0; o < count; o++)
            sums[o] = 0;
        for (int64_t r = 0; r < a->rows; r++)
            for (int64_t o = 0; o < count; o++)
                sums[o] += (double)dy[r * a->ldy + first + o];
        for (int64_t o = 0; o < count; o++)
            bias_gradient[first + o] = (real)sums[o];
    }
}

/* Those of all gradients that are wanted: not NULL. */
static inline void affine_backward(const struct affine *a, const real *x, const real *weight, const real *dy,
                                   real *dx, real *weight_gradient, real *bias_gradient)
{
    if (dx)
        affine_input_gradient(a, dy, weight, 0, dx);
    if (weight_gradient)
        affine_weight_gradient(a, x, dy, 0, weight_gradient);
    if (bias_gradient)
        affine_bias_gradient(a, dy, bias_gradient);
}

#endif
