/* OpenBLAS in the precision of `real`: gemm and gemv only, which propagate NaN and infinities as IEEE
 * arithmetic does with beta 0 (scal and axpy do not). Dimensions fit an int: a plan refuses larger tensors.
 * Where the instruction set has vectors of 64 bytes, product.h stands in for gemm. */
#ifndef REAL_BLAS_H
#define REAL_BLAS_H

#include "core/real/product.h"

#include <cblas.h>

enum blas_form { PLAIN = CblasNoTrans, TRANSPOSED = CblasTrans };

/* y = alpha * A x + y with `a`, stored in `rows` of `columns`, plain or transposed as A. */
static inline void gemv_add(enum blas_form form, int64_t rows, int64_t columns, real alpha, const real *a,
                            int64_t lda, const real *x, int64_t x_stride, real *y, int64_t y_stride)
{
#if REAL_BITS == 32
    cblas_sgemv(CblasRowMajor, (CBLAS_TRANSPOSE)form, (int)rows, (int)columns, alpha, a, (int)lda, x,
                (int)x_stride, 1, y, (int)y_stride);
#else
    cblas_dgemv(CblasRowMajor, (CBLAS_TRANSPOSE)form, (int)rows, (int)columns, alpha, a, (int)lda, x,
                (int)x_stride, 1, y, (int)y_stride);
#endif
}

/* c (m, n) = beta * c, which may hold anything where beta is 0. */
static inline void matrix_scale(int64_t m, int64_t n, real beta, real *c, int64_t ldc)
{
    for (int64_t i = 0; beta != 1 && i < m; i++)
        for (int64_t j = 0; j < n; j++)
            c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
}

/* gemm_strided where m, n or k is 1: products with a vector, three to ten times as fast as gemm's. */
static inline void gemm_of_vectors(enum blas_form form_a, enum blas_form form_b, int64_t m, int64_t n,
                                   int64_t k, real alpha, const real *a, int64_t lda, const real *b,
                                   int64_t ldb, real *c, int64_t ldc)
{
    int64_t a_stride = form_a == PLAIN ? lda : 1; /* down a column of a */
    int64_t b_stride = form_b == PLAIN ? 1 : ldb; /* along a row of b */
    if (n == 1)
        gemv_add(form_a, form_a == PLAIN ? m : k, form_a == PLAIN ? k : m, alpha, a, lda, b,
                 form_b == PLAIN ? ldb : 1, c, ldc);
    else if (m == 1)
        gemv_add(form_b == PLAIN ? TRANSPOSED : PLAIN, form_b == PLAIN ? k : n, form_b == PLAIN ? n : k,
                 alpha, b, ldb, a, form_a == PLAIN ? 1 : lda, c, 1);
    else
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++)
                c[i * ldc + j] += alpha * a[i * a_stride] * b[j * b_stride];
}

/* c (m, n) = alpha * a (m, k) * b (k, n) + beta * c, row-major; `a` and `b` are given transposed where so
 * said. Leading dimensions are the lengths of stored rows. */
static inline void gemm_strided(enum blas_form form_a, enum blas_form form_b, int64_t m, int64_t n, int64_t k,
                                real alpha, const real *a, int64_t lda, const real *b, int64_t ldb, real beta,
                                real *c, int64_t ldc)
{
    if (m == 0 || n == 0)
        return;
    if (k == 0 || k == 1 || m == 1 || n == 1) { /* k == 0: BLAS refuses the leading dimensions */
        matrix_scale(m, n, beta, c, ldc);
        if (k > 0)
            gemm_of_vectors(form_a, form_b, m, n, k, alpha, a, lda, b, ldb, c, ldc);
        return;
    }
#ifdef __AVX512F__
    VARIANT(matrix_product)
    (&(struct matrix_product){m, n, k, form_a == TRANSPOSED, form_b == TRANSPOSED, alpha, beta, a, b, lda,
                              ldb, ldc, c});
#elif REAL_BITS == 32
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
