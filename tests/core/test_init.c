#include "drawn.h"

#include <math.h>
#include <string.h>

struct summary {
    double mean, variance, least, greatest;
};

static struct summary summary_of(const struct drawn *drawn)
{
    struct summary summary = {.least = INFINITY, .greatest = -INFINITY};
    for (int64_t i = 0; i < drawn->count; i++) {
        summary.mean += drawn->values[i] / (double)drawn->count;
        summary.least = fmin(summary.least, drawn->values[i]);
        summary.greatest = fmax(summary.greatest, drawn->values[i]);
    }
    for (int64_t i = 0; i < drawn->count; i++)
        summary.variance += pow(drawn->values[i] - summary.mean, 2) / (double)drawn->count;
    return summary;
}

/* Mean and variance within five standard errors; `kurtosis` is E x⁴ / variance². */
static void moments_are(const struct drawn *drawn, double mean, double std, double kurtosis)
{
    struct summary summary = summary_of(drawn);
    double root = sqrt((double)drawn->count);
    assert_within(summary.mean, mean, 5 * std / root);
    assert_within(summary.variance, std * std, 5 * std * std * sqrt(kurtosis - 1) / root);
}

static void uniform_is(const struct drawn *drawn, double low, double high)
{
    struct summary summary = summary_of(drawn);
    moments_are(drawn, (low + high) / 2, (high - low) / sqrt(12), 1.8);
    assert_true(summary.least >= low && summary.greatest <= high);
    /* The extremes of n uniform numbers: farther than 20 / n from the bounds with probability e^-20. */
    assert_within(summary.least, low, 20 * (high - low) / (double)drawn->count);
    assert_within(summary.greatest, high, 20 * (high - low) / (double)drawn->count);
}

static void uniform_and_normal(void **state)
{
    struct drawn *drawn = *state;
    draw(drawn, "uniform_", SHAPE2(300, 200));
    uniform_is(drawn, 0, 1);
    const struct stability_member bounds[] = {REAL("a", -3), INTEGER("b", 5)};
    draw_with(drawn, "uniform_", SHAPE2(300, 200), bounds, 2);
    uniform_is(drawn, -3, 5);
    const struct stability_member data[] = {REAL("low", -3), REAL("high", 5)};
    draw_with(drawn, "uniform", SHAPE2(300, 200), data, 2);
    uniform_is(drawn, -3, 5);
    draw(drawn, "normal_", SHAPE2(300, 200));
    moments_are(drawn, 0, 1, 3);
    const struct stability_member moments[] = {REAL("mean", 2), REAL("std", 0.5)};
    draw_with(drawn, "normal_", SHAPE2(300, 200), moments, 2);
    moments_are(drawn, 2, 0.5, 3);
    draw_with(drawn, "normal", SHAPE2(300, 200), moments, 2);
    moments_are(drawn, 2, 0.5, 3);
    const struct stability_member none[] = {REAL("mean", 2), REAL("std", 0)};
    draw_with(drawn, "normal_", SHAPE2(3, 2), none, 2);
    assert_true(summary_of(drawn).least == 2 && summary_of(drawn).greatest == 2);
}

/* Moments of the truncated normal by numerical integration (mpmath). */
static void truncated_normal(void **state)
{
    struct drawn *drawn = *state;
    draw(drawn, "trunc_normal_", SHAPE2(300, 200));
    moments_are(drawn, 0, 0.879625661034, 2.36553671713);
    const struct stability_member arguments[] = {REAL("mean", 1), REAL("std", 2), REAL("a", 2),
                                                 REAL("b", 10)};
    draw_with(drawn, "trunc_normal_", SHAPE2(300, 200), arguments, 4);
    moments_are(drawn, 3.28207706169, 1.03603690062, 4.40889616154);
    struct summary summary = summary_of(drawn);
    assert_true(summary.least >= 2 && summary.greatest <= 10);
    /* Far in the upper tail nearly all is at the lower bound, on which the density falls as e^(-30 x). */
    const struct stability_member tail[] = {REAL("a", 30), REAL("b", 31)};
    draw_with(drawn, "trunc_normal_", SHAPE2(300, 200), tail, 2);
    summary = summary_of(drawn);
    assert_true(summary.least >= 30 && summary.greatest <= 31);
    assert_within(summary.mean, 30 + 1 / 30.0, 1e-3);
    const struct stability_member beyond[] = {REAL("a", -51), REAL("b", -50)};
    draw_with(drawn, "trunc_normal_", SHAPE2(3, 2), beyond, 2);
    assert_true(summary_of(drawn).greatest <= -50);
}

