#include "support.h"

#include "core/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Known answers that come with the reference implementation, Random123. */
static void philox_gives_the_published_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], output[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t output[4];
        random_philox(known[i].counter, known[i].key, output);
        assert_memory_equal(output, known[i].output, sizeof output);
    }
}

static void numbers_are_halves_of_blocks(void **state)
{
    (void)state;
    const uint64_t stream = UINT64_C(0x299f31d0a4093822);
    uint64_t bits[2];
    random_bits(stream, UINT64_C(0x85a308d3243f6a88) * 2, 2, bits);
    uint32_t output[4];
    random_philox((uint32_t[4]){(0x243f6a88), 0x85a308d3 & 0x7fffffff, 0, 0},
                  (uint32_t[2]){0xa4093822, 0x299f31d0}, output);
    assert_true(bits[0] == ((uint64_t)output[1] << 32 | output[0]));
    assert_true(bits[1] == ((uint64_t)output[3] << 32 | output[2]));
}

static void any_part_of_a_stream_is_the_same(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static uint64_t whole[COUNT], part[COUNT];
    uint64_t stream = random_stream(7, "fc1.weight");
    random_bits(stream, 0, COUNT, whole);
    for (size_t first = 0; first < 40; first++)
        for (size_t count = 0; count < 300; count += 7) {
            random_bits(stream, first, count, part);
            assert_memory_equal(part, whole + first, count * sizeof *part);
        }
    static double uniform[COUNT], one[1];
    random_uniform(stream, 0, COUNT, uniform);
    for (size_t i = COUNT; i-- > 0;) {
        random_uniform(stream, i, 1, one);
        assert_true(one[0] == uniform[i]);
    }
}

static void streams_differ_by_seed_and_name(void **state)
{
    (void)state;
    static const char *const names[] = {"", "a", "b", "fc1.weight", "fc2.weight", "fc1.bias", "weight.fc1"};
    uint64_t streams[7 * 3];
    int count = 0;
    for (uint64_t seed = 0; seed < 3; seed++)
        for (int i = 0; i < 7; i++)
            streams[count++] = random_stream(seed, names[i]);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < i; k++)
            assert_true(streams[i] != streams[k]);
}

/* Frozen: a change here changes the weights that a seed gives. */
static void the_first_numbers_are_these(void **state)
{
    (void)state;
    uint64_t stream = random_stream(0, "fc1.weight");
    double uniform[3], normal[3];
    random_uniform(stream, 0, 3, uniform);
    random_normal(stream, 0, 3, normal);
    assert_true(stream == UINT64_C(0x5658325a76f145c1));
    const double expected_uniform[] = {0x1.067c1e2180e9p-2, 0x1.fe7bd35fddee2p-1, 0x1.3a80d88d5698p-2};
    const double expected_normal[] = {-0x1.4f33de35b77c4p-1, 0x1.6041dda5a2b58p+1, -0x1.020bbfc4519eep-1};
    assert_memory_equal(uniform, expected_uniform, sizeof uniform);
    assert_memory_equal(normal, expected_normal, sizeof normal);
}

/* Moments of 2^20 numbers lie within five standard errors of the distribution's own. */
static void moments_are_the_distributions(void **state)
{
    (void)state;
    enum { COUNT = 1 << 20 };
    double *values = malloc(COUNT * sizeof *values);
    assert_non_null(values);
    const double root = sqrt(COUNT);
    double mean = 0, square = 0, cube = 0, fourth = 0, lagged = 0;
    random_uniform(random_stream(1, "u"), 0, COUNT, values);
    for (int i = 0; i < COUNT; i++) {
        assert_true(values[i] >= 0 && values[i] < 1);
        mean += values[i] / COUNT;
        square += values[i] * values[i] / COUNT;
        lagged += (values[i] - 0.5) * (values[(i + 1) % COUNT] - 0.5) / COUNT;
    }
    assert_within(mean, 0.5, 5 * sqrt(1.0 / 12) / root);
    assert_within(square, 1.0 / 3, 5 * sqrt(1.0 / 5 - 1.0 / 9) / root);
    assert_within(lagged, 0, 5 * (1.0 / 12) / root);
    mean = square = 0;
    random_normal(random_stream(1, "n"), 0, COUNT, values);
    for (int i = 0; i < COUNT; i++) {
        double x = values[i];
        mean += x / COUNT;
        square += x * x / COUNT;
        cube += x * x * x / COUNT;
        fourth += x * x * x * x / COUNT;
    }
    assert_within(mean, 0, 5 / root);
    assert_within(square, 1, 5 * sqrt(2) / root);
    assert_within(cube, 0, 5 * sqrt(15) / root);
    assert_within(fourth, 3, 5 * sqrt(96) / root);
    free(values);
}

