/* Products of matrices and convolutions against sums that are written down, over sizes on both sides of what
 * vectors and blocks hold. In float64 with the instruction set that every build has; the golden cases go
 * through the fastest one. */
#include "support.h"

#define REAL_BITS 64
#define KERNEL_VARIANT float64_baseline
#include "core/layers/convolution.h"
#include "core/layers/convolution_tiles.h"
#include "core/real/product.h"

#include <math.h>
#include <stdlib.h>

static double *drawn(int64_t count, uint64_t stream)
{
    double *values = malloc((size_t)count * sizeof(*values) + 1);
    assert_non_null(values);
    for (int64_t i = 0; i < count; i++)
        values[i] =
            (double)((int64_t)(((uint64_t)i * 2654435761u + stream * 40503u) >> 7 & 1023) - 512) / 512;
    return values;
}

static void assert_near(const double *actual, const double *expected, int64_t count, const char *what)
{
    for (int64_t i = 0; i < count; i++)
        if (!(fabs(actual[i] - expected[i]) <= 1e-11))
            fail_msg("%s: element %lld is %.17g, expected %.17g", what, (long long)i, actual[i], expected[i]);
}

/* ---- matrices ---- */

static void check_product(int64_t m, int64_t n, int64_t k, bool transposed_a, bool transposed_b, double alpha,
                          double beta)
{
    int64_t lda = (transposed_a ? m : k) + 3, ldb = (transposed_b ? k : n) + 1, ldc = n + 2;
    double *a = drawn((transposed_a ? k : m) * lda, 1), *b = drawn((transposed_b ? n : k) * ldb, 2);
    double *c = drawn(m * ldc, 3), *expected = drawn(m * ldc, 3);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t s = 0; s < k; s++)
                sum +=
                    a[transposed_a ? s * lda + i : i * lda + s] * b[transposed_b ? j * ldb + s : s * ldb + j];
            expected[i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * expected[i * ldc + j]);
            c[i * ldc + j] = beta == 0 ? NAN : c[i * ldc + j];
        }
    struct matrix_product p = {m, n, k, transposed_a, transposed_b, alpha, beta, a, b, lda, ldb, ldc, c};
    matrix_product_float64_baseline(&p);
    assert_near(c, expected, m * ldc, "a product");
    free(a);
    free(b);
    free(c);
    free(expected);
}

static void products_of_all_sizes(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1, 2, 3, 5, 8, 17, 70, 257};
    enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
    for (int i = 0; i < COUNT * COUNT * COUNT; i++)
        check_product(sizes[i % COUNT], sizes[i / COUNT % COUNT], sizes[i / COUNT / COUNT], i & 1, i & 2,
                      i % 3 ? 1 : -0.5, i % 5 ? 0 : 2);
}

static void infinities_and_nan_pass_through(void **state)
{
    (void)state;
    double a[2][3] = {{1, INFINITY, 0}, {0, 1, NAN}}, b[3][2] = {{1, 2}, {0, 3}, {4, 5}}, c[2][2];
    struct matrix_product p = {2, 2, 3, false, false, 1, 0, a[0], b[0], 3, 2, 2, c[0]};
    matrix_product_float64_baseline(&p);
    assert_true(isnan(c[0][0])); /* infinity times 0 */
    assert_true(isinf(c[0][1]));
    assert_true(isnan(c[1][0]) && isnan(c[1][1]));
}

/* ---- convolutions ---- */

static int64_t product(const int64_t sizes[3])
{
    return sizes[0] * sizes[1] * sizes[2];
}

/* Index into `size`, row by row, of what position `p` sees through tap `t`; -1 in the padding. */
static int64_t seen(const struct convolution *c, int64_t p, int64_t t)
{
    int64_t index = 0, scale = 1;
    for (int d = 2; d >= 0; d--) {
        int64_t at = p % c->small[d] * c->stride[d] - c->before[d] + t % c->kernel[d] * c->dilation[d];
        at = convolution_source(c->mode, at, c->big[d]);
        if (at < 0)
            return -1;
        index += at * scale;
        scale *= c->big[d];
        p /= c->small[d];
        t /= c->kernel[d];
    }
    return index;
}

struct tensors {
    double *big, *small, *weight;
};

