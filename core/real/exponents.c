/* How often each binary exponent occurs. */
#include "core/real/block.h"

#include <string.h>

/* Codes are compared and counted in vectors of their own width. */
typedef code codes __attribute__((vector_size(VECTOR_BYTES), may_alias));
_Static_assert(BLOCK % LANES == 0 && (sizeof(code) > 1 || BLOCK / LANES <= UINT8_MAX),
               "a lane would overflow");

static pattern bits_of(real element)
{
    pattern bits;
    memcpy(&bits, &element, sizeof bits);
    return bits;
}

static code code_of(pattern bits)
{
    return (code)(bits >> FRACTION_BITS & NON_FINITE);
}

/* The code of `bits` as the k-th of a word. */
static pattern code_at(pattern bits, int k)
{
    const int down = FRACTION_BITS - k * CODE_BITS;
    return (down >= 0 ? bits >> down : bits << -down) & (pattern)NON_FINITE << k * CODE_BITS;
}

static pattern greater(pattern a, pattern b)
{
    return a > b ? a : b;
}

static signed_pattern greater_signed(signed_pattern a, signed_pattern b)
{
    return a > b ? a : b;
}

/* Four elements, a quarter of the block apart, make a word of codes: so no lane of a vector has to move. */
static void encode_quarters(struct block *block, size_t quarter)
{
    const real *x0 = block->elements, *x1 = x0 + quarter, *x2 = x1 + quarter, *x3 = x2 + quarter;
    pattern most = block->greatest_unsigned;
    signed_pattern most_signed = (signed_pattern)block->greatest_signed;
    for (size_t i = 0; i < quarter; i++) {
        pattern b0 = bits_of(x0[i]), b1 = bits_of(x1[i]), b2 = bits_of(x2[i]), b3 = bits_of(x3[i]);
        signed_pattern s0 = (signed_pattern)b0, s1 = (signed_pattern)b1, s2 = (signed_pattern)b2,
                       s3 = (signed_pattern)b3;
        most = greater(most, greater(greater(b0, b1), greater(b2, b3)));
        most_signed =
            greater_signed(most_signed, greater_signed(greater_signed(s0, s1), greater_signed(s2, s3)));
        block->words[i] = code_at(b0, 0) | code_at(b1, 1) | code_at(b2, 2) | code_at(b3, 3);
    }
    block->greatest_unsigned = most;
    block->greatest_signed = (pattern)most_signed;
}

void VARIANT(block_encode)(struct block *block)
{
    block->greatest_unsigned = 0;
    block->greatest_signed = (pattern)1 << (REAL_BITS - 1);
    size_t quarter = block->count / 4;
    encode_quarters(block, quarter);
    code *codes = (code *)block->words;
    for (size_t i = 4 * quarter; i < block->count; i++) {
        pattern bits = bits_of(block->elements[i]);
        codes[i] = code_of(bits);
        block->greatest_unsigned = greater(block->greatest_unsigned, bits);
        block->greatest_signed =
            (pattern)greater_signed((signed_pattern)block->greatest_signed, (signed_pattern)bits);
    }
    for (size_t i = block->count; i % LANES != 0; i++)
        codes[i] = NON_FINITE;
    bool negatives_only = block->greatest_signed >> (REAL_BITS - 1);
    code positive = negatives_only ? 0 : code_of(block->greatest_signed);
    code negative = code_of(block->greatest_unsigned);
    block->greatest = positive > negative ? positive : negative;
}