static void constants(void **state)
{
    struct drawn *drawn = *state;
    const struct stability_member value[] = {REAL("val", 0.3)};
    draw_with(drawn, "constant_", SHAPE2(40, 30), value, 1);
    assert_true(summary_of(drawn).least == 0.3 && summary_of(drawn).greatest == 0.3);
    draw(drawn, "zeros_", SHAPE2(40, 30));
    assert_true(summary_of(drawn).least == 0 && summary_of(drawn).greatest == 0);
    draw(drawn, "ones_", (struct stability_shape){0});
    assert_true(drawn->count == 1 && drawn->values[0] == 1);
}

static void identities(void **state)
{
    struct drawn *drawn = *state;
    for (int64_t rows = 1; rows < 60; rows += 7) {
        draw(drawn, "eye_", SHAPE2(rows, 30));
        for (int64_t i = 0; i < drawn->count; i++)
            assert_true(drawn->values[i] == (i / 30 == i % 30));
    }
    /* (6, 2, 3, 4) in 3 groups: output channel 2 g + d has input channel d, at (1, 2). */
    const struct stability_member groups[] = {INTEGER("groups", 3)};
    draw_with(drawn, "dirac_", (struct stability_shape){4, {6, 2, 3, 4}}, groups, 1);
    double sum = 0;
    for (int64_t output = 0; output < 6; output++)
        assert_true(drawn->values[((output * 2 + output % 2) * 3 + 1) * 4 + 2] == 1);
    for (int64_t i = 0; i < drawn->count; i++)
        sum += drawn->values[i];
    assert_true(sum == 6);
    /* More outputs than inputs: the outputs that have no input of their own are zero. */
    draw(drawn, "dirac_", (struct stability_shape){3, {3, 2, 5}});
    for (int64_t i = 0; i < drawn->count; i++)
        assert_true(drawn->values[i] == (i == 2 || i == 17));
}

static void check_orthogonal(struct drawn *drawn, struct stability_shape shape, double gain)
{
    const struct stability_member arguments[] = {REAL("gain", gain)};
    draw_with(drawn, "orthogonal_", shape, arguments, 1);
    int64_t rows = shape.sizes[0], columns = drawn->count / rows;
    bool wide = rows < columns;
    int64_t vectors = wide ? rows : columns, length = wide ? columns : rows;
    int64_t step = wide ? 1 : columns, next = wide ? columns : 1;
    for (int64_t a = 0; a < vectors; a++)
        for (int64_t b = 0; b <= a; b++) {
            double product = 0;
            for (int64_t i = 0; i < length; i++)
                product += drawn->values[a * next + i * step] * drawn->values[b * next + i * step];
            assert_within(product, a == b ? gain * gain : 0, 1e-14 * gain * gain * (double)length);
        }
}

static void orthogonal(void **state)
{
    struct drawn *drawn = *state;
    check_orthogonal(drawn, SHAPE2(50, 50), 1);
    check_orthogonal(drawn, SHAPE2(20, 67), 1);
    check_orthogonal(drawn, SHAPE2(67, 20), 2);
    check_orthogonal(drawn, SHAPE2(1, 5), 1);
    check_orthogonal(drawn, SHAPE2(5, 1), 1);
    check_orthogonal(drawn, SHAPE2(1, 1), 3);
    check_orthogonal(drawn, (struct stability_shape){4, {16, 4, 3, 3}}, 1);
}

