/* Vectors that are sampled from a tensor. */
#ifndef CORE_SAMPLES_H
#define CORE_SAMPLES_H

#include <stdint.h>

enum { SAMPLE_VECTORS = 8 };

/* Element k of vector i is at start + i * step + k * stride. */
struct sample_vectors {
    int64_t start;
    int64_t count;
    int64_t step;
    int64_t length;
    int64_t stride;
};

#endif
