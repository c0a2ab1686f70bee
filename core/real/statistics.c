/* In blocks that stay in the first cache, so that memory is read once however often a block is walked. */
#include "core/statistics.h"

#include "core/real/real.h"

#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

/* A number's bits, and its code: the biased exponent that they hold. 0 is the code of zeros and subnormals,
 * NON_FINITE that of infinities and NaN. */
#if REAL_BITS == 32
typedef uint32_t pattern;
typedef int32_t signed_pattern;
typedef uint8_t code;
enum { FRACTION_BITS = 23, CODE_COUNT = 256, BIAS = 127 };
#else
typedef uint64_t pattern;
typedef int64_t signed_pattern;
typedef uint16_t code;
enum { FRACTION_BITS = 52, CODE_COUNT = 2048, BIAS = 1023 };
#endif

#ifdef __AVX2__
enum { VECTOR_BYTES = 32 };
#else
enum { VECTOR_BYTES = 16 };
#endif
enum { BLOCK = 2048, NON_FINITE = CODE_COUNT - 1, LANES = VECTOR_BYTES / sizeof(code) };

/* Codes are counted in vectors of their own width: in a lane, a code occurs at most BLOCK / LANES times. */
typedef code codes __attribute__((vector_size(VECTOR_BYTES), may_alias));
_Static_assert(BLOCK % LANES == 0 && BLOCK / LANES < CODE_COUNT, "a lane would overflow");

typedef double doubles __attribute__((vector_size(VECTOR_BYTES)));
enum { DOUBLES = VECTOR_BYTES / sizeof(double) };

struct block {
    const real *elements;
    size_t count;
    pattern greatest_signed; /* of the elements' bits, as signed and as unsigned integers */
    pattern greatest_unsigned;
    code greatest;
    _Alignas(VECTOR_BYTES) code codes[BLOCK]; /* up to a whole vector, filled up with NON_FINITE */
};

