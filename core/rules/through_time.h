/* Gradients through the time steps of recurrent layers. */
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

/* The same of an LSTM or a GRU, measured: per_step is the geometric mean of the factors between steps, as far
 * back as the gradient is no rounding. It does not apply to fewer than 16 steps or 8 units, where chance
 * decides. */
struct through_time through_gates_of(const struct rule_context *context, int node);

#endif
