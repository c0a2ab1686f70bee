/* Models that put one number that a rule looks at, at a wanted value. */
#ifndef TESTS_THRESHOLD_MODELS_H
#define TESTS_THRESHOLD_MODELS_H

#include "request_builder.h"

void log_sum_exp_is(struct builder *b, double value);
void input_rms_is(struct builder *b, double value);
void concentration_is(struct builder *b, double value);
void feature_ratio_is(struct builder *b, double value);
void twin_fraction_is(struct builder *b, double value);
void chain_shrinks_by(struct builder *b, double value);
void wrong_chain_shrinks_by(struct builder *b, double value);
void chain_grows_by(struct builder *b, double value);
void weight_excess_is(struct builder *b, double value);
void spread_is(struct builder *b, double value);
void token_spread_is(struct builder *b, double value);
void gradient_falls_by(struct builder *b, double value);
void gradient_through_time_is(struct builder *b, double value);
void a_step_of_gates_passes(struct builder *b, double value);
void update_ratio_is(struct builder *b, double value);
void overflow_fraction_is(struct builder *b, double value);
void underflow_fraction_is(struct builder *b, double value);
void underflow_at_loss(struct builder *b, double value);

#endif
