/* Intervals through a run: what every output and every gradient can be where the inputs lie in given ranges
 * and the weights near those that were sent.
 *
 * What is claimed of an operation holds where the operations before it gave finite numbers: bounds that are
 * not finite are taken back to the greatest finite numbers before they are handed on. So where no operation
 * can give a number that is not finite, none arises in the run; and one that can is the first of its path. */
#ifndef CORE_RANGES_H
#define CORE_RANGES_H

#include "core/run.h"

struct range {
    double low;
    double high;
};

/* One pass of one layer, or of the loss. */
struct range_operation {
    int node; /* -1: the loss */
    bool backward;
    bool runs;    /* backward: whether it has gradients to compute */
    bool bounded; /* its type says how to bound it */
    bool safe;    /* all results are finite */
    /* Results: outputs, or gradients of inputs; low > high: none. */
    struct range result;
    struct range parameters; /* backward: gradients of parameters; low > high: none */
    struct range operand;    /* inputs, or backward the gradients that arrive */
    /* Where not safe. */
    const char *where;        /* "the output", "the gradient of its input", "the gradient of 'weight'" */
    struct layer_place place; /* the first element whose bounds are not finite */
    struct stability_shape shape;
    const char *how; /* what can happen; NULL: nothing is known but the bounds */
};

struct ranges_declared {
    const struct range *inputs; /* by model input; of integers nothing is read: they are what was sent */
    double weight_radius;       /* of each element of a parameter that is no buffer */
};

struct ranges {
    const struct run *run;
    struct interval_tensor *values;     /* by value */
    struct interval_tensor *gradients;  /* by value; data NULL: none */
    struct interval_tensor *parameters; /* by slot */
    struct range_operation *forward;    /* by node */
    struct range_operation *backward;   /* by node */
    struct range_operation loss;
    struct range_operation loss_backward;
    struct arena arena;
};

/* Propagates through a run with RUN_KEEP that is open; its tensors are read, never written. False with the
 * error where memory ran out or options.progress said stop. ranges_free in both cases. */
bool ranges_propagate(struct ranges *ranges, const struct run *run, const struct ranges_declared *declared,
                      struct stability_error *error);
void ranges_free(struct ranges *ranges);

/* Bytes that ranges_propagate takes. */
double ranges_bytes(const struct graph *graph);

/* What the batch spans: of the finite elements of a model input. */
struct range ranges_of_data(const struct run *run, int input);

#endif
