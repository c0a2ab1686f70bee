/* The loss as a function of one element of a parameter where, from its layer on, every row of the last
 * dimension goes to the loss by itself: only rows on which the element has an effect are computed, a few at a
 * time and for several steps side by side. */
#ifndef GRADCHECK_ROWS_H
#define GRADCHECK_ROWS_H

#include "core/graph.h"

struct evaluation;
struct evaluator;

enum { MOST_POINTS = 7 }; /* steps of a call */

/* What an evaluator needs for it. */
struct row_path {
    double divisor; /* of the loss; 0: it is no sum over rows */
    double *losses; /* by row: what is divided, of the base */
    double *matrices[2];
    int64_t target_width;
    double *target; /* of some rows */
    void *saved;    /* of their losses */
};

/* Bytes that it takes at most. */
size_t row_path_bytes(const struct graph *graph);
/* Takes them from the evaluator's arena, and looks at the base's loss. */
bool row_path_open(struct evaluator *evaluator, struct stability_error *error);
/* Whether rows go by themselves from the parameter that is looked at to the loss. */
bool row_path_leads(const struct evaluator *evaluator);
/* As evaluator_shift, where they do. */
void row_path_shift(const struct evaluator *evaluator, int64_t element, const double *steps, int count,
                    struct evaluation *results);

#endif