/* Calls for each term: the flat indices of its elements. */
static void add_terms(const struct convolution *c, const struct tensors *from, const struct tensors *to)
{
    int64_t positions = product(c->small), elements = product(c->big), taps = product(c->kernel);
    for (int64_t n = 0; n < c->batch * c->groups; n++)
        for (int64_t f = 0; f < c->filters; f++)
            for (int64_t channel = 0; channel < c->channels; channel++)
                for (int64_t p = 0; p < positions; p++)
                    for (int64_t t = 0; t < taps; t++) {
                        int64_t at = seen(c, p, t);
                        if (at < 0)
                            continue;
                        int64_t b = (n * c->channels + channel) * elements + at,
                                s = (n * c->filters + f) * positions + p;
                        int64_t w = ((n % c->groups * c->filters + f) * c->channels + channel) * taps + t;
                        to->small[s] += from->weight[w] * from->big[b];
                        to->big[b] += from->weight[w] * from->small[s];
                        to->weight[w] += from->small[s] * from->big[b];
                    }
}

static void check_convolution(struct convolution *c)
{
    for (int d = 0; d < 3; d++)
        c->small[d] =
            (c->big[d] + 2 * c->before[d] - c->dilation[d] * (c->kernel[d] - 1) - 1) / c->stride[d] + 1;
    int64_t big = c->batch * c->groups * c->channels * product(c->big);
    int64_t small = c->batch * c->groups * c->filters * product(c->small);
    int64_t weight = c->groups * c->filters * c->channels * product(c->kernel);
    struct tensors from = {drawn(big, 4), drawn(small, 5), drawn(weight, 6)};
    struct tensors expected = {calloc((size_t)big, 8), calloc((size_t)small, 8), calloc((size_t)weight, 8)};
    struct tensors actual = {drawn(big, 7), drawn(small, 7), drawn(weight, 7)};
    assert_true(expected.big && expected.small && expected.weight);
    add_terms(c, &from, &expected);
    assert_true(tiles_can_apply_float64_baseline(c));
    double *workspace = malloc((size_t)tiles_workspace_float64_baseline(c) * sizeof(double));
    assert_non_null(workspace);
    tiles_apply_float64_baseline(c, from.weight, NULL, from.big, actual.small, workspace);
    assert_near(actual.small, expected.small, small, "a convolution");
    tiles_weight_float64_baseline(c, from.big, from.small, actual.weight, workspace);
    assert_near(actual.weight, expected.weight, weight, "a weight's gradient");
    if (tiles_can_apply_back_float64_baseline(c)) {
        tiles_apply_back_float64_baseline(c, from.weight, NULL, from.small, actual.big, workspace);
        assert_near(actual.big, expected.big, big, "an input's gradient");
    }
    free(workspace);
    const struct tensors *all[] = {&from, &expected, &actual};
    for (int i = 0; i < 3; i++) {
        free(all[i]->big);
        free(all[i]->small);
        free(all[i]->weight);
    }
}

static void convolutions_of_many_geometries(void **state)
{
    (void)state;
    for (int64_t i = 0; i < 96; i++) {
        struct convolution c = {
            .batch = 1 + i % 3,
            .groups = 1 + i % 2,
            .channels = 8 + i % 5,
            .filters = 8 + i % 7,
            .big = {1 + i % 4 / 3, 3 + i % 6, 4 + i % 9},
            .kernel = {1 + i % 4 / 3, 1 + i % 3, 1 + i / 2 % 4},
            .stride = {1, 1 + i / 3 % 3, 1 + i / 5 % 3},
            .dilation = {1, 1 + i / 7 % 2, 1},
            .before = {0, i % 3, i / 4 % 3},
            .mode = (enum convolution_padding)(i % 8 > 4 ? i % 8 - 4 : 0),
        };
        check_convolution(&c);
    }
}

/* More samples than are copied at once. */
static void convolution_of_a_large_batch(void **state)
{
    (void)state;
    struct convolution c = {.batch = 9,
                            .groups = 1,
                            .channels = 8,
                            .filters = 8,
                            .big = {1, 200, 100},
                            .kernel = {1, 1, 2},
                            .stride = {1, 1, 1},
                            .dilation = {1, 1, 1}};
    check_convolution(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_all_sizes),
        cmocka_unit_test(infinities_and_nan_pass_through),
        cmocka_unit_test(convolutions_of_many_geometries),
        cmocka_unit_test(convolution_of_a_large_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