static size_t vector_count(const struct block *block)
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
static void count_codes(const struct block *block, code first, const char *ahead, int64_t counts[4])
{
    const codes *vectors = (const codes *)block->words;
    const codes zero = {0};
    codes wanted0 = zero + first, wanted1 = wanted0 + 1, wanted2 = wanted0 + 2, wanted3 = wanted0 + 3;
    codes equal0 = zero, equal1 = zero, equal2 = zero, equal3 = zero;
    size_t count = vector_count(block);
    for (size_t i = 0; i < count; i++) {
        __builtin_prefetch(ahead + 64 * i);
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

static int bin_of(int exponent)
{
    int greatest = exponent < STABILITY_EXPONENT_MAX ? exponent : STABILITY_EXPONENT_MAX;
    return greatest > STABILITY_EXPONENT_MIN ? greatest : STABILITY_EXPONENT_MIN;
}

static void add_count(struct stability_statistics *statistics, int exponent, int64_t count)
{
    statistics->exponents[bin_of(exponent) - STABILITY_EXPONENT_MIN] += count;
}

static void widen_range(struct stability_statistics *statistics, int least, int greatest)
{
    least = bin_of(least);
    greatest = bin_of(greatest);
    statistics->least_exponent = least < statistics->least_exponent ? least : statistics->least_exponent;
    statistics->greatest_exponent =
        greatest > statistics->greatest_exponent ? greatest : statistics->greatest_exponent;
}

/* These return how many elements they counted: all those whose code is not 0. */
static int64_t count_by_comparing(struct block *block, code least, struct stability_statistics *statistics)
{
    int64_t counts[4], sum = 0;
    for (int first = least; first <= block->greatest; first += 4) {
        count_codes(block, (code)first, block->ahead, counts);
        block->ahead += block->ahead < block->ahead_end ? 64 * vector_count(block) : 0;
        for (int c = first; c < first + 4 && c <= block->greatest; c++) {
            add_count(statistics, c - BIAS, counts[c - first]);
            sum += counts[c - first];
        }
    }
    return sum;
}

/* As many tables as there are codes in a word, so that equal neighbours need not wait for each other. */
static int64_t count_by_table(struct block *block, code least, struct stability_statistics *statistics)
{
    enum { TABLES = sizeof(uint64_t) / sizeof(code) };
    uint16_t tables[TABLES][NON_FINITE + 1];
    size_t range = (size_t)(block->greatest - least) + 1;
    const code *codes = (const code *)block->words;
    for (int t = 0; t < TABLES; t++) {
        tables[t][0] = 0;
        memset(tables[t] + least, 0, range * sizeof **tables);
    }
    size_t i = 0;
    for (; i + TABLES <= block->count; i += TABLES) {
        uint64_t word;
        memcpy(&word, codes + i, sizeof word);
        __builtin_prefetch(block->ahead + i * sizeof(real));
        for (int t = 0; t < TABLES; t++)
            tables[t][word >> t * CODE_BITS & NON_FINITE]++;
    }
    for (; i < block->count; i++)
        tables[0][codes[i]]++;
    block->ahead = block->ahead_end;
    for (int t = 1; t < TABLES; t++)
        for (size_t c = least; c < least + range; c++)
            tables[0][c] = (uint16_t)(tables[0][c] + tables[t][c]);
    int64_t sum = 0;
    for (int c = least; c <= block->greatest; c++) {
        add_count(statistics, c - BIAS, tables[0][c]);
        sum += tables[0][c];
    }
    return sum;
}

/* The least code but 0, or NON_FINITE where there is no other. */
static code least_code(const struct block *block)
{
    const code *codes = (const code *)block->words;
    code least = NON_FINITE; /* of codes less 1, so that 0 becomes the greatest */
    for (size_t i = 0; i < block->count; i++) {
        code shifted = (code)((codes[i] - 1) & NON_FINITE);
        least = shifted < least ? shifted : least;
    }
    return least == NON_FINITE ? NON_FINITE : (code)(least + 1);
}

static int64_t count_normal(struct block *block, struct stability_statistics *statistics)
{
    /* Comparing is cheaper where its steps, vectors compared and lanes added, are less than those of tables.
     */
    enum { LANE_STEPS = 12, TABLE_STEPS = 512 };
    if (block->greatest == 0)
        return 0;
    code least = least_code(block);
    widen_range(statistics, least - BIAS, block->greatest - BIAS);
    size_t range = (size_t)(block->greatest - least + 1);
    bool compare = range * (vector_count(block) + LANE_STEPS) < block->count + TABLE_STEPS;
    return (compare ? count_by_comparing : count_by_table)(block, least, statistics);
}

static int64_t count_zeros(const struct block *block)
{
    pattern zeros = 0;
    for (size_t i = 0; i < block->count; i++)
        zeros += block->elements[i] == 0;
    return (int64_t)zeros;
}

static void count_zeros_and_subnormals(const struct block *block, int64_t count,
                                       struct stability_statistics *statistics)
{
    int64_t zeros = count_zeros(block);
    statistics->zero_count += zeros;
    statistics->subnormal_count += count - zeros;
    for (size_t i = 0; count > zeros && i < block->count; i++) {
        if (block->elements[i] == 0 || fabs(block->elements[i]) >= REAL_MIN)
            continue;
        int exponent = ilogb(block->elements[i]);
        add_count(statistics, exponent, 1);
        widen_range(statistics, exponent, exponent);
    }
}

static void discount_stand_ins(const struct block *block, struct stability_statistics *statistics)
{
    int64_t count = (int64_t)block->replaced;
    statistics->zero_count -= block->stand_in == 0 ? count : 0;
    if (block->stand_in == 0)
        return;
    statistics->subnormal_count -= fabs(block->stand_in) < REAL_MIN ? count : 0;
    add_count(statistics, ilogb(block->stand_in), -count);
}

bool VARIANT(block_count_exponents)(struct block *block, struct stability_statistics *statistics)
{
    int64_t zeros_before = statistics->zero_count;
    int64_t others = (int64_t)block->count - count_normal(block, statistics);
    if (others > 0)
        count_zeros_and_subnormals(block, others, statistics);
    bool has_zeros = statistics->zero_count > zeros_before;
    if (block->replaced > 0)
        discount_stand_ins(block, statistics);
    return has_zeros;
}