/* Then an element of an n by n matrix has mean 0 and variance 1 / n, and the trace has mean 0 and variance 1.
 */
static void orthogonal_is_uniform(void **state)
{
    struct drawn *drawn = *state;
    enum { DRAWS = 1000, N = 6 };
    double elements[N * N] = {0}, squares[N * N] = {0}, trace = 0, trace_square = 0;
    for (int seed = 0; seed < DRAWS; seed++) {
        const struct stability_member arguments[] = {INTEGER("seed", seed)};
        draw_with(drawn, "orthogonal_", SHAPE2(N, N), arguments, 1);
        double sum = 0;
        for (int i = 0; i < N * N; i++) {
            elements[i] += drawn->values[i] / DRAWS;
            squares[i] += drawn->values[i] * drawn->values[i] / DRAWS;
            sum += i / N == i % N ? drawn->values[i] : 0;
        }
        trace += sum / DRAWS;
        trace_square += sum * sum / DRAWS;
    }
    const double root = sqrt(DRAWS);
    for (int i = 0; i < N * N; i++) {
        assert_within(elements[i], 0, 5 * sqrt(1.0 / N) / root);
        /* the variance of a squared element is 3 / (n (n + 2)) - 1 / n² */
        assert_within(squares[i], 1.0 / N, 5 * sqrt(3.0 / (N * (N + 2)) - 1.0 / (N * N)) / root);
    }
    assert_within(trace, 0, 5 / root);
    assert_within(trace_square, 1, 5 * sqrt(2) / root);
}

static void sparse(void **state)
{
    struct drawn *drawn = *state;
    const struct stability_member arguments[] = {REAL("sparsity", 0.25), REAL("std", 0.1)};
    draw_with(drawn, "sparse_", SHAPE2(402, 150), arguments, 2);
    int64_t zeros_in_rows[402] = {0};
    double square = 0;
    for (int64_t column = 0; column < 150; column++) {
        int64_t zeros = 0;
        for (int64_t row = 0; row < 402; row++) {
            double value = drawn->values[row * 150 + column];
            zeros += value == 0;
            zeros_in_rows[row] += value == 0;
            square += value * value;
        }
        assert_int_equal(zeros, 101); /* ceil(0.25 * 402) */
    }
    double others = (402 - 101) * 150;
    assert_within(square / others, 0.01, 5 * 0.01 * sqrt(2 / others));
    for (int64_t row = 0; row < 402; row++)
        assert_within((double)zeros_in_rows[row], 150 * 101.0 / 402, 5 * sqrt(150 * 0.25 * 0.75));
    const struct stability_member all[] = {REAL("sparsity", 1)};
    draw_with(drawn, "sparse_", SHAPE2(10, 10), all, 1);
    assert_true(summary_of(drawn).least == 0 && summary_of(drawn).greatest == 0);
}

/* (240, 30, 2, 5): fan_in 300, fan_out 2400. */
static void fans(void **state)
{
    struct drawn *drawn = *state;
    const struct stability_shape shape = {4, {240, 30, 2, 5}};
    const struct stability_member gain[] = {REAL("gain", 3)};
    double bound = sqrt(6.0 / 2700);
    draw(drawn, "xavier_uniform_", shape);
    uniform_is(drawn, -bound, bound);
    draw_with(drawn, "xavier_uniform_", shape, gain, 1);
    uniform_is(drawn, -3 * bound, 3 * bound);
    draw_with(drawn, "xavier_normal_", shape, gain, 1);
    moments_are(drawn, 0, 3 * sqrt(2.0 / 2700), 3);
    draw(drawn, "kaiming_uniform_", shape); /* leaky_relu with a = 0: gain sqrt(2) */
    uniform_is(drawn, -sqrt(6.0 / 300), sqrt(6.0 / 300));
    const struct stability_member out[] = {WORD("mode", "fan_out"), WORD("nonlinearity", "tanh")};
    draw_with(drawn, "kaiming_normal_", shape, out, 2);
    moments_are(drawn, 0, 5.0 / 3 / sqrt(2400), 3);
}

