/* Gradients through the time steps of a vanilla RNN. */
#ifndef RULES_THROUGH_TIME_H
#define RULES_THROUGH_TIME_H

#include "core/rule.h"

/* What a gradient at the last step is multiplied by on its way to the first. */
struct through_time {
    bool applies;    /* an RNN of several steps, of which the loss reads the last ones alone */
    double per_step; /* sqrt(hidden_size * variance of weight_hh) times the root mean square slope of its
                        activation */
    int64_t steps;
    double factor; /* per_step to the power of steps - 1 */
};
struct through_time through_time_of(const struct rule_context *context, int node);

#endif
