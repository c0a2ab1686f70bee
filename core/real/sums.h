/* Sums and extremes over contiguous reals, in lanes that a compiler keeps in vector registers; sums are
 * accumulated in float64. The result depends on the number of elements alone, never on where they lie. */
#ifndef REAL_SUMS_H
#define REAL_SUMS_H

#include "core/real/real.h"

enum { SUM_LANES = 16 };

/* Pairwise, so that the order does not depend on how a loop is unrolled. */
static inline double sum_lanes(const double *lanes)
{
    double halves[SUM_LANES / 2];
    for (int i = 0; i < SUM_LANES / 2; i++)
        halves[i] = lanes[i] + lanes[i + SUM_LANES / 2];
    return ((halves[0] + halves[4]) + (halves[1] + halves[5])) +
           ((halves[2] + halves[6]) + (halves[3] + halves[7]));
}

/* Σ x; 0 over nothing. */
static inline double sum_of(const real *x, int64_t count)
{
    double lanes[SUM_LANES] = {0};
    int64_t i = 0;
    for (; i + SUM_LANES <= count; i += SUM_LANES)
        for (int lane = 0; lane < SUM_LANES; lane++)
            lanes[lane] += (double)x[i + lane];
    for (int lane = 0; i < count; i++, lane++)
        lanes[lane] += (double)x[i];
    return sum_lanes(lanes);
}

/* Σ a b */
static inline double sum_of_products(const real *a, const real *b, int64_t count)
{
    double lanes[SUM_LANES] = {0};
    int64_t i = 0;
    for (; i + SUM_LANES <= count; i += SUM_LANES)
        for (int lane = 0; lane < SUM_LANES; lane++)
            lanes[lane] += (double)a[i + lane] * (double)b[i + lane];
    for (int lane = 0; i < count; i++, lane++)
        lanes[lane] += (double)a[i] * (double)b[i];
    return sum_lanes(lanes);
}

/* Σ (x - center)² */
static inline double sum_of_squares(const real *x, int64_t count, double center)
{
    double lanes[SUM_LANES] = {0};
    int64_t i = 0;
    for (; i + SUM_LANES <= count; i += SUM_LANES)
        for (int lane = 0; lane < SUM_LANES; lane++) {
            double distance = (double)x[i + lane] - center;
            lanes[lane] += distance * distance;
        }
    for (int lane = 0; i < count; i++, lane++)
        lanes[lane] += ((double)x[i] - center) * ((double)x[i] - center);
    return sum_lanes(lanes);
}

/* The greater of two; NaN where either is NaN. */
static inline real greater_of(real a, real b)
{
    return a > b || isnan(a) ? a : b;
}

/* Comparing vectors is written out: no compiler here finds it by itself. */
#ifdef __AVX2__
typedef real sums_vector __attribute__((vector_size(32), aligned(sizeof(real)), may_alias));
#else
typedef real sums_vector __attribute__((vector_size(16), aligned(sizeof(real)), may_alias));
#endif
enum { SUMS_VECTOR = sizeof(sums_vector) / sizeof(real) };

static inline sums_vector greater_vector(sums_vector a, sums_vector b)
{
    __auto_type takes_a = (a > b) | (a != a);
    return (sums_vector)(((__typeof__(takes_a))a & takes_a) | ((__typeof__(takes_a))b & ~takes_a));
}

/* greatest[i] = the greater of it and x[i]; NaN where either is NaN. */
static inline void greater_of_each(real *greatest, const real *x, int64_t count)
{
    int64_t i = 0;
    for (; i + SUMS_VECTOR <= count; i += SUMS_VECTOR)
        *(sums_vector *)(greatest + i) =
            greater_vector(*(const sums_vector *)(x + i), *(const sums_vector *)(greatest + i));
    for (; i < count; i++)
        greatest[i] = greater_of(x[i], greatest[i]);
}

/* The greatest of x, -Infinity over nothing; NaN where any element is NaN. */
static inline real greatest_of(const real *x, int64_t count)
{
    sums_vector even = (sums_vector){0} - INFINITY;
    sums_vector odd = even;
    int64_t i = 0;
    for (; i + 2 * SUMS_VECTOR <= count; i += 2 * SUMS_VECTOR) {
        even = greater_vector(*(const sums_vector *)(x + i), even);
        odd = greater_vector(*(const sums_vector *)(x + i + SUMS_VECTOR), odd);
    }
    even = greater_vector(even, odd);
    real greatest = even[0];
    for (int lane = 1; lane < SUMS_VECTOR; lane++)
        greatest = greater_of(even[lane], greatest);
    for (; i < count; i++)
        greatest = greater_of(x[i], greatest);
    return greatest;
}

#endif
