/* Central differences of the loss with error control. */
#ifndef GRADCHECK_DERIVATIVE_H
#define GRADCHECK_DERIVATIVE_H

#include "core/gradcheck/evaluator.h"

/* How the derivatives of one parameter are taken. */
struct difference_scheme {
    double step;
    double curvature; /* of the truncation error: error = curvature * step^2 */
    double noise;     /* standard deviation of the rounding error of one loss */
    bool fixed;       /* the caller set the step */
};

struct derivative {
    double value;
    double uncertainty;
    bool at_kink; /* the step crosses a kink: `left` and `right` are the one-sided derivatives, value is their
                     mean */
    double left;
    double right;
};

/* Finds noise and step for the parameter that the evaluator has selected, from a few of its elements
 * (`probes`). epsilon > 0 fixes the step. */
struct difference_scheme difference_choose(struct evaluator *evaluator, double epsilon, const int64_t *probes,
                                           int probe_count);

/* The derivative along one element, or along `direction` (element < 0). Refined where it does not agree with
 * one of the `expected_count` values in `expected`: only a disagreement needs a better number. */
struct derivative difference_take(struct evaluator *evaluator, const struct difference_scheme *scheme,
                                  int64_t element, const double *direction, const double *expected,
                                  int expected_count);

#endif
