/* A product of matrices of our own. Where the vectors are wide it is as fast as a BLAS library, also as one
 * that was told to do with less than the processor has. */
#ifndef REAL_PRODUCT_H
#define REAL_PRODUCT_H

#include "core/real/real.h"

/* c (m, n) = alpha * a (m, k) * b (k, n) + beta * c, row-major; c may hold anything where beta is 0. A
 * transposed operand is stored as (k, m) or (n, k). Leading dimensions are the lengths of stored rows. */
struct matrix_product {
    int64_t m, n, k;
    bool transposed_a, transposed_b;
    real alpha, beta;
    const real *a, *b;
    int64_t lda, ldb, ldc;
    real *c;
};

/* m, n and k are at least 1. Needs 200 kB of stack. */
void VARIANT(matrix_product)(const struct matrix_product *p);

#endif
