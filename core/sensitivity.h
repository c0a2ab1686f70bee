/* The gradient of one element of a value by the model's inputs, after a run that kept its values. */
#ifndef CORE_SENSITIVITY_H
#define CORE_SENSITIVITY_H

#include "core/run.h"

struct sensitivity {
    const struct run *run;
    void **gradients; /* by value; those of floating model inputs are the result */
    bool *depends;    /* by value: on a floating model input */
    void *workspace;
    void *part;             /* of a gradient */
    struct tensor *tensors; /* for one node's inputs, outputs and parameters */
};

/* For a run with RUN_KEEP that is open; memory comes from `arena`. False where there is none. */
bool sensitivity_open(struct sensitivity *sensitivity, const struct run *run, struct arena *arena);
/* Fills in the gradients. The run has been executed with the inputs in question. */
void sensitivity_find(struct sensitivity *sensitivity, int value, int64_t element);
/* Bytes that sensitivity_open takes. */
double sensitivity_bytes(const struct graph *graph);

#endif
