/* Hashes of the branches that a kernel took: a sum of one pseudo-random number for each element that is on
 * the upper side, so that it vectorises and two different patterns have the same sum only with probability
 * 2^-64. */
#ifndef REAL_SWITCHES_H
#define REAL_SWITCHES_H

#include "core/real/real.h"

/* splitmix64's finaliser (Steele, Lea, Flood 2014): element `i` on branch `choice`. */
static inline uint64_t switch_number(uint64_t i, uint64_t choice)
{
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u + choice * 0xd1b54a32d192ed03u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Which of x's elements lie above `threshold`. */
static inline uint64_t switches_above(const real *x, int64_t count, real threshold)
{
    uint64_t hash = 0;
    for (int64_t start = 0; start < count; start += 64) {
        int64_t length = count - start < 64 ? count - start : 64;
        uint64_t above = 0;
        for (int64_t i = 0; i < length; i++)
            above |= (uint64_t)(x[start + i] > threshold) << i;
        hash += switch_number((uint64_t)start, above);
    }
    return hash;
}

/* Which of x's elements lie below `low`, between, or above `high`. */
static inline uint64_t switches_between(const real *x, int64_t count, real low, real high)
{
    return switches_above(x, count, low) * 3 + switches_above(x, count, high);
}

/* Which index each output chose. */
static inline uint64_t switches_of_choices(const int32_t *choices, int64_t count)
{
    uint64_t hash = 0;
    for (int64_t i = 0; i < count; i++)
        hash += switch_number((uint64_t)i, (uint64_t)choices[i]);
    return hash;
}

#endif
