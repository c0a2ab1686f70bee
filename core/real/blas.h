/* OpenBLAS in the precision of `real`: gemm and gemv only, which propagate NaN and infinities as IEEE
 * arithmetic does with beta 0 (scal and axpy do not). Dimensions fit an int: a plan refuses larger tensors.
 */
#ifndef REAL_BLAS_H
#define REAL_BLAS_H

#include "core/real/real.h"

#include <cblas.h>

enum blas_form { PLAIN = CblasNoTrans, TRANSPOSED = CblasTrans };

/* c (m, n) = alpha * a (m, k) * b (k, n) + beta * c, row-major; `a` and `b` are given transposed where so
 * said. Leading dimensions are the lengths of stored rows. */
static inline void gemm_strided(enum blas_form form_a, enum blas_form form_b, int64_t m, int64_t n, int64_t k,
                                real alpha, const real *a, int64_t lda, const real *b, int64_t ldb, real beta,
                                real *c, int64_t ldc)
{
    if (m == 0 || n == 0)
        return;
    if (k == 0) { /* an empty sum; BLAS refuses the leading dimensions of such matrices */
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++)
                c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
        return;
    }
#if REAL_BITS == 32
    cblas_sgemm(CblasRowMajor, (CBLAS_TRANSPOSE)form_a, (CBLAS_TRANSPOSE)form_b, (int)m, (int)n, (int)k,
                alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
#else
    cblas_dgemm(CblasRowMajor, (CBLAS_TRANSPOSE)form_a, (CBLAS_TRANSPOSE)form_b, (int)m, (int)n, (int)k,
                alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
#endif
}

/* The same for matrices without gaps between their rows. */
static inline void gemm(enum blas_form form_a, enum blas_form form_b, int64_t m, int64_t n, int64_t k,
                        const real *a, const real *b, real beta, real *c)
{
    gemm_strided(form_a, form_b, m, n, k, 1, a, form_a == PLAIN ? k : m, b, form_b == PLAIN ? n : k, beta, c,
                 n);
}

#endif
