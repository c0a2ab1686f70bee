/* Random numbers from a counter, not a state: number i of a stream is a function of the seed, the stream's
 * name and i, so it is the same in whatever order and on whatever machine it is drawn. */
#ifndef CORE_RANDOM_H
#define CORE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* One block of Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11). */
void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t output[4]);

/* The stream that belongs to `name` ("fc1.weight", "input") under a seed. */
uint64_t random_stream(uint64_t seed, const char *name);

/* Numbers first, first + 1, ... of a stream, `count` of them. */
void random_bits(uint64_t stream, uint64_t first, size_t count, uint64_t *bits);

/* Likewise, uniform on [0, 1): multiples of 2^-52. */
void random_uniform(uint64_t stream, uint64_t first, size_t count, double *values);

/* Likewise, standard normal: quantiles of uniform numbers, within ±8.21. */
void random_normal(uint64_t stream, uint64_t first, size_t count, double *values);

/* Maps random bits to an integer of [0, bound), 0 < bound; the bias is below bound / 2^64. */
uint64_t random_below(uint64_t bits, uint64_t bound);

/* The standard normal distribution function and, for 0 < p < 1, its inverse; relative error about 1e-15.
 * Their bits depend on neither the C library nor the processor: only + - * / and square roots are used, which
 * IEEE 754 defines to the last bit. */
double random_normal_distribution(double x);
double random_normal_quantile(double p);

#endif
