/* What rules and analyses ask of tensors beyond their statistics, taken while a run goes on: mostly from
 * samples, so that it costs next to nothing. NaN: not measured. */
#ifndef CORE_PROBE_H
#define CORE_PROBE_H

#include "core/run.h"

/* Of a value. */
struct value_probe {
    /* Along the batch: root mean square distance of samples from their mean, relative to that of samples from
     * 0. 0: all are the same, 1: their mean is 0. */
    double spread;
    double token_spread; /* values of rank 3: the same along dimension 1, within each sample */
    /* What a layer with weights reads of data that no other layer with weights has read before: */
    bool raw;
    double rms;
    double
        feature_ratio; /* greatest root mean square of a unit over the median of those that are not all 0 */
    int64_t feature;   /* which unit that is */
};

/* Of a weight: a parameter of two or more dimensions. Rows lie along dimension 0, columns are what is left.
 */
struct weight_probe {
    double twin_fraction;  /* rows that equal another row in their values, and in their gradients too */
    double equal_fraction; /* rows that equal another row in their values, and are not 0 */
    double orthogonality;  /* greatest |cosine| of two of up to 8 rows (columns, where there are fewer) */
    double length_spread;  /* greatest over least length of these, less 1 */
};

struct loss_probe {
    bool has_target; /* the target holds reals */
    struct stability_statistics target;
    bool target_is_constant; /* also of indices */
    double first_target;
    double
        log_sum_exp; /* greatest |log sum_c exp(x_c)| over rows of the first input: 0 for log-probabilities */
};

struct probes {
    struct value_probe *values;   /* by value */
    struct weight_probe *weights; /* by parameter slot */
    double *input_squares;        /* by model input: second moment; NaN: indices */
    bool samples_are_equal; /* of every model input, exactly; false where one has no dimension of samples */
    struct loss_probe loss;
};

/* False where memory ran out. */
bool probes_prepare(struct probes *probes, const struct graph *graph, struct arena *arena);
/* Once a run is open. */
void probe_inputs(struct probes *probes, const struct run *run);
void probe_weight(struct probes *probes, const struct run *run, int slot);
/* Once a node has run forward. */
void probe_node(struct probes *probes, const struct run *run, int node);
/* Once the gradient of a weight is complete. */
void probe_weight_gradient(struct probes *probes, const struct run *run, int slot);
/* While the inputs of the loss are there. */
void probe_loss(struct probes *probes, const struct run *run);

#endif