/* torch.nn.init.calculate_gain */
static void gains(void **state)
{
    struct drawn *drawn = *state;
    static const struct {
        const char *nonlinearity;
        double a, gain;
    } known[] = {
        {"linear", 0.5, 1},
        {"conv1d", 0, 1},
        {"conv2d", 0, 1},
        {"conv3d", 0, 1},
        {"conv_transpose1d", 0, 1},
        {"conv_transpose2d", 0, 1},
        {"conv_transpose3d", 0, 1},
        {"sigmoid", 0, 1},
        {"tanh", 0, 5.0 / 3},
        {"relu", 0.5, 1.4142135623730951},
        {"leaky_relu", 0, 1.4142135623730951},
        {"leaky_relu", 0.2, 1.3867504905630728},
        {"leaky_relu", 2.23606797749979, 0.5773502691896257},
        {"selu", 0, 0.75},
    };
    draw(drawn, "normal_", SHAPE2(4, 9));
    double standard[36];
    memcpy(standard, drawn->values, sizeof standard);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const struct stability_member arguments[] = {WORD("nonlinearity", known[i].nonlinearity),
                                                     REAL("a", known[i].a)};
        draw_with(drawn, "kaiming_normal_", SHAPE2(4, 9), arguments, 2);
        for (int k = 0; k < 36; k++)
            assert_close(drawn->values[k], standard[k] * known[i].gain / 3, 1e-15);
    }
}

/* Frozen: a change here changes the weights that a seed gives. */
static void a_seed_gives_these_weights(void **state)
{
    struct drawn *drawn = *state;
    static const struct {
        const char *scheme;
        double first, second, last;
    } known[] = {
        {"uniform_", 0x1.067c1e2180e9p-2, 0x1.fe7bd35fddee2p-1, 0x1.886676e492274p-1},
        {"normal_", -0x1.4f33de35b77c4p-1, 0x1.6041dda5a2b58p+1, 0x1.7441c85ae254p-1},
        {"trunc_normal_", -0x1.3dc3ecd4c8798p-1, 0x1.f33f74d207821p+0, 0x1.604658a3494b5p-1},
        {"orthogonal_", -0x1.cc8c89f98751p-4, -0x1.1824ebe369d58p-8, 0x1.ffe603c5c3a08p-4},
        {"sparse_", -0x1.ad0f30e898f1p-8, 0x1.c2e3ab11741b8p-6, 0x1.dc7d296a1775cp-8},
        {"xavier_uniform_", -0x1.59bd04d15720dp-3, 0x1.609f79ab107efp-2, 0x1.7a00e3203f7abp-3},
        {"xavier_normal_", -0x1.0c297e915f96ap-3, 0x1.19ce4aeae8913p-1, 0x1.29ce39e24ea9ap-3},
        {"kaiming_uniform_", -0x1.115485f2a84b5p-2, 0x1.16c5de0db0fap-1, 0x1.2ad685c643bfbp-2},
        {"kaiming_normal_", -0x1.a800619af21bbp-3, 0x1.bd92faee14f25p-1, 0x1.d6df383a380adp-3},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const struct stability_member sparsity[] = {REAL("sparsity", 0.5)};
        draw_with(drawn, known[i].scheme, SHAPE2(30, 20), sparsity, !strcmp(known[i].scheme, "sparse_"));
        assert_true(drawn->values[0] == known[i].first);
        assert_true(drawn->values[1] == known[i].second);
        assert_true(drawn->values[599] == known[i].last);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uniform_and_normal),
        cmocka_unit_test(truncated_normal),
        cmocka_unit_test(constants),
        cmocka_unit_test(identities),
        cmocka_unit_test(orthogonal),
        cmocka_unit_test(orthogonal_is_uniform),
        cmocka_unit_test(sparse),
        cmocka_unit_test(fans),
        cmocka_unit_test(gains),
        cmocka_unit_test(a_seed_gives_these_weights),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
