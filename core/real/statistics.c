/* In blocks that stay in the first cache, so that memory is read once however often a block is walked. */
#include "core/statistics.h"

#include "core/real/real.h"

#include <string.h>

/* The number's bits, and the biased exponent that they hold: its code. 0 stands for zeros and subnormals,
 * NON_FINITE for infinities and NaN. */
#if REAL_BITS == 32
typedef uint32_t pattern;
typedef uint8_t code;
enum { FRACTION_BITS = 23, CODE_COUNT = 256, BIAS = 127 };
#else
typedef uint64_t pattern;
typedef uint16_t code;
enum { FRACTION_BITS = 52, CODE_COUNT = 2048, BIAS = 1023 };
#endif

enum { BLOCK = 2048, NON_FINITE = CODE_COUNT - 1, VECTOR_BYTES = 32, LANES = VECTOR_BYTES / sizeof(code) };

/* Comparing vectors counts in the codes' own width: LANES counters, each of which sees BLOCK / LANES codes.
 */
typedef code codes __attribute__((vector_size(VECTOR_BYTES)));
_Static_assert(BLOCK % LANES == 0 && BLOCK / LANES <= UINT8_MAX, "a counter would overflow");

/* Sums over elements times 2^-scale; `squares` are centred. */
struct sums {
    double count;
    double mean;
    double squares;
    int scale;
};

struct block {
    const real *elements;
    size_t count;
    code least; /* of the codes that are not 0; NON_FINITE if all are */
    code greatest;
    _Alignas(VECTOR_BYTES) code codes[BLOCK]; /* up to a whole vector, filled up with NON_FINITE */
};

struct totals {
    struct sums sums; /* of the finite elements, as are the extremes */
    real min;
    real max;
    int64_t positive_infinities;
    int64_t negative_infinities;
};

static pattern bits_of(real element)
{
    pattern bits;
    memcpy(&bits, &element, sizeof bits);
    return bits;
}

static void block_encode(struct block *block)
{
    code least = NON_FINITE, greatest = 0;
    for (size_t i = 0; i < block->count; i++)
        block->codes[i] = (code)(bits_of(block->elements[i]) >> FRACTION_BITS & NON_FINITE);
    for (size_t i = 0; i < block->count; i++) {
        code ordered = (code)((block->codes[i] - 1) & NON_FINITE); /* 0 comes last */
        least = ordered < least ? ordered : least;
        greatest = block->codes[i] > greatest ? block->codes[i] : greatest;
    }
    for (size_t i = block->count; i % LANES != 0; i++)
        block->codes[i] = NON_FINITE;
    block->least = (code)(least < NON_FINITE ? least + 1 : NON_FINITE);
    block->greatest = greatest;
}

static size_t block_vectors(const struct block *block)
{
    return (block->count + LANES - 1) / LANES;
}

static int64_t count_code(const struct block *block, code wanted)
{
    const codes *vectors = (const codes *)block->codes;
    codes equal = {0};
    for (size_t i = 0; i < block_vectors(block); i++)
        equal -= (codes)(vectors[i] == wanted);
    unsigned count = 0;
    for (size_t i = 0; i < LANES; i++)
        count += equal[i];
    return count;
}

static int64_t *exponent_bin(struct stability_statistics *statistics, int exponent)
{
    int bin = exponent - STABILITY_EXPONENT_MIN;
    bin = bin < 0 ? 0 : bin;
    return &statistics->exponents[bin < STABILITY_EXPONENT_COUNT ? bin : STABILITY_EXPONENT_COUNT - 1];
}

/* Where the codes are many: a table, in four copies so that equal neighbours need not wait for each other. */
static void tabulate_codes(const struct block *block, struct stability_statistics *statistics)
{
    uint16_t tables[4][CODE_COUNT];
    for (int t = 0; t < 4; t++)
        memset(tables[t] + block->least, 0, (size_t)(block->greatest - block->least + 1) * sizeof **tables);
    for (int t = 0; t < 4; t++)
        tables[t][0] = 0;
    for (size_t i = 0; i < block->count; i++)
        tables[i % 4][block->codes[i]]++;
    for (int c = block->least; c <= block->greatest; c++)
        *exponent_bin(statistics, c - BIAS) += tables[0][c] + tables[1][c] + tables[2][c] + tables[3][c];
}

static void count_zeros_and_subnormals(const struct block *block, struct stability_statistics *statistics)
{
    int64_t zeros = 0;
    for (size_t i = 0; i < block->count; i++)
        zeros += block->elements[i] == 0;
    statistics->zero_count += zeros;
    int64_t subnormals = count_code(block, 0) - zeros;
    statistics->subnormal_count += subnormals;
    for (size_t i = 0; subnormals > 0 && i < block->count; i++)
        if (block->codes[i] == 0 && block->elements[i] != 0)
            ++*exponent_bin(statistics, ilogb(block->elements[i]));
}

static void count_exponents(const struct block *block, struct stability_statistics *statistics)
{
    /* Steps of count_code, with those that it takes to add its lanes, against steps of a table. */
    enum { LANE_STEPS = 12 };
    bool zeros = block->greatest == 0 || count_code(block, 0) > 0;
    if (zeros)
        count_zeros_and_subnormals(block, statistics);
    if (block->greatest == 0)
        return;
    size_t range = (size_t)(block->greatest - block->least + 1);
    if (range * (block_vectors(block) + LANE_STEPS) > block->count) {
        tabulate_codes(block, statistics);
        return;
    }
    for (int c = block->least; c <= block->greatest; c++)
        *exponent_bin(statistics, c - BIAS) += count_code(block, (code)c);
}

