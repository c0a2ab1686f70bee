/* A checked request that is run many times: with changed parameters, inputs or precision, while the diagnosis
 * and its report stay as they are.
 *
 *     struct trial trial;
 *     bool done = trial_plan(&trial, request, &(struct trial_options){0}, error) &&
 *                 trial_admit(&trial, "the analysis 'x'", own_bytes, error) && trial_open(&trial, error);
 *     done = done && trial_execute(&trial, NULL, error);
 *     ... trial.run.loss, trial.run.parameters[slot], trial.run.parameter_gradients[slot] ...
 *     trial_close(&trial);
 *
 * The caller owns the struct, which must not be moved between trial_plan and trial_close: what is in it
 * points into it. The trial owns its graph, its plan and one block of memory with all tensors. The request,
 * and the tensors and texts that it points to, are borrowed until trial_close and never written to. A trial
 * belongs to one thread. */
#ifndef CORE_TRIAL_H
#define CORE_TRIAL_H

#include "core/run.h"

struct trial_options {
    int flags; /* enum run_flags beside RUN_KEEP, which every trial has */
    bool change_precision;
    enum stability_precision precision; /* where change_precision; else the request's */
    bool input_gradients; /* also the gradients of the model's floating inputs: run.value_gradients[i], i
                             below graph.model_input_count; they stay as RUN_KEEP_GRADIENTS makes them stay */
    bool resettable;      /* a copy of the parameters is kept for trial_reset */
};

struct trial {
    struct stability_request request; /* the request's options with the trial's precision and progress */
    const struct stability_request *original;
    struct trial_options options;
    struct graph graph;
    struct run_plan plan;
    struct run run;    /* tensors by value and by parameter slot; see core/run.h */
    void *start;       /* where resettable: the parameters as they were when it was opened, slot after slot */
    const char *stage; /* what options.progress is told; NULL: "forward" and "backward" */
    int64_t executed;  /* executions so far ... */
    int64_t planned;   /* ... of so many, for progress; 0: each one is told of by itself */
};

/* Checks the request again in the trial's precision and plans the memory; nothing is computed. trial_close in
 * both cases. */
bool trial_plan(struct trial *trial, const struct stability_request *request,
                const struct trial_options *options, struct stability_error *error);
/* Bytes that trial_open takes. After trial_plan. */
double trial_bytes(const struct trial *trial);
/* Refuses what would take more than options.limits.bytes: the trial's and `own` bytes that the caller needs
 * beside it. `what` begins the message. */
bool trial_admit(const struct trial *trial, const char *what, double own, struct stability_error *error);

/* Takes the memory, converts and draws weights and data. All parameters and inputs are the trial's own with
 * RUN_OWN, and may be written to; without it those that were sent in the trial's precision are the request's,
 * and must not. */
bool trial_open(struct trial *trial, struct stability_error *error);

/* Forward pass, loss and backward pass; observer may be NULL. False where options.progress said stop. */
bool trial_execute(struct trial *trial, const struct run_observer *observer, struct stability_error *error);
/* Forward pass and loss alone; gradients stay as they are. */
bool trial_forward(struct trial *trial, const struct run_observer *observer, struct stability_error *error);

/* What Dropout draws from now on: in step 0, which a new trial is at, what the diagnosis draws. */
void trial_set_step(struct trial *trial, int64_t step);
/* How far the trained parameters, all together, are from where they were when it was opened, in L2 and over
 * their length then. Where resettable. */
double trial_change(const struct trial *trial);
/* Puts the parameters back to what they were when the trial was opened, and goes to step 0. Where resettable;
 * needs RUN_OWN. */
void trial_reset(struct trial *trial);

void trial_close(struct trial *trial);

/* Whether this slot is a tensor that training changes: not a buffer, not the further use of a shared one, and
 * the loss depends on it. After trial_open. */
bool trial_is_trained(const struct trial *trial, int node, int parameter);

#endif
