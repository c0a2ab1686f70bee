/* What the parts of a gradient check share. */
#ifndef GRADCHECK_CHECK_H
#define GRADCHECK_CHECK_H

#include "core/gradcheck/workers.h"
#include "core/trial.h"

/* One parameter under check. */
struct subject {
    int node;
    int parameter;
    const struct graph_parameter *description;
    const double *engine; /* zeros where the loss does not depend on it */
    const double *given;  /* the client's, or the engine's */
    bool from_client;
    bool reaches_loss;
    bool follows_conventions; /* the gradient of some elements may not be the derivative */
    /* by item: an element, or a direction */
    int64_t items;
    int64_t *elements;
    double *numerical;
    double *uncertainty;
    unsigned char *status;
    double *item_given; /* by item; in full mode the gradients themselves */
    double *item_engine;
    struct difference_scheme scheme;
    struct stability_gradcheck_parameter *result;
};

struct check {
    const struct stability_request *request;
    const struct stability_gradcheck_options *options;
    struct trial trial; /* in float64 */
    struct workers workers;
    struct arena arena;   /* of the report */
    struct arena scratch; /* freed with the check */
    int subject_count;
    struct subject *subjects;
    struct stability_error *error;
};

/* Records that memory ran out; returns false. */
bool check_out_of_memory(const struct check *check);

/* Lists the parameters that have a gradient, and reads what the client says of one of them. */
bool subjects_list(struct check *check);
bool subjects_read_gradient(struct check *check, const struct stability_named_tensor *gradient);
/* Chooses a subject's items, once the run has given the engine's gradients. */
bool subject_prepare(struct check *check, struct subject *subject);
/* Takes the derivatives of all its items. */
bool subject_differentiate(struct check *check, struct subject *subject);

/* The report's parameters, still without results. */
bool conclusion_frame(struct check *check, struct stability_gradcheck_report *report);
/* Compares, judges, recognises patterns and ranks the suspects. */
bool conclusion_draw(struct check *check, struct stability_gradcheck_report *report);

#endif
