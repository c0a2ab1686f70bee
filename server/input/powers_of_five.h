/* The table that number parsing multiplies by; written by script/powers-of-five. */
#ifndef SERVER_INPUT_POWERS_OF_FIVE_H
#define SERVER_INPUT_POWERS_OF_FIVE_H

#include <stdint.h>

#define POWER_OF_FIVE_SMALLEST (-342)
#define POWER_OF_FIVE_LARGEST 308

/* The leading 128 bits of 5^q: high >= 2^63. Truncated, but rounded up for -27 <= q < 0. */
struct power_of_five {
    uint64_t high;
    uint64_t low;
};

/* powers_of_five[q - POWER_OF_FIVE_SMALLEST] */
extern const struct power_of_five powers_of_five[POWER_OF_FIVE_LARGEST - POWER_OF_FIVE_SMALLEST + 1];

#endif
