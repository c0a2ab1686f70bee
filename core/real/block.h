/* A stretch of a tensor that statistics walk over several times while it is in the first cache. */
#ifndef CORE_REAL_BLOCK_H
#define CORE_REAL_BLOCK_H

#include "core/real/real.h"
#include "core/statistics.h"

/* A number's bits, and its code: the biased exponent that they hold. 0 is the code of zeros and subnormals,
 * NON_FINITE that of infinities and NaN. */
#if REAL_BITS == 32
typedef uint32_t pattern;
typedef int32_t signed_pattern;
typedef uint8_t code;
enum { FRACTION_BITS = 23, CODE_BITS = 8, NON_FINITE = 0xFF, BIAS = 127 };
#else
typedef uint64_t pattern;
typedef int64_t signed_pattern;
typedef uint16_t code;
enum { FRACTION_BITS = 52, CODE_BITS = 16, NON_FINITE = 0x7FF, BIAS = 1023 };
#endif

#if defined __AVX512BW__
enum { VECTOR_BYTES = 64 };
#elif defined __AVX2__
enum { VECTOR_BYTES = 32 };
#else
enum { VECTOR_BYTES = 16 };
#endif

enum {
    LANES = VECTOR_BYTES / sizeof(code),
    /* Elements; 252 vectors of codes at most, which a lane of 8 bits can count. Quarters of it do not start
     * at the same place of a page, so that they don't push each other out of the cache. */
    BLOCK = 4032 * sizeof(float) / sizeof(real)
};

struct block {
    const real *elements;
    size_t count;      /* at most BLOCK */
    size_t replaced;   /* of these are `stand_in` in the place of what is not finite */
    real stand_in;     /* a finite number that is not beyond all others' extremes */
    const char *ahead; /* what is read next: each pass brings a part of it nearer */
    const char *ahead_end;
    pattern greatest_signed; /* the elements' bits, compared as signed and as unsigned integers */
    pattern greatest_unsigned;
    code greatest; /* of all codes */
    /* The codes, in no particular order; NON_FINITE from there to the end of the vector. */
    _Alignas(VECTOR_BYTES) pattern words[BLOCK / 4];
    real finite[BLOCK]; /* room for a copy with stand-ins */
};

/* Fills in what follows from elements and count. */
void VARIANT(block_encode)(struct block *block);

/* Adds to the exponents and to the counts of zeros and subnormals; all elements are finite, stand-ins do not
 * count. Returns whether any element is 0. */
bool VARIANT(block_count_exponents)(struct block *block, struct stability_statistics *statistics);

#endif
