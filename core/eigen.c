#include "core/eigen.h"

#include "core/random.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

/* ---- tridiagonal matrices ---- */

/* The first index from `first` on at which the matrix falls apart: what is beside the diagonal there is below
 * the rounding of the greatest elements. */
static int64_t end_of_block(int64_t count, const double *beside, int64_t first, double negligible)
{
    int64_t last = first;
    while (last < count - 1 && fabs(beside[last]) > negligible)
        last++;
    return last;
}

static double greatest_of(int64_t count, const double *diagonal, const double *beside)
{
    double greatest = 0;
    for (int64_t i = 0; i < count; i++)
        greatest = fmax(greatest, fmax(fabs(diagonal[i]), fabs(beside[i])));
    return greatest;
}

/* The eigenvalue of the leading 2x2 matrix at `first` that is nearer to its first element. */
static double shift_of(const double *diagonal, const double *beside, int64_t first)
{
    double half = (diagonal[first + 1] - diagonal[first]) / 2;
    double off = beside[first];
    double root = hypot(half, off);
    return diagonal[first] - off / (half + copysign(root, half)) * off;
}

static void rotate_row(double *row, int64_t i, double c, double s)
{
    double upper = row[i + 1], lower = row[i];
    row[i + 1] = s * lower + c * upper;
    row[i] = c * lower - s * upper;
}

/* One QL step with an implicit shift on the block [first, last]: a bulge is chased upwards from its end. */
static void chase(double *diagonal, double *beside, double *row, int64_t first, int64_t last)
{
    double leading = diagonal[last] - shift_of(diagonal, beside, first);
    double c = 1, s = 1, moved = 0;
    for (int64_t i = last - 1; i >= first; i--) {
        double bulge = s * beside[i], off = c * beside[i];
        double length = hypot(bulge, leading);
        beside[i + 1] = length;
        if (length == 0) { /* it falls apart here */
            diagonal[i + 1] -= moved;
            beside[last] = 0;
            return;
        }
        s = bulge / length;
        c = leading / length;
        double corner = diagonal[i + 1] - moved;
        double mixed = (diagonal[i] - corner) * s + 2 * c * off;
        moved = s * mixed;
        diagonal[i + 1] = corner + moved;
        leading = c * mixed - off;
        if (row)
            rotate_row(row, i, c, s);
    }
    diagonal[first] -= moved;
    beside[first] = leading;
    beside[last] = 0;
}

static void sort_with(int64_t count, double *values, double *row)
{
    for (int64_t i = 1; i < count; i++) {
        double value = values[i], component = row ? row[i] : 0;
        int64_t k = i;
        for (; k > 0 && values[k - 1] > value; k--) {
            values[k] = values[k - 1];
            if (row)
                row[k] = row[k - 1];
        }
        values[k] = value;
        if (row)
            row[k] = component;
    }
}

bool tridiagonal_eigenvalues(int64_t count, double *diagonal, double *beside, double *row)
{
    enum { STEPS = 80 };
    if (count > 0)
        beside[count - 1] = 0;
    double negligible = 2 * DBL_EPSILON * greatest_of(count, diagonal, beside);
    for (int64_t first = 0; first < count; first++) {
        int64_t last;
        for (int step = 0; (last = end_of_block(count, beside, first, negligible)) != first; step++) {
            if (step == STEPS)
                return false;
            chase(diagonal, beside, row, first, last);
        }
    }
    sort_with(count, diagonal, row);
    return true;
}

/* ---- Householder reflections ---- */

/* Makes x (count, `stride` apart) the vector v of the reflection 1 - tau v v^T, v[0] = 1, that takes it to a
 * multiple of the first unit vector; writes v and returns tau, and that multiple. */
static double reflect(int64_t count, const double *x, int64_t stride, double *v, double *multiple)
{
    double greatest = 0, squares = 0;
    for (int64_t i = 0; i < count; i++) {
        v[i] = x[i * stride];
        greatest = fmax(greatest, fabs(v[i]));
    }
    *multiple = v[0];
    if (greatest == 0)
        return 0;
    for (int64_t i = 0; i < count; i++)
        squares += v[i] / greatest * (v[i] / greatest);
    double first = v[0], length = -copysign(greatest * sqrt(squares), first);
    *multiple = length;
    for (int64_t i = 1; i < count; i++)
        v[i] /= first - length;
    v[0] = 1;
    return (length - first) / length;
}

