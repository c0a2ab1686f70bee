/* Eigenvalues and singular values that are known by construction. */
#include "support.h"

#include "core/eigen.h"

#include <math.h>
#include <string.h>

enum { MOST = 60 };

/* 2 on the diagonal, -1 beside it: 2 - 2 cos(k pi / (n + 1)). */
static void a_second_difference_has_cosines(void **state)
{
    (void)state;
    for (int n = 0; n <= 12; n++) {
        double diagonal[12], beside[12];
        for (int i = 0; i < n; i++) {
            diagonal[i] = 2;
            beside[i] = -1;
        }
        assert_true(tridiagonal_eigenvalues(n, diagonal, beside, NULL));
        for (int k = 0; k < n; k++)
            assert_within(diagonal[k], 2 - 2 * cos((k + 1) * M_PI / (n + 1)), 1e-14);
    }
}

/* The last components of eigenvectors: their squares sum to 1, and weighted by eigenvalues to the last
 * element. */
static void a_row_is_turned_into_components(void **state)
{
    (void)state;
    double diagonal[] = {1, -3, 2, 7, 5}, beside[] = {0.5, 2, 0, 1, 99}, row[] = {0, 0, 0, 0, 1};
    assert_true(tridiagonal_eigenvalues(5, diagonal, beside, row));
    double squares = 0, mean = 0;
    for (int i = 0; i < 5; i++) {
        squares += row[i] * row[i];
        mean += diagonal[i] * row[i] * row[i];
        assert_true(i == 0 || diagonal[i] >= diagonal[i - 1]);
    }
    assert_close(squares, 1, 1e-14);
    assert_close(mean, 5, 1e-14);
}

/* matrix (rows, columns) = (1 - 2 u u^T) matrix with a unit vector u. */
static void reflect_rows(int rows, int columns, double *matrix)
{
    double u[MOST], length = 0;
    for (int i = 0; i < rows; i++) {
        u[i] = sin(1.3 * (i + 1));
        length += u[i] * u[i];
    }
    for (int k = 0; k < columns; k++) {
        double product = 0;
        for (int i = 0; i < rows; i++)
            product += u[i] * matrix[i * columns + k];
        for (int i = 0; i < rows; i++)
            matrix[i * columns + k] -= 2 * u[i] * product / length;
    }
}

static void transpose(int rows, int columns, const double *matrix, double *turned)
{
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < columns; k++)
            turned[k * rows + i] = matrix[i * columns + k];
}

/* A dense matrix with these singular values. */
static void make(int rows, int columns, const double *values, double *matrix)
{
    double turned[MOST * MOST];
    int least = rows < columns ? rows : columns;
    memset(matrix, 0, (size_t)(rows * columns) * sizeof(*matrix));
    for (int i = 0; i < least; i++)
        matrix[i * columns + i] = values[i];
    reflect_rows(rows, columns, matrix);
    transpose(rows, columns, matrix, turned);
    reflect_rows(columns, rows, turned);
    transpose(columns, rows, turned, matrix);
}

static void expect_singular_values(int rows, int columns, const double *values)
{
    double matrix[MOST * MOST], found[MOST];
    static double work[8 * MOST * MOST];
    int least = rows < columns ? rows : columns;
    assert_true(singular_workspace(rows, columns) <= (int64_t)(sizeof(work) / sizeof(*work)));
    make(rows, columns, values, matrix);
    assert_true(singular_values(rows, columns, matrix, found, work));
    for (int i = 0; i < least; i++)
        assert_within(found[i], values[i], 1e-14 * values[0]);
}

static void singular_values_are_found_in_every_shape(void **state)
{
    (void)state;
    double values[MOST];
    for (int i = 0; i < MOST; i++)
        values[i] = pow(0.7, i);
    static const int shapes[][2] = {{1, 1}, {1, 7}, {7, 1}, {5, 5}, {9, 4}, {4, 9}, {60, 60}, {60, 31}};
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        expect_singular_values(shapes[i][0], shapes[i][1], values);
}

