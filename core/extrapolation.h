/* Derivatives of a vector function along a direction, by central differences with Richardson's extrapolation:
 *
 *     f'(x) v = (4 D(h) - D(2 h)) / 3 + O(h^4),   D(h) = (f(x + h v) - f(x - h v)) / 2 h.
 *
 * The step is chosen with the first direction: it goes down until truncation, which falls with it, and
 * rounding, which grows, are smallest together, which shows in how well neighbours agree. Later it becomes
 * smaller where it crosses a kink. */
#ifndef CORE_EXTRAPOLATION_H
#define CORE_EXTRAPOLATION_H

#include "core/arena.h"

#include <stdbool.h>
#include <stdint.h>

struct extrapolation {
    int64_t count; /* elements of f */
    void *context;
    /* value (count) = f(x + step * direction). *smooth becomes false where there is a kink between that point
     * and x. False where the work is to be stopped. */
    bool (*evaluate)(void *context, const double *direction, double step, double *value, bool *smooth);
    double step;        /* relative to `unit`; 0: not chosen yet */
    double error;       /* of a product, relative, about */
    bool at_kink;       /* however small the step, it crosses a kink */
    double *difference; /* (count) */
    double *value;      /* (count) */
    double *candidates; /* (2, count) */
};

/* Bytes that extrapolation_open takes. */
double extrapolation_bytes(int64_t count);
/* `count`, `context` and `evaluate` are set. False where there is no memory. */
bool extrapolation_open(struct extrapolation *extrapolation, struct arena *arena);
/* product (count) = f'(x) direction; `unit` is how far one may go along the direction to have moved by about
 * the size of x. False where `evaluate` said stop. */
bool extrapolation_take(struct extrapolation *extrapolation, const double *direction, double unit,
                        double *product);

/* Euclidean. */
double extrapolation_length(const double *x, int64_t count);

#endif