/* matrix (rows, columns) += factor x y^T */
static void add_product(int64_t rows, int64_t columns, double factor, const double *x, const double *y,
                        double *matrix, int64_t leading)
{
    if (rows > 0 && columns > 0)
        cblas_dger(CblasRowMajor, (int)rows, (int)columns, factor, x, 1, y, 1, matrix, (int)leading);
}

/* y = matrix x, or its transpose's product */
static void multiply(CBLAS_TRANSPOSE form, int64_t rows, int64_t columns, double factor, const double *matrix,
                     int64_t leading, const double *x, double *y)
{
    if (rows > 0 && columns > 0)
        cblas_dgemv(CblasRowMajor, form, (int)rows, (int)columns, factor, matrix, (int)leading, x, 1, 0, y,
                    1);
}

bool symmetric_eigenvalues(int64_t count, double *matrix, double *values, double *work)
{
    double *beside = work, *v = work + count, *w = work + 2 * count;
    for (int64_t k = 0; k < count; k++) {
        int64_t rest = count - k - 1;
        double *below = matrix + (k + 1) * count + k;
        double *trailing = below + 1;
        values[k] = matrix[k * count + k];
        beside[k] = 0;
        if (rest == 0)
            break;
        double tau = reflect(rest, below, count, v, &beside[k]);
        multiply(CblasNoTrans, rest, rest, tau, trailing, count, v, w);
        double half = tau / 2 * cblas_ddot((int)rest, w, 1, v, 1);
        for (int64_t i = 0; i < rest; i++)
            w[i] -= half * v[i];
        add_product(rest, rest, -1, v, w, trailing, count);
        add_product(rest, rest, -1, w, v, trailing, count);
    }
    return tridiagonal_eigenvalues(count, values, beside, NULL);
}

/* ---- singular values ---- */

int64_t singular_workspace(int64_t rows, int64_t columns)
{
    int64_t least = rows < columns ? rows : columns;
    return (rows < columns ? rows * columns : 0) + rows + columns + 6 * least;
}

/* Of a matrix with no fewer rows than columns: diagonal and superdiagonal of its bidiagonal form. */
static void bidiagonalise(int64_t rows, int64_t columns, double *matrix, double *diagonal, double *beside,
                          double *v, double *w)
{
    for (int64_t k = 0; k < columns; k++) {
        double *corner = matrix + k * columns + k;
        int64_t height = rows - k, width = columns - k - 1;
        double tau = reflect(height, corner, columns, v, &diagonal[k]);
        multiply(CblasTrans, height, width, tau, corner + 1, columns, v, w);
        add_product(height, width, -1, v, w, corner + 1, columns);
        beside[k] = 0;
        if (width == 0)
            continue;
        tau = reflect(width, corner + 1, 1, w, &beside[k]);
        double *trailing = corner + columns + 1;
        multiply(CblasNoTrans, height - 1, width, tau, trailing, columns, w, v);
        add_product(height - 1, width, -1, v, w, trailing, columns);
    }
}

/* The symmetric tridiagonal matrix with zeros on its diagonal and the two diagonals of a bidiagonal one in
 * turn beside it has the singular values and their negatives (Golub, Kahan 1965). */
static bool of_bidiagonal(int64_t count, const double *diagonal, const double *above, double *values,
                          double *zeros, double *beside)
{
    for (int64_t k = 0; k < count; k++) {
        zeros[2 * k] = zeros[2 * k + 1] = 0;
        beside[2 * k] = diagonal[k];
        beside[2 * k + 1] = above[k];
    }
    if (!tridiagonal_eigenvalues(2 * count, zeros, beside, NULL))
        return false;
    for (int64_t k = 0; k < count; k++)
        values[k] = fmax(zeros[2 * count - 1 - k], 0);
    return true;
}

