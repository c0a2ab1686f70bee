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
#if REAL_BITS == 32 && defined __AVX2__
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

/* As many bytes as a step of block_sums reads. */
static void prefetch(const char *bytes)
{
    for (size_t i = 0; i < 4 * DOUBLES * sizeof(real); i += 64)
        __builtin_prefetch(bytes + i);
}

/* Squares are taken about the mean of what came before, or the first element: what is subtracted from them
 * for that is no greater than what the merge adds, so no digits are lost. Meanwhile the block `ahead` comes
 * nearer. */
static struct sums block_sums(const struct block *block, const struct sums *before, const char *ahead)
{
    int scale = block_scale(block);
    double factor = scale ? ldexp(1.0, -scale) : 1.0;
    bool same = before->count > 0 && before->scale == scale;
    double centre = same ? before->origin + before->mean : (double)block->elements[0] * factor;
    doubles sums[4] = {0}, squares[4] = {0};
    size_t i = 0;
    for (; i + 4 * DOUBLES <= block->count; i += 4 * DOUBLES) {
        prefetch(ahead + i * sizeof(real));
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
    double count = (double)block->count;
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

static void add_block(const real *elements, size_t count, const real *ahead, struct totals *totals,
                      struct stability_statistics *statistics)
{
    struct block block;
    real finite[BLOCK];
    block.elements = elements;
    block.count = count;
    VARIANT(block_encode)(&block);
    if (block.greatest == NON_FINITE) {
        block.count = copy_finite(&block, finite, totals, statistics);
        block.elements = finite;
        VARIANT(block_encode)(&block);
    }
    if (block.count == 0)
        return;
    int64_t zeros = VARIANT(block_count_exponents)(&block, statistics);
    add_extremes(&block, zeros > 0, totals);
    merge_sums(&totals->sums, block_sums(&block, &totals->sums, (const char *)ahead));
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
    double mean = sums->origin + sums->mean;
    double variance = sums->squares / sums->count;
    double mean_square = variance + mean * mean;
    double min = (double)totals->min + 0.0, max = (double)totals->max + 0.0; /* -0 becomes 0 */
    return (struct stability_moments){
        .count = (int64_t)sums->count,
        .mean = ldexp(mean, sums->scale),
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

static void find_exponents(struct stability_statistics *statistics)
{
    int first = 0, last = STABILITY_EXPONENT_COUNT - 1;
    while (first <= last && statistics->exponents[first] == 0)
        first++;
    while (last > first && statistics->exponents[last] == 0)
        last--;
    statistics->least_exponent = first + STABILITY_EXPONENT_MIN;
    statistics->greatest_exponent = last + STABILITY_EXPONENT_MIN;
}

statistics_function VARIANT(statistics);

void VARIANT(statistics)(const void *data, int64_t count, struct stability_statistics *statistics)
{
    struct totals totals = {.min = (real)INFINITY, .max = -(real)INFINITY};
    memset(statistics, 0, sizeof *statistics);
    for (int64_t start = 0; start < count; start += BLOCK) {
        const real *elements = (const real *)data + start;
        int64_t left = count - start;
        int64_t length = left < BLOCK ? left : BLOCK;
        add_block(elements, (size_t)length, left >= 2 * BLOCK ? elements + BLOCK : elements, &totals,
                  statistics);
    }
    statistics->inf_count = totals.positive_infinities + totals.negative_infinities;
    find_exponents(statistics);
    statistics->finite = finite_moments(&totals);
    statistics->all = all_moments(&totals, statistics, count);
}
