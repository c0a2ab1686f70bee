/* What is only a consequence of something else: such numbers are no findings of their own. */
#ifndef RULES_CONSEQUENCE_H
#define RULES_CONSEQUENCE_H

#include "core/rule.h"

/* Whether a tensor of this layer is not finite, and so says nothing: non-finite has told of it. */
bool is_poisoned(const struct stability_layer_report *layer);

/* By value, in the context's memory: whether every path from it to the loss leads through a weight that is
 * exactly 0, or a product with a gate made of parameters alone that is at most 1e-4, as in residual branches
 * that start at 0 (zero-initialised normalisations, ReZero, LayerScale). Its gradient is then 0, or next to
 * it, by construction. NULL where memory ran out. */
const bool *silenced_values(struct rule_context *context);

/* By value: whether a layer with weights comes between it and the loss. NULL where memory ran out. */
const bool *read_by_weights(struct rule_context *context);

/* Whether a layer is a BatchNorm that normalises single elements, a batch of one: it puts out its bias
 * whatever comes in, and passes no gradient. */
bool is_single_element_norm(const struct rule_context *context, int node);
/* The first of them from `node` on; -1: none. */
int single_element_norm_behind(const struct rule_context *context, int node);

/* Whether a layer puts out numbers of a root mean square for which exploding-activation speaks by default. */
bool is_large(const struct stability_layer_report *layer);
/* The first normalisation from `node` on that passes a hundredth of its gradient or less, since what it reads
 * is large, and it divides by its size; -1: none. */
int shrinking_norm_behind(const struct rule_context *context, int node);
/* Whether such a normalisation leaves a large layer a gradient that vanishing-gradient calls an error by
 * default. */
bool is_starved(const struct rule_context *context, int node);

/* The first activation behind `node` all of whose units, or nearly all, are dead; -1: none. */
int dead_layer_behind(const struct rule_context *context, int node);

#endif
