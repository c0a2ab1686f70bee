/* What the rules on gradient norms share. */
#ifndef RULES_GRADIENT_H
#define RULES_GRADIENT_H

#include "core/rule.h"

/* The gradient norms that speak for a layer: of its output, and of its weights of two or more dimensions.
 * Those of biases are left out: before a normalisation they are zero but for rounding; so are those of
 * weights that are exactly 0 where the output's is not: their input is 0 (the state that a sequence of one
 * step starts from). */
struct gradient_norms {
    bool any;
    bool finite;
    double least;
    double greatest;
};
struct gradient_norms gradient_norms_of(const struct stability_layer_report *layer);

/* Norm of the gradient at the first layer that the loss reads: where the backward pass starts. NaN where the
 * loss reads no layer's output. */
double gradient_norm_at_loss(const struct rule_context *context);

#endif