static void a_matrix_may_lack_rank(void **state)
{
    (void)state;
    double zeros[MOST] = {0}, few[MOST] = {3, 3, 1}, same[MOST];
    for (int i = 0; i < MOST; i++)
        same[i] = 2;
    expect_singular_values(6, 8, zeros);
    expect_singular_values(40, 30, few);
    expect_singular_values(20, 20, same);
    double huge[MOST] = {1e300, 1e299, 1e290};
    expect_singular_values(3, 5, huge);
}

static void a_symmetric_matrix_keeps_its_signs(void **state)
{
    (void)state;
    double values[] = {-7, -7, -1e-3, 0, 0, 2, 5, 5, 5, 1000}, matrix[100], found[10], work[30];
    make(10, 10, values, matrix); /* both sides are reflected by the same vector */
    assert_true(symmetric_eigenvalues(10, matrix, found, work));
    for (int i = 0; i < 10; i++)
        assert_within(found[i], values[i], 1e-12);
}

/* ---- Lanczos ---- */

static void multiply_by_diagonal(const double *diagonal, struct lanczos *l)
{
    double product[MOST];
    for (int64_t i = 0; i < l->size; i++)
        product[i] = diagonal[i] * lanczos_vector(l)[i];
    lanczos_advance(l, product);
}

static void lanczos_finds_all_in_the_end(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct lanczos l;
    double diagonal[40];
    for (int i = 0; i < 40; i++)
        diagonal[i] = i - 10.5;
    assert_true(lanczos_open(&l, 40, 40, 5, &arena));
    while (!l.exhausted)
        multiply_by_diagonal(diagonal, &l);
    assert_int_equal(l.count, 40);
    assert_true(lanczos_solve(&l));
    for (int i = 0; i < 40; i++) {
        assert_within(l.values[i], diagonal[i], 1e-12);
        assert_within(l.bounds[i], 0, 0);
    }
    arena_free(&arena);
}

/* Every Ritz value lies within its bound of an eigenvalue, the outer ones soon. */
static void bounds_hold_on_the_way(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct lanczos l;
    double diagonal[MOST];
    for (int i = 0; i < MOST; i++)
        diagonal[i] = exp(0.1 * i);
    assert_true(lanczos_open(&l, MOST, 25, 7, &arena));
    while (l.count < l.limit) {
        multiply_by_diagonal(diagonal, &l);
        assert_true(lanczos_solve(&l));
        for (int64_t k = 0; k < l.count; k++) {
            double nearest = INFINITY;
            for (int i = 0; i < MOST; i++)
                nearest = fmin(nearest, fabs(l.values[k] - diagonal[i]));
            assert_true(nearest <= l.bounds[k] + 1e-12 * diagonal[MOST - 1]);
        }
    }
    assert_close(l.values[24], diagonal[MOST - 1], 1e-10);
    arena_free(&arena);
}

/* Three different eigenvalues: three steps, one copy of each. */
static void an_invariant_space_ends_it(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct lanczos l;
    double diagonal[30];
    for (int i = 0; i < 30; i++)
        diagonal[i] = i % 3;
    assert_true(lanczos_open(&l, 30, 30, 1, &arena));
    while (!l.exhausted)
        multiply_by_diagonal(diagonal, &l);
    assert_int_equal(l.count, 3);
    assert_true(lanczos_solve(&l));
    for (int i = 0; i < 3; i++)
        assert_within(l.values[i], i, 1e-14);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_difference_has_cosines),
        cmocka_unit_test(a_row_is_turned_into_components),
        cmocka_unit_test(singular_values_are_found_in_every_shape),
        cmocka_unit_test(a_matrix_may_lack_rank),
        cmocka_unit_test(a_symmetric_matrix_keeps_its_signs),
        cmocka_unit_test(lanczos_finds_all_in_the_end),
        cmocka_unit_test(bounds_hold_on_the_way),
        cmocka_unit_test(an_invariant_space_ends_it),
    };
    return cmocka_run_group_tests_name("eigen", tests, NULL, NULL);
}
