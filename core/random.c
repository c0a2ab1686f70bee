#include "core/random.h"

#include <math.h>
#include <string.h>

enum { LANES = 64 };

/* Philox keeps four words per block; here LANES blocks at a time, word by word. */
struct blocks {
    uint32_t words[4][LANES];
};

/* In builds for several instruction sets the loop over lanes is too; integers are the same in all. */
#ifdef RANDOM_CLONES
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
static void
philox_rounds(struct blocks *blocks, size_t count, const uint32_t key[2])
{
    uint32_t *w0 = blocks->words[0], *w1 = blocks->words[1], *w2 = blocks->words[2], *w3 = blocks->words[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < count; i++) {
            uint64_t a = UINT64_C(0xD2511F53) * w0[i];
            uint64_t b = UINT64_C(0xCD9E8D57) * w2[i];
            w0[i] = (uint32_t)(b >> 32) ^ w1[i] ^ k0;
            w1[i] = (uint32_t)b;
            w2[i] = (uint32_t)(a >> 32) ^ w3[i] ^ k1;
            w3[i] = (uint32_t)a;
        }
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
}

void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t output[4])
{
    struct blocks blocks;
    for (int i = 0; i < 4; i++)
        blocks.words[i][0] = counter[i];
    philox_rounds(&blocks, 1, key);
    for (int i = 0; i < 4; i++)
        output[i] = blocks.words[i][0];
}

uint64_t random_stream(uint64_t seed, const char *name)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325); /* FNV-1a */
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001B3);
    const uint32_t counter[4] = {(uint32_t)hash, (uint32_t)(hash >> 32), 0, 0};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t output[4];
    random_philox(counter, key, output);
    return (uint64_t)output[1] << 32 | output[0];
}

/* A block has two numbers; number i is half i % 2 of block i / 2. */
static void fill_blocks(uint64_t stream, uint64_t first_block, size_t count, uint64_t *bits)
{
    struct blocks blocks = {0};
    const uint32_t key[2] = {(uint32_t)stream, (uint32_t)(stream >> 32)};
    for (size_t i = 0; i < count; i++) {
        blocks.words[0][i] = (uint32_t)(first_block + i);
        blocks.words[1][i] = (uint32_t)((first_block + i) >> 32);
    }
    philox_rounds(&blocks, count, key);
    for (size_t i = 0; i < count; i++) {
        bits[2 * i] = (uint64_t)blocks.words[1][i] << 32 | blocks.words[0][i];
        bits[2 * i + 1] = (uint64_t)blocks.words[3][i] << 32 | blocks.words[2][i];
    }
}

void random_bits(uint64_t stream, uint64_t first, size_t count, uint64_t *bits)
{
    uint64_t pair[2];
    if (first % 2 && count) {
        fill_blocks(stream, first / 2, 1, pair);
        *bits++ = pair[1];
        first++;
        count--;
    }
    while (count >= 2) {
        size_t blocks = count / 2 < LANES ? count / 2 : LANES;
        fill_blocks(stream, first / 2, blocks, bits);
        bits += 2 * blocks;
        first += 2 * blocks;
        count -= 2 * blocks;
    }
    if (count) {
        fill_blocks(stream, first / 2, 1, pair);
        *bits = pair[0];
    }
}

/* The upper 52 bits as the fraction of a number in [1, 2), less 1. */
static double uniform_of_bits(uint64_t bits)
{
    uint64_t pattern = UINT64_C(0x3FF0000000000000) | bits >> 12;
    double value;
    memcpy(&value, &pattern, sizeof value);
    return value - 1.0;
}

void random_uniform(uint64_t stream, uint64_t first, size_t count, double *values)
{
    uint64_t bits[2 * LANES];
    for (size_t start = 0; start < count; start += 2 * LANES) {
        size_t length = count - start < 2 * LANES ? count - start : 2 * LANES;
        random_bits(stream, first + start, length, bits);
        for (size_t i = 0; i < length; i++)
            values[start + i] = uniform_of_bits(bits[i]);
    }
}

void random_normal(uint64_t stream, uint64_t first, size_t count, double *values)
{
    random_uniform(stream, first, count, values);
    for (size_t i = 0; i < count; i++)
        values[i] = random_normal_quantile(values[i] + 0x1p-53);
}

uint64_t random_below(uint64_t bits, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)bits * bound) >> 64);
}