/* Chi-squared of 64 equally likely bins: 63 degrees of freedom, 5 standard deviations are 63 + 5 sqrt(126).
 */
static void quantiles_fill_equal_bins(void **state)
{
    (void)state;
    enum { COUNT = 1 << 18, BINS = 64 };
    static double values[COUNT];
    double counts[BINS] = {0}, chi_squared = 0;
    random_normal(random_stream(2, "n"), 0, COUNT, values);
    for (int i = 0; i < COUNT; i++)
        counts[(int)(random_normal_distribution(values[i]) * BINS)]++;
    for (int i = 0; i < BINS; i++)
        chi_squared += pow(counts[i] - (double)COUNT / BINS, 2) / ((double)COUNT / BINS);
    assert_within(chi_squared, 63, 5 * sqrt(126));
}

static void below_is_uniform_on_integers(void **state)
{
    (void)state;
    assert_true(random_below(0, 10) == 0);
    assert_true(random_below(UINT64_MAX, 10) == 9);
    assert_true(random_below(UINT64_MAX, UINT64_MAX) == UINT64_MAX - 1);
    assert_true(random_below(UINT64_MAX, 1) == 0);
    enum { COUNT = 1 << 16 };
    static uint64_t bits[COUNT];
    int counts[10] = {0};
    random_bits(random_stream(3, "i"), 0, COUNT, bits);
    for (int i = 0; i < COUNT; i++)
        counts[random_below(bits[i], 10)]++;
    for (int i = 0; i < 10; i++)
        assert_within(counts[i], COUNT / 10.0, 5 * sqrt(COUNT * 0.1 * 0.9));
}

/* Values by mpmath with 40 digits. */
static void distribution_and_quantile_are_exact(void **state)
{
    (void)state;
    static const struct {
        double x, p;
    } known[] = {
        {-37.0, 5.7255712225245768227e-300}, {-20.0, 2.7536241186062336951e-89},
        {-8.25, 7.919726314642477341e-17},   {-5.0, 2.8665157187919391167e-7},
        {-4.0, 0.000031671241833119921254},  {-3.0, 0.0013498980316300945267},
        {-2.5, 0.006209665325776135167},     {-2.0, 0.0227501319481792072},
        {-1.0, 0.15865525393145705141},      {-0.5, 0.30853753872598689636},
        {-0.125, 0.45026177516988710702},    {0.125, 0.54973822483011289298},
        {0.75, 0.77337264762313180067},      {1.25, 0.89435022633314474231},
        {2.0, 0.9772498680518207928},        {4.0, 0.99996832875816688008},
        {9.0, 0.99999999999999999989},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_close(random_normal_distribution(known[i].x), known[i].p, 2e-13);
        if (known[i].p < 0.9)
            assert_close(random_normal_quantile(known[i].p), known[i].x, 2e-15);
    }
    assert_true(random_normal_quantile(0.5) == 0.0);
    assert_true(random_normal_distribution(0.0) == 0.5);
    assert_true(random_normal_distribution(-INFINITY) == 0.0);
    assert_true(random_normal_distribution(INFINITY) == 1.0);
    assert_true(isnan(random_normal_distribution(NAN)));
    for (int i = 1; i < 500; i++)
        assert_close(random_normal_quantile(1 - i / 1000.0), -random_normal_quantile(i / 1000.0), 2e-13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_answers),
        cmocka_unit_test(numbers_are_halves_of_blocks),
        cmocka_unit_test(any_part_of_a_stream_is_the_same),
        cmocka_unit_test(streams_differ_by_seed_and_name),
        cmocka_unit_test(the_first_numbers_are_these),
        cmocka_unit_test(moments_are_the_distributions),
        cmocka_unit_test(quantiles_fill_equal_bins),
        cmocka_unit_test(below_is_uniform_on_integers),
        cmocka_unit_test(distribution_and_quantile_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