/* 0 where squares neither overflow nor lose digits, else what brings the block's greatest element near 1. */
static int block_scale(const struct block *block)
{
    int exponent = block->greatest - BIAS;
    return block->greatest == 0 || (exponent > -400 && exponent < 400) ? 0 : exponent;
}

static struct sums block_sums(const struct block *block)
{
    const real *x = block->elements;
    int scale = REAL_BITS == 64 ? block_scale(block) : 0;
    double factor = ldexp(1.0, -scale);
    double sum = 0.0, squares = 0.0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < block->count; i++)
        sum += (double)x[i] * factor;
    double mean = sum / (double)block->count;
#pragma omp simd reduction(+ : squares)
    for (size_t i = 0; i < block->count; i++) {
        double deviation = (double)x[i] * factor - mean;
        squares += deviation * deviation;
    }
    return (struct sums){(double)block->count, mean, squares, scale};
}

static void rescale(struct sums *sums, int scale)
{
    sums->mean = ldexp(sums->mean, sums->scale - scale);
    sums->squares = ldexp(sums->squares, 2 * (sums->scale - scale));
    sums->scale = scale;
}

/* Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances"
 * (1979). */
static void merge_sums(struct sums *total, struct sums part)
{
    if (part.scale > total->scale)
        rescale(total, part.scale);
    else if (part.scale < total->scale)
        rescale(&part, total->scale);
    double count = total->count + part.count;
    double difference = part.mean - total->mean;
    total->mean += difference * (part.count / count);
    total->squares += part.squares + difference * difference * (total->count * part.count / count);
    total->count = count;
}

static void add_extremes(const struct block *block, struct totals *totals)
{
    real least = totals->min, greatest = totals->max;
#pragma omp simd reduction(min : least) reduction(max : greatest)
    for (size_t i = 0; i < block->count; i++) {
        real x = block->elements[i];
        least = x < least ? x : least;
        greatest = x > greatest ? x : greatest;
    }
    totals->min = least;
    totals->max = greatest;
}

/* Copies the finite elements and counts the others. */
static size_t copy_finite(const struct block *block, real *finite, struct totals *totals,
                          struct stability_statistics *statistics)
{
    size_t count = 0;
    for (size_t i = 0; i < block->count; i++) {
        real x = block->elements[i];
        finite[count] = x;
        count += (size_t)isfinite(x);
        statistics->nan_count += isnan(x);
        totals->positive_infinities += x > REAL_MAX;
        totals->negative_infinities += x < -REAL_MAX;
    }
    return count;
}

static void add_block(const real *elements, size_t count, struct totals *totals,
                      struct stability_statistics *statistics)
{
    struct block block;
    real finite[BLOCK];
    block.elements = elements;
    block.count = count;
    block_encode(&block);
    if (block.greatest == NON_FINITE) {
        block.count = copy_finite(&block, finite, totals, statistics);
        block.elements = finite;
        block_encode(&block);
    }
    if (block.count == 0)
        return;
    count_exponents(&block, statistics);
    add_extremes(&block, totals);
    merge_sums(&totals->sums, block_sums(&block));
}

static struct stability_moments empty_moments(int64_t count, double number)
{
    return (struct stability_moments){count, number, number, number, number, number, number, number, number};
}

static struct stability_moments finite_moments(const struct totals *totals)
{
    const struct sums *sums = &totals->sums;
    if (sums->count == 0) {
        struct stability_moments moments = empty_moments(0, NAN);
        moments.norm = 0.0;
        return moments;
    }
    double variance = sums->squares / sums->count;
    double mean_square = variance + sums->mean * sums->mean;
    double min = (double)totals->min + 0.0, max = (double)totals->max + 0.0; /* -0 becomes 0 */
    return (struct stability_moments){
        .count = (int64_t)sums->count,
        .mean = ldexp(sums->mean, sums->scale),
        .variance = ldexp(variance, 2 * sums->scale),
        .std = ldexp(sqrt(variance), sums->scale),
        .min = min,
        .max = max,
        .abs_max = -min > max ? -min : max,
        .norm = ldexp(sqrt(mean_square * sums->count), sums->scale),
        .rms = ldexp(sqrt(mean_square), sums->scale),
    };
}

/* What the arithmetic over all elements gives where some are not finite. */
static struct stability_moments all_moments(const struct totals *totals,
                                            const struct stability_statistics *statistics, int64_t count)
{
    bool positive = totals->positive_infinities > 0, negative = totals->negative_infinities > 0;
    if (statistics->nan_count > 0)
        return empty_moments(count, NAN);
    if (!positive && !negative)
        return statistics->finite;
    bool any_finite = totals->sums.count > 0;
    return (struct stability_moments){
        .count = count,
        .mean = positive && negative ? NAN
                : positive           ? INFINITY
                                     : -INFINITY,
        .variance = NAN,
        .std = NAN,
        .min = negative     ? -INFINITY
               : any_finite ? statistics->finite.min
                            : INFINITY,
        .max = positive     ? INFINITY
               : any_finite ? statistics->finite.max
                            : -INFINITY,
        .abs_max = INFINITY,
        .norm = INFINITY,
        .rms = INFINITY,
    };
}

statistics_function VARIANT(statistics);

void VARIANT(statistics)(const void *data, int64_t count, struct stability_statistics *statistics)
{
    struct totals totals = {.sums.scale = -2 * BIAS, .min = (real)INFINITY, .max = -(real)INFINITY};
    memset(statistics, 0, sizeof *statistics);
    for (int64_t start = 0; start < count; start += BLOCK) {
        int64_t length = count - start < BLOCK ? count - start : BLOCK;
        add_block((const real *)data + start, (size_t)length, &totals, statistics);
    }
    statistics->inf_count = totals.positive_infinities + totals.negative_infinities;
    statistics->finite = finite_moments(&totals);
    statistics->all = all_moments(&totals, statistics, count);
}
