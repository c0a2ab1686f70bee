/* Expectations over a Gaussian pre-activation z ~ N(0, q) of an elementwise activation f, computed through
 * the type's own forward and backward kernels. */
#ifndef CORE_EXPECTATION_H
#define CORE_EXPECTATION_H

#include "core/graph.h"

/* Points z and weights of a standard Gaussian: composite Gauss-Legendre quadrature on panels that shrink
 * towards 0, over ten standard deviations. Sums are exact to rounding for functions that are smooth but for a
 * kink at 0, whatever their scale. */
enum { GAUSSIAN_NODES = 12, GAUSSIAN_PANELS = 18, GAUSSIAN_POINTS = 2 * GAUSSIAN_NODES * GAUSSIAN_PANELS };
struct gaussian {
    double points[GAUSSIAN_POINTS];
    double weights[GAUSSIAN_POINTS];
};
/* Computed once; may be called from several threads. */
const struct gaussian *gaussian_standard(void);

struct expectation {
    double mean;              /* E f(z) */
    double square;            /* E f(z)^2: the second moment of the output */
    double derivative_square; /* E f'(z)^2: the factor of the gradient's second moment */
};

/* Of the activation that `node` is. */
struct expectation expectation_of(const struct gaussian *gaussian, const struct graph_node *node, double q);
/* Without derivative_square. */
struct expectation expectation_of_values(const struct gaussian *gaussian, const struct graph_node *node,
                                         double q);

/* That of factor * f + shift. */
struct expectation expectation_scaled(struct expectation expectation, double factor, double shift);

/* f(0), the root mean square of f' on both sides of 0, and f' to the right of it. */
struct linear_regime {
    double value;
    double derivative;
    double right;
};
struct linear_regime linear_regime_of(const struct graph_node *node);

#endif