/* Sums over elements times 2^-scale; `squares` are centred. */
struct sums {
    double count;
    double mean;
    double squares;
    int scale;
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

static real real_of(pattern bits)
{
    real element;
    memcpy(&element, &bits, sizeof element);
    return element;
}

static void block_encode(struct block *block)
{
    signed_pattern greatest_signed = REAL_BITS == 32 ? INT32_MIN : INT64_MIN;
    pattern greatest_unsigned = 0;
    for (size_t i = 0; i < block->count; i++) {
        pattern bits = bits_of(block->elements[i]);
        greatest_signed = (signed_pattern)bits > greatest_signed ? (signed_pattern)bits : greatest_signed;
        greatest_unsigned = bits > greatest_unsigned ? bits : greatest_unsigned;
        block->codes[i] = (code)(bits >> FRACTION_BITS & NON_FINITE);
    }
    for (size_t i = block->count; i % LANES != 0; i++)
        block->codes[i] = NON_FINITE;
    block->greatest_signed = (pattern)greatest_signed;
    block->greatest_unsigned = greatest_unsigned;
    code positive = greatest_signed < 0 ? 0 : (code)(greatest_signed >> FRACTION_BITS);
    code negative = (code)(greatest_unsigned >> FRACTION_BITS & NON_FINITE);
    block->greatest = positive > negative ? positive : negative;
}

static pattern least_pattern(const struct block *block)
{
    pattern least = (pattern)-1;
    for (size_t i = 0; i < block->count; i++)
        least = bits_of(block->elements[i]) < least ? bits_of(block->elements[i]) : least;
    return least;
}

/* As signed integers, the bits of positive numbers are in the numbers' order and above those of negative
 * ones; as unsigned integers, those of negative numbers are in the opposite order and above those of positive
 * ones. */
static void add_extremes(const struct block *block, struct totals *totals)
{
    const pattern sign = (pattern)1 << (REAL_BITS - 1);
    pattern min = block->greatest_unsigned, max = block->greatest_signed;
    if (!(min & sign))
        min = least_pattern(block);
    if (max & sign)
        max = least_pattern(block);
    totals->min = real_of(min) < totals->min ? real_of(min) : totals->min;
    totals->max = real_of(max) > totals->max ? real_of(max) : totals->max;
}

static size_t block_vectors(const struct block *block)
{
    return (block->count + LANES - 1) / LANES;
}

static int64_t sum_of_lanes(codes lanes)
{
    unsigned sum = 0;
    for (size_t i = 0; i < LANES; i++)
        sum += lanes[i];
    return sum;
}

/* How many codes are equal to first, first + 1, first + 2, first + 3. */
static void count_codes(const struct block *block, code first, int64_t counts[4])
{
    const codes *vectors = (const codes *)block->codes;
    const codes zero = {0};
    codes wanted0 = zero + first, wanted1 = wanted0 + 1, wanted2 = wanted0 + 2, wanted3 = wanted0 + 3;
    codes equal0 = zero, equal1 = zero, equal2 = zero, equal3 = zero;
    size_t count = block_vectors(block);
    for (size_t i = 0; i < count; i++) {
        equal0 -= (codes)(vectors[i] == wanted0);
        equal1 -= (codes)(vectors[i] == wanted1);
        equal2 -= (codes)(vectors[i] == wanted2);
        equal3 -= (codes)(vectors[i] == wanted3);
    }
    counts[0] = sum_of_lanes(equal0);
    counts[1] = sum_of_lanes(equal1);
    counts[2] = sum_of_lanes(equal2);
    counts[3] = sum_of_lanes(equal3);
}

static int64_t *exponent_bin(struct stability_statistics *statistics, int exponent)
{
    int bin = exponent - STABILITY_EXPONENT_MIN;
    bin = bin < 0 ? 0 : bin;
    return &statistics->exponents[bin < STABILITY_EXPONENT_COUNT ? bin : STABILITY_EXPONENT_COUNT - 1];
}

/* Counts codes least to greatest one by one, in four tables so that equal neighbours need not wait for each
 * other. */
static void tabulate_codes(const struct block *block, code least, struct stability_statistics *statistics)
{
    uint16_t tables[4][CODE_COUNT];
    for (int t = 0; t < 4; t++) {
        memset(tables[t] + least, 0, (size_t)(block->greatest - least + 1) * sizeof **tables);
        tables[t][0] = 0;
    }
    for (size_t i = 0; i < block->count; i++)
        tables[i % 4][block->codes[i]]++;
    for (int c = least; c <= block->greatest; c++)
        *exponent_bin(statistics, c - BIAS) += tables[0][c] + tables[1][c] + tables[2][c] + tables[3][c];
}

static void count_range(const struct block *block, code least, struct stability_statistics *statistics)
{
    int64_t counts[4];
    for (int first = least; first <= block->greatest; first += 4) {
        count_codes(block, (code)first, counts);
        for (int c = first; c < first + 4 && c <= block->greatest; c++)
            *exponent_bin(statistics, c - BIAS) += counts[c - first];
    }
}

/* The least code but 0, or NON_FINITE. */
static code least_code(const struct block *block)
{
    code least = NON_FINITE;
    for (size_t i = 0; i < block->count; i++) {
        code last_if_0 = (code)((block->codes[i] - 1) & NON_FINITE);
        least = last_if_0 < least ? last_if_0 : least;
    }
    return (code)(least < NON_FINITE ? least + 1 : NON_FINITE);
}

static void count_zeros(const struct block *block, struct stability_statistics *statistics)
{
    int64_t counts[4];
    count_codes(block, 0, counts);
    if (counts[0] == 0)
        return;
    pattern zeros = 0;
    for (size_t i = 0; i < block->count; i++)
        zeros += block->elements[i] == 0;
    int64_t subnormals = counts[0] - (int64_t)zeros;
    statistics->zero_count += (int64_t)zeros;
    statistics->subnormal_count += subnormals;
    for (size_t i = 0; subnormals > 0 && i < block->count; i++)
        if (block->codes[i] == 0 && block->elements[i] != 0)
            ++*exponent_bin(statistics, ilogb(block->elements[i]));
}

static void add_exponents(const struct block *block, struct stability_statistics *statistics)
{
    /* What a step of count_codes, for each of four codes, takes against one of tabulate_codes; and what it
     * takes to add the lanes. */
    enum { STEP = 1, LANE_STEPS = 12 };
    count_zeros(block, statistics);
    if (block->greatest == 0)
        return;
    code least = least_code(block);
    size_t range = (size_t)(block->greatest - least + 1);
    if (range * (block_vectors(block) + LANE_STEPS) * STEP < 4 * block->count)
        count_range(block, least, statistics);
    else
        tabulate_codes(block, least, statistics);
}

/* 0 where squares neither overflow nor lose digits, else what brings the block's greatest element near 1. */
static int block_scale(const struct block *block)
{
    int exponent = block->greatest - BIAS;
    return exponent > -400 && exponent < 400 ? 0 : exponent;
}

static doubles load_doubles(const real *elements)
{
#if REAL_BITS == 32 && defined __AVX2__
    return (doubles)_mm256_cvtps_pd(_mm_loadu_ps(elements));
#else
    doubles values;
    for (size_t i = 0; i < DOUBLES; i++)
        values[i] = (double)elements[i];
    return values;
#endif
}

static double sum_of_doubles(const doubles parts[4])
{
    doubles sums = (parts[0] + parts[1]) + (parts[2] + parts[3]);
    double sum = 0.0;
    for (size_t i = 0; i < DOUBLES; i++)
        sum += sums[i];
    return sum;
}

/* Squares are taken about the mean of what came before, or the first element: what is subtracted from them
 * for that is no greater than what the merge adds, so no digits are lost. */
static struct sums block_sums(const struct block *block, const struct sums *before)
{
    int scale = block_scale(block);
    double factor = ldexp(1.0, -scale);
    double centre = before->scale == scale ? before->mean : (double)block->elements[0] * factor;
    doubles sums[4] = {0}, squares[4] = {0};
    size_t i = 0;
    for (; i + 4 * DOUBLES <= block->count; i += 4 * DOUBLES)
        for (size_t k = 0; k < 4; k++) {
            doubles deviations = load_doubles(block->elements + i + k * DOUBLES) * factor - centre;
            sums[k] += deviations;
            squares[k] += deviations * deviations;
        }
    double sum = sum_of_doubles(sums), square = sum_of_doubles(squares);
    for (; i < block->count; i++) {
        double deviation = (double)block->elements[i] * factor - centre;
        sum += deviation;
        square += deviation * deviation;
    }
    double count = (double)block->count;
    double centred = square - sum * (sum / count);
    return (struct sums){count, centre + sum / count, centred > 0.0 ? centred : 0.0, scale};
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
    add_exponents(&block, statistics);
    add_extremes(&block, totals);
    merge_sums(&totals->sums, block_sums(&block, &totals->sums));
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
