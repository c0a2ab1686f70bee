/* One forward and one backward pass over a graph, in one block of memory.
 *
 * Steps: node i runs forward at step i; with n nodes the loss runs forward at n and backward at n + 1; node i
 * runs backward at 2n + 1 - i. */
#ifndef CORE_RUN_H
#define CORE_RUN_H

#include "core/graph.h"
#include "core/memory.h"

enum run_flags {
    RUN_ONCE = 0,     /* memory is used again as soon as what it holds is read for the last time */
    RUN_KEEP = 1,     /* all values, what layers saved and all parameter gradients stay until run_close */
    RUN_NO_DROPS = 2, /* no dropout, also in training */
    RUN_OWN = 4,      /* weights and data are copies, which may be written to */
    RUN_KEEP_GRADIENTS = 8 /* the gradients of all values stay until run_close */
};

/* Which buffer every tensor lives in. -1: none, or the request's own memory. */
struct run_plan {
    const struct graph *graph;
    int flags; /* enum run_flags */
    struct memory_plan memory;
    int64_t in_place;         /* bytes of the request's tensors that are used where they are */
    int *values;              /* by value */
    int *value_gradients;     /* by value */
    int *parameters;          /* by parameter slot */
    int *parameter_gradients; /* by parameter slot; shared ones have their owner's */
    int *saved;               /* by node */
    int *forward_workspace;   /* by node */
    int *backward_workspace;  /* by node */
    int *contributions;   /* by input of a node, in the order of nodes: where a further reader of a value puts
                             its   part of the gradient before it is added; -1: straight into the gradient */
    int *parameter_parts; /* by parameter slot: the same for further users of shared parameters */
    int *loss_contributions; /* by input of the loss */
    int loss_saved;
    int loss_forward_workspace;
    int loss_backward_workspace;
    int target;
    int init_workspace;
};

/* Plans a run of the graph; the memory of the plan itself comes from `arena`. */
bool run_plan_make(struct run_plan *plan, const struct graph *graph, int flags, struct arena *arena,
                   struct stability_error *error);

/* What is told while a run goes on; each may be NULL. Tensors are valid during the call. */
struct run_observer {
    void *context;
    void (*forward)(void *context, int node);          /* its outputs are there */
    void (*output_gradients)(void *context, int node); /* those of its outputs are complete */
    void (*backward)(void *context, int node);         /* its backward pass has run */
    void (*parameter_gradient)(void *context, int node, int parameter); /* complete, shared ones once */
};

struct run {
    const struct graph *graph;
    const struct run_plan *plan;
    void *memory; /* what was allocated, and in it ... */
    void *block;  /* ... the block, aligned to 64 */
    struct arena arena;
    struct tensor *values;              /* by value */
    struct tensor *value_gradients;     /* by value */
    struct tensor *parameters;          /* by parameter slot */
    struct tensor *parameter_gradients; /* by parameter slot */
    struct layer_pass *passes;          /* by node */
    struct loss_pass loss_pass;
    double loss;
    bool stopped; /* by the caller's progress, while tensors were drawn */
};

/* Takes the memory, converts and draws weights and data. False, with CANCELLED, also where options.progress
 * said stop. run_close in both cases. */
bool run_open(struct run *run, const struct run_plan *plan, struct stability_error *error);
/* Runs all steps. False where options.progress said stop. */
bool run_execute(struct run *run, const struct run_observer *observer, struct stability_error *error);
/* The forward pass and the loss alone; gradients stay as they are. */
bool run_forward(struct run *run, const struct run_observer *observer, struct stability_error *error);
void run_close(struct run *run);

#endif
