/* The loss as a function of one parameter, without computing again what does not depend on it.
 *
 * An evaluator looks at a run that has been executed with RUN_KEEP and never changes it; each thread has its
 * own. */
#ifndef GRADCHECK_EVALUATOR_H
#define GRADCHECK_EVALUATOR_H

#include "core/gradcheck/rows.h"
#include "core/run.h"

/* One loss and the hash of all switches on the way to it, to be compared with others of the same call. */
struct evaluation {
    double loss;
    uint64_t switches;
};

struct evaluator {
    const struct run *base;
    struct arena arena;
    void *block;
    struct tensor *places;        /* by value: a second place for what changes */
    struct change_state *changes; /* by value */
    struct layer_pass *passes;    /* by node, with the changed inputs */
    struct tensor *inputs;        /* of all passes */
    struct tensor *parameters;    /* by slot */
    void *saved;                  /* for one layer at a time */
    void *workspace;
    double *parameter; /* a copy of the one that is looked at */
    const double *base_parameter;
    int64_t parameter_count;
    double *columns; /* two columns of a value */
    size_t column_size;
    int *affected; /* nodes that depend on it, in order */
    int affected_count;
    int only_user; /* the node that uses it, or -1: several do */
    int row;       /* its parameter row there */
    struct loss_pass loss_pass;
    struct row_path row_path;
    bool by_rows; /* the parameter that is looked at leads there */
};

/* Bytes that an evaluator for this run plan takes. */
size_t evaluator_bytes(const struct run_plan *plan);

/* evaluator_close in both cases. */
bool evaluator_open(struct evaluator *evaluator, const struct run *base, struct stability_error *error);
void evaluator_close(struct evaluator *evaluator);

/* Chooses the parameter: a slot that owns its tensor. */
void evaluator_select(struct evaluator *evaluator, int node, int parameter);

/* The losses with each of up to MOST_POINTS steps added to one element of the parameter. */
void evaluator_shift(struct evaluator *evaluator, int64_t element, const double *steps, int count,
                     struct evaluation *results);
/* The loss with step * direction added to the parameter. */
struct evaluation evaluator_shift_along(struct evaluator *evaluator, const double *direction, double step);

#endif
