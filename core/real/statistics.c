#include "core/real/block.h"

#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

typedef double doubles __attribute__((vector_size(VECTOR_BYTES)));
enum { DOUBLES = VECTOR_BYTES / sizeof(double) };

/* Over elements times 2^-scale; `squares` are centred. The mean is kept as its distance from an origin, the
 * first block's mean: so it keeps the digits that tell it from other blocks' means. */
struct sums {
    double count;
    double origin;
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

/* Of elements that all have the same sign. */
static pattern least_pattern(const struct block *block)
{
    signed_pattern least = REAL_BITS == 32 ? INT32_MAX : INT64_MAX;
    for (size_t i = 0; i < block->count; i++) {
        signed_pattern bits = (signed_pattern)bits_of(block->elements[i]);
        least = bits < least ? bits : least;
    }
    return (pattern)least;
}

/* As signed integers, the bits of positive numbers are in the numbers' order and above those of negative
 * ones; as unsigned integers, those of negative numbers are in the opposite order and above those of positive
 * ones. */
static void add_extremes(const struct block *block, bool has_zeros, struct totals *totals)
{
    const pattern sign = (pattern)1 << (REAL_BITS - 1);
    pattern min = block->greatest_unsigned, max = block->greatest_signed;
    if (!(min & sign))
        min = has_zeros ? 0 : least_pattern(block);
    if (max & sign)
        max = has_zeros ? 0 : least_pattern(block);
    totals->min = real_of(min) < totals->min ? real_of(min) : totals->min;
    totals->max = real_of(max) > totals->max ? real_of(max) : totals->max;
}

/* 0 where squares neither overflow nor lose digits, else what brings the block's greatest element near 1. */
static int block_scale(const struct block *block)
{
    int exponent = block->greatest - BIAS;
    return exponent > -400 && exponent < 400 ? 0 : exponent;
}

static doubles load_doubles(const real *elements)
{
#if REAL_BITS == 32 && defined __AVX512F__
    return (doubles)_mm512_cvtps_pd(_mm256_loadu_ps(elements));
#elif REAL_BITS == 32 && defined __AVX2__
    return (doubles)_mm256_cvtps_pd(_mm_loadu_ps(elements));
#else
    doubles values = {0};
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
    double factor = scale ? ldexp(1.0, -scale) : 1.0;
    bool same = before->count > 0 && before->scale == scale;
    double centre = same ? before->origin + before->mean : (double)block->elements[0] * factor;
    doubles sums[4] = {0}, squares[4] = {0};
    size_t i = 0;
    const char *ahead = block->ahead;
    for (; i + 4 * DOUBLES <= block->count; i += 4 * DOUBLES) {
        if (ahead < block->ahead_end) {
            for (size_t k = 0; k < 4 * DOUBLES * sizeof(real); k += 64)
                __builtin_prefetch(ahead + k);
            ahead += 4 * DOUBLES * sizeof(real);
        }
        for (size_t k = 0; k < 4; k++) {
            doubles deviations = load_doubles(block->elements + i + k * DOUBLES) * factor - centre;
            sums[k] += deviations;
            squares[k] += deviations * deviations;
        }
    }
    double sum = sum_of_doubles(sums), square = sum_of_doubles(squares);
    for (; i < block->count; i++) {
        double deviation = (double)block->elements[i] * factor - centre;
        sum += deviation;
        square += deviation * deviation;
    }
    double count = (double)(block->count - block->replaced);
    if (block->replaced > 0) {
        double deviation = (double)block->stand_in * factor - centre;
        sum -= (double)block->replaced * deviation;
        square -= (double)block->replaced * deviation * deviation;
    }
    double centred = square - sum * (sum / count);
    double origin = same ? before->origin : centre + sum / count;
    return (struct sums){count, origin, centre - origin + sum / count, centred > 0.0 ? centred : 0.0, scale};
}

static void rescale(struct sums *sums, int scale)
{
    sums->origin = ldexp(sums->origin, sums->scale - scale);
    sums->mean = ldexp(sums->mean, sums->scale - scale);
    sums->squares = ldexp(sums->squares, 2 * (sums->scale - scale));
    sums->scale = scale;
}

/* Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances"
 * (1979). */
static void merge_sums(struct sums *total, struct sums part)
{
    if (total->count == 0) {
        *total = part;
        return;
    }
    if (part.scale > total->scale)
        rescale(total, part.scale);
    else if (part.scale < total->scale)
        rescale(&part, total->scale);
    double count = total->count + part.count;
    double difference = part.mean - total->mean + (part.origin - total->origin);
    total->mean += difference * (part.count / count);
    total->squares += part.squares + difference * difference * (total->count * part.count / count);
    total->count = count;
}

/* A finite number between the extremes, which changes sums about the mean least; where none is known yet, the
 * block's first one, or 0. */
static real choose_stand_in(const struct block *block, const struct sums *before)
{
    if (before->count > 0)
        return (real)ldexp(before->origin + before->mean, before->scale);
    size_t i = 0;
    while (i < block->count && !isfinite(block->elements[i]))
        i++;
    return i < block->count ? block->elements[i] : 0;
}

/* Puts the stand-in, in a copy, in the place of what is not finite, and counts that. */
static void replace_non_finite(struct block *block, struct totals *totals,
                               struct stability_statistics *statistics)
{
    const pattern infinity = bits_of((real)INFINITY), sign = (pattern)1 << (REAL_BITS - 1);
    const pattern stand_in = bits_of(block->stand_in);
    pattern nans = 0, positive = 0, negative = 0;
    for (size_t i = 0; i < block->count; i++) {
        pattern bits = bits_of(block->elements[i]), magnitude = bits & ~sign;
        block->finite[i] = real_of(magnitude < infinity ? bits : stand_in);
        nans += magnitude > infinity;
        positive += bits == infinity;
        negative += bits == (infinity | sign);
    }
    block->elements = block->finite;
    block->replaced = nans + positive + negative;
    statistics->nan_count += (int64_t)nans;
    totals->positive_infinities += (int64_t)positive;
    totals->negative_infinities += (int64_t)negative;
}

static void add_block(struct block *block, struct totals *totals, struct stability_statistics *statistics)
{
    VARIANT(block_encode)(block);
    if (block->greatest == NON_FINITE) {
        block->stand_in = choose_stand_in(block, &totals->sums);
        replace_non_finite(block, totals, statistics);
        if (block->replaced == block->count)
            return;
        VARIANT(block_encode)(block);
    }
    bool has_zeros = VARIANT(block_count_exponents)(block, statistics);
    add_extremes(block, has_zeros, totals);
    merge_sums(&totals->sums, block_sums(block, &totals->sums));
}

static struct stability_moments empty_moments(int64_t count, double number)
{
    return (struct stability_moments){count, number, number, number, number, number, number, number, number};
}

static void rescale_moments(struct stability_moments *moments, int scale)
{
    moments->mean = ldexp(moments->mean, scale);
    moments->variance = ldexp(moments->variance, 2 * scale);
    moments->std = ldexp(moments->std, scale);
    moments->norm = ldexp(moments->norm, scale);
    moments->rms = ldexp(moments->rms, scale);
}

static struct stability_moments finite_moments(const struct totals *totals)
{
    const struct sums *sums = &totals->sums;
    if (sums->count == 0) {
        struct stability_moments moments = empty_moments(0, NAN);
        moments.norm = 0.0;
        return moments;
    }
    double mean = sums->origin + sums->mean;
    double variance = sums->squares / sums->count;
    double mean_square = variance + mean * mean;
    double min = (double)totals->min + 0.0, max = (double)totals->max + 0.0; /* -0 becomes 0 */
    struct stability_moments moments = {
        .count = (int64_t)sums->count,
        .mean = mean,
        .variance = variance,
        .std = sqrt(variance),
        .min = min,
        .max = max,
        .abs_max = -min > max ? -min : max,
        .norm = sqrt(mean_square * sums->count),
        .rms = sqrt(mean_square),
    };
    if (sums->scale != 0)
        rescale_moments(&moments, sums->scale);
    return moments;
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

/* The bounds hold stand-ins too, which are not counted. */
static void tighten_exponents(struct stability_statistics *statistics)
{
    const int64_t *counts = statistics->exponents - STABILITY_EXPONENT_MIN;
    int least = statistics->least_exponent, greatest = statistics->greatest_exponent;
    while (least <= greatest && counts[least] == 0)
        least++;
    while (greatest >= least && counts[greatest] == 0)
        greatest--;
    statistics->least_exponent = least;
    statistics->greatest_exponent = greatest;
}

statistics_function VARIANT(statistics);

void VARIANT(statistics)(const void *data, int64_t count, struct stability_statistics *statistics)
{
    struct totals totals = {.min = (real)INFINITY, .max = -(real)INFINITY};
    memset(statistics, 0, sizeof *statistics);
    statistics->least_exponent = STABILITY_EXPONENT_MAX;
    statistics->greatest_exponent = STABILITY_EXPONENT_MIN;
    struct block block;
    for (int64_t start = 0; start < count; start += BLOCK) {
        int64_t left = count - start;
        block.elements = (const real *)data + start;
        block.count = (size_t)(left < BLOCK ? left : BLOCK);
        block.replaced = 0;
        block.ahead = (const char *)(block.elements + (left >= 2 * BLOCK ? BLOCK : 0));
        block.ahead_end = block.ahead + block.count * sizeof(real);
        add_block(&block, &totals, statistics);
    }
    statistics->inf_count = totals.positive_infinities + totals.negative_infinities;
    tighten_exponents(statistics);
    statistics->finite = finite_moments(&totals);
    statistics->all = all_moments(&totals, statistics, count);
}
