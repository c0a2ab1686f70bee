/* The mask of a dropout: a function of a stream and of the element's index in it, so that the backward pass
 * draws it again. */
#ifndef LAYERS_DROPOUT_H
#define LAYERS_DROPOUT_H

#include "core/random.h"
#include "core/real/real.h"

/* to = from m / (1 - p) with m = 0 with probability p, else 1, for elements first, first + 1 ... of a stream;
 * `first` is even, `to` may be `from`. Multiplied also where m is 0, so that a NaN stays one, as in PyTorch.
 */
static inline void dropout_apply(uint64_t stream, uint64_t first, double p, const real *from, real *to,
                                 int64_t count)
{
    enum { CHUNK = 1024 };
    uint32_t bound = p < 1 ? (uint32_t)(p * 0x1p32) : 0;
    real scale = p < 1 ? (real)(1 / (1 - p)) : 0;
    uint64_t bits[CHUNK / 2]; /* each decides for two elements */
    uint32_t drawn[CHUNK] = {0};
    for (int64_t start = 0; start < count; start += CHUNK) {
        int64_t length = count - start < CHUNK ? count - start : CHUNK;
        random_bits(stream, (first + (uint64_t)start) / 2, (size_t)(length + 1) / 2, bits);
        for (int64_t k = 0; k < (length + 1) / 2; k++) {
            drawn[2 * k] = (uint32_t)bits[k];
            drawn[2 * k + 1] = (uint32_t)(bits[k] >> 32);
        }
        for (int64_t i = 0; i < length; i++)
            to[start + i] = from[start + i] * (drawn[i] < bound ? 0 : scale);
    }
}

#endif
