/* Training a request's model on its one batch, to see what becomes of it. */
#ifndef CORE_TRAINING_H
#define CORE_TRAINING_H

#include "core/optimizer.h"

struct training_settings {
    int64_t steps; /* at least 1 */
    struct optimizer_settings optimizer;
};

/* What became of it; the earlier ones weigh more. */
enum training_outcome {
    TRAINING_DIVERGED, /* the loss rises above four times its start, and stays there or stops being finite */
    TRAINING_NON_FINITE,  /* the loss, a gradient or a weight is NaN or infinite */
    TRAINING_OSCILLATION, /* the loss goes up and down and does not fall */
    TRAINING_NO_PROGRESS, /* the loss, or all but nothing of loss and weights, has moved */
    TRAINING_PROGRESS,
    TRAINING_OUTCOME_COUNT
};

/* "diverged", "non_finite", "oscillation", "no_progress", "progress" */
const char *training_outcome_name(enum training_outcome outcome);

struct training_event {
    enum training_outcome outcome;
    int64_t step;        /* from 1; of no_progress and progress the last one */
    const char *message; /* what was seen, with numbers */
};

/* One step: what the forward and backward pass gave, then what the optimizer did. */
struct training_step {
    double loss;          /* before the step */
    double gradient_norm; /* L2 over all parameters, before clipping */
    double change;        /* L2 of the step over that of all trained parameters; NaN where they are all 0 */
    bool clipped;
};

/* A layer's trained parameters. */
struct training_layer {
    int node;
    double *changes; /* by step: L2 of what the step changed over that of the layer's parameters */
};

struct training_result {
    const char *optimizer; /* its name */
    double learning_rate;
    bool is_given;      /* by the settings or by the request's options */
    int64_t step_count; /* steps taken: fewer than asked for where something ceased to be finite */
    struct training_step *steps;
    int layer_count;
    struct training_layer *layers;
    double initial_loss;
    double final_loss; /* after the last step, with what Dropout drew in the first one */
    double noise;    /* standard deviation of the initial loss over what Dropout draws; 0: nothing is drawn */
    double change;   /* L2 distance of the trained parameters from where they began, over their length then */
    int event_count; /* at least one: the first one is the outcome */
    struct training_event events[TRAINING_OUTCOME_COUNT];
    /* Of the gradient norms of the steps before the loss diverged, oscillated or ceased to be finite: */
    int64_t sound_steps;
    double median_norm; /* NaN: there are none */
    double greatest_norm;
    double suggested_clip; /* a max_norm; NaN: no norm to tell it from */
    const char *suggested_how;
};

/* Bytes that training takes beside the trial's, for a graph. */
double training_bytes(const struct graph *graph, const struct training_settings *settings);

/* Runs the request's model, batch and mode in its precision for so many steps; Dropout draws anew in each.
 * The result is in the arena. False with the error where it could not be run, was cancelled, or needs more
 * memory than options.limits. */
bool training_run(const struct stability_request *request, const struct training_settings *settings,
                  struct arena *arena, struct training_result *result, struct stability_error *error);

/* Whether the weights moved by more than a thousandth of their length. */
bool training_moved(const struct training_result *result);

/* Whether a loss has diverged: it is above four times its start, or of its start's magnitude above that where
 * it is negative, by more than six standard deviations of `noise`; or it is NaN. */
bool training_is_above(double start, double noise, double loss);

/* The last part of it: fills in the events and what comes after them from what comes before. False where
 * memory ran out. */
bool training_conclude(struct training_result *result, struct arena *arena);

#endif
