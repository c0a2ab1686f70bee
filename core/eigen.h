/* Singular values and eigenvalues of small dense matrices, and Lanczos' method for large operators that are
 * known by their products with vectors alone. All input is finite.
 *
 * Golub, Van Loan 2013, Matrix computations, chapters 8 and 10. */
#ifndef CORE_EIGEN_H
#define CORE_EIGEN_H

#include "core/arena.h"

#include <stdbool.h>
#include <stdint.h>

/* Eigenvalues of the symmetric tridiagonal matrix with `diagonal` (count) and `beside` (count; the last one
 * is not read), ascending, in the place of `diagonal`; `beside` is destroyed. `row` (count), NULL: not
 * wanted, is multiplied by the matrix of eigenvectors: (0 ... 0 1) becomes their last components. False
 * where the iteration does not converge, which does not happen with finite numbers. */
bool tridiagonal_eigenvalues(int64_t count, double *diagonal, double *beside, double *row);

/* Eigenvalues of a symmetric matrix (count, count), which is destroyed, ascending; `work` has room for 3 *
 * count. Error: a few times 2^-53 of the greatest magnitude. */
bool symmetric_eigenvalues(int64_t count, double *matrix, double *values, double *work);

/* Reals of workspace for singular_values. */
int64_t singular_workspace(int64_t rows, int64_t columns);
/* The min(rows, columns) singular values of a row-major matrix, which is destroyed, descending: by
 * Householder bidiagonalisation. Error: a few times 2^-53 of the greatest one. */
bool singular_values(int64_t rows, int64_t columns, double *matrix, double *values, double *work);

/* A symmetric operator A of order `size`, seen through the Krylov space of a start vector, with full
 * reorthogonalisation. The caller multiplies: he takes lanczos_vector, and hands A times it to
 * lanczos_advance. Of an eigenvalue that A has several times one copy is found. */
struct lanczos {
    int64_t size;
    int64_t limit;     /* products that there is room for */
    int64_t count;     /* products so far */
    bool exhausted;    /* the space is invariant: all that the start vector reaches has been found */
    double *basis;     /* (limit + 1, size) */
    double *diagonal;  /* (limit) */
    double *beside;    /* (limit) */
    double *products;  /* (limit + 1) */
    double *values;    /* (limit): Ritz values, ascending, by lanczos_solve */
    double *bounds;    /* (limit): each lies no farther than this from an eigenvalue */
    double *rotations; /* (limit) */
};

/* Bytes that lanczos_open takes. */
double lanczos_bytes(int64_t size, int64_t limit);
/* False where there is no memory. The start vector is drawn, standard normal, from `stream`. */
bool lanczos_open(struct lanczos *lanczos, int64_t size, int64_t limit, uint64_t stream, struct arena *arena);
/* The unit vector (size) that is to be multiplied next. */
const double *lanczos_vector(const struct lanczos *lanczos);
/* `product` (size) is A times that vector; it is destroyed. */
void lanczos_advance(struct lanczos *lanczos, double *product);
/* Fills in values and bounds, `count` of each. */
bool lanczos_solve(struct lanczos *lanczos);

#endif