bool singular_values(int64_t rows, int64_t columns, double *matrix, double *values, double *work)
{
    int64_t least = rows < columns ? rows : columns, most = rows < columns ? columns : rows;
    double *tall = work, *v = work + (rows < columns ? rows * columns : 0), *w = v + most;
    double *diagonal = w + least, *above = diagonal + least, *zeros = above + least;
    for (int64_t i = 0; i < rows && rows < columns; i++)
        for (int64_t k = 0; k < columns; k++)
            tall[k * rows + i] = matrix[i * columns + k];
    bidiagonalise(most, least, rows < columns ? tall : matrix, diagonal, above, v, w);
    return of_bidiagonal(least, diagonal, above, values, zeros, zeros + 2 * least);
}

/* ---- Lanczos ---- */

double lanczos_bytes(int64_t size, int64_t limit)
{
    return sizeof(double) * (((double)limit + 1) * (double)size + 6 * (double)limit + 1);
}

bool lanczos_open(struct lanczos *l, int64_t size, int64_t limit, uint64_t stream, struct arena *arena)
{
    *l = (struct lanczos){.size = size, .limit = limit};
    size_t room = (size_t)limit;
    l->basis = arena_array(arena, (room + 1) * (size_t)size, sizeof(double));
    l->diagonal = arena_array(arena, room, sizeof(double));
    l->beside = arena_array(arena, room, sizeof(double));
    l->products = arena_array(arena, room + 1, sizeof(double));
    l->values = arena_array(arena, room, sizeof(double));
    l->bounds = arena_array(arena, room, sizeof(double));
    l->rotations = arena_array(arena, room, sizeof(double));
    if (!l->basis || !l->diagonal || !l->beside || !l->products || !l->values || !l->bounds || !l->rotations)
        return false;
    random_normal(stream, 0, (size_t)size, l->basis);
    double length = sqrt(cblas_ddot((int)size, l->basis, 1, l->basis, 1));
    for (int64_t i = 0; i < size; i++)
        l->basis[i] /= length;
    return true;
}

const double *lanczos_vector(const struct lanczos *l)
{
    return l->basis + l->count * l->size;
}

/* Takes the part in the space of the first `count` vectors out of `product`, twice: once is not enough
 * (Giraud, Langou, Rozloznik 2005). */
static void orthogonalise(struct lanczos *l, int64_t count, double *product)
{
    for (int pass = 0; pass < 2; pass++) {
        multiply(CblasNoTrans, count, l->size, 1, l->basis, l->size, product, l->products);
        cblas_dgemv(CblasRowMajor, CblasTrans, (int)count, (int)l->size, -1, l->basis, (int)l->size,
                    l->products, 1, 1, product, 1);
    }
}

void lanczos_advance(struct lanczos *l, double *product)
{
    int64_t index = l->count++;
    double whole = sqrt(cblas_ddot((int)l->size, product, 1, product, 1));
    l->diagonal[index] = cblas_ddot((int)l->size, l->basis + index * l->size, 1, product, 1);
    orthogonalise(l, l->count, product);
    double length = sqrt(cblas_ddot((int)l->size, product, 1, product, 1));
    l->beside[index] = length;
    l->exhausted = l->count == l->size || !(length > 1e-13 * whole);
    double *next = l->basis + l->count * l->size;
    for (int64_t i = 0; i < l->size; i++)
        next[i] = l->exhausted ? 0 : product[i] / length;
}

bool lanczos_solve(struct lanczos *l)
{
    size_t bytes = (size_t)l->count * sizeof(double);
    double rest = l->exhausted ? 0 : l->beside[l->count - 1];
    memcpy(l->values, l->diagonal, bytes);
    memcpy(l->rotations, l->beside, bytes);
    memset(l->bounds, 0, bytes);
    l->bounds[l->count - 1] = 1;
    if (!tridiagonal_eigenvalues(l->count, l->values, l->rotations, l->bounds))
        return false;
    for (int64_t i = 0; i < l->count; i++)
        l->bounds[i] = rest * fabs(l->bounds[i]);
    return true;
}
