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
static void count_codes(const struct block *block, code first, int64_t counts[4])
{
    const codes *vectors = (const codes *)block->words;
    const codes zero = {0};
    codes wanted0 = zero + first, wanted1 = wanted0 + 1, wanted2 = wanted0 + 2, wanted3 = wanted0 + 3;
    codes equal0 = zero, equal1 = zero, equal2 = zero, equal3 = zero;
    size_t count = vector_count(block);
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

static int64_t *bin_of(struct stability_statistics *statistics, int exponent)
{
    int bin = exponent - STABILITY_EXPONENT_MIN;
    bin = bin < 0 ? 0 : bin;
    return &statistics->exponents[bin < STABILITY_EXPONENT_COUNT ? bin : STABILITY_EXPONENT_COUNT - 1];
}

/* These return how many elements they counted: all those whose code is not 0. */
static int64_t count_by_comparing(const struct block *block, code least,
                                  struct stability_statistics *statistics)
{
    int64_t counts[4], sum = 0;
    for (int first = least; first <= block->greatest; first += 4) {
        count_codes(block, (code)first, counts);
        for (int c = first; c < first + 4 && c <= block->greatest; c++) {
            *bin_of(statistics, c - BIAS) += counts[c - first];
            sum += counts[c - first];
        }
    }
    return sum;
}

/* Four tables, so that equal neighbours need not wait for each other. */
static int64_t count_by_table(const struct block *block, code least, struct stability_statistics *statistics)
{
    uint16_t tables[4][NON_FINITE];
    const code *codes = (const code *)block->words;
    for (int t = 0; t < 4; t++) {
        memset(tables[t] + least, 0, (size_t)(block->greatest - least + 1) * sizeof **tables);
        tables[t][0] = 0;
    }
    for (size_t i = 0; i < block->count; i++)
        tables[i % 4][codes[i]]++;
    int64_t sum = 0;
    for (int c = least; c <= block->greatest; c++) {
        int64_t count = tables[0][c] + tables[1][c] + tables[2][c] + tables[3][c];
        *bin_of(statistics, c - BIAS) += count;
        sum += count;
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

static int64_t count_normal(const struct block *block, struct stability_statistics *statistics)
{
    /* Comparing is cheaper where its steps, vectors compared and lanes added, are less than TABLE_STEPS an
     * element. */
    enum { TABLE_STEPS = 8, LANE_STEPS = 12 };
    if (block->greatest == 0)
        return 0;
    code least = least_code(block);
    size_t range = (size_t)(block->greatest - least + 1);
    bool compare = range * (vector_count(block) + LANE_STEPS) < TABLE_STEPS * block->count;
    return (compare ? count_by_comparing : count_by_table)(block, least, statistics);
}

static int64_t count_zeros(const struct block *block)
{
    pattern zeros = 0;
    for (size_t i = 0; i < block->count; i++)
        zeros += block->elements[i] == 0;
    return (int64_t)zeros;
}

int64_t VARIANT(block_count_exponents)(const struct block *block, struct stability_statistics *statistics)
{
    int64_t others = (int64_t)block->count - count_normal(block, statistics);
    if (others == 0)
        return 0;
    int64_t zeros = count_zeros(block);
    statistics->zero_count += zeros;
    statistics->subnormal_count += others - zeros;
    for (size_t i = 0; others > zeros && i < block->count; i++)
        if (block->elements[i] != 0 && fabs(block->elements[i]) < REAL_MIN)
            ++*bin_of(statistics, ilogb(block->elements[i]));
    return zeros;
}
