/* The derivatives of one parameter, shared out over threads. */
#ifndef GRADCHECK_WORKERS_H
#define GRADCHECK_WORKERS_H

#include "core/gradcheck/derivative.h"

#include <stability/gradcheck.h>

enum { MOST_WORKERS = 64 };

enum element_status { NOT_TAKEN, TAKEN, AT_KINK /* or has no derivative by convention */ };

/* What is asked for and what comes back. `count` items: elements of the parameter, or directions. */
struct derivative_job {
    const struct difference_scheme *scheme;
    int64_t count;
    const int64_t *elements;  /* by item; NULL: item i is element i, or direction i */
    const double *directions; /* (count, parameter's elements); NULL: elements */
    const double *given;      /* by item: what is checked ... */
    const double *engine;     /* ... and what the engine computed */
    double *numerical;        /* by item */
    double *uncertainty;
    unsigned char *status; /* enum element_status */
};

struct workers {
    struct evaluator evaluators[MOST_WORKERS];
    int count;
    const struct stability_options *options; /* whose progress is told of */
    const struct stability_helpers *helpers; /* NULL: all threads compute at once */
    int64_t done;                            /* items, over all parameters */
    int64_t total;
};

/* Opens one evaluator for each of `count` threads; workers_close in both cases. */
bool workers_open(struct workers *workers, const struct run *base, int count, struct stability_error *error);
void workers_close(struct workers *workers);
/* Selects the parameter and runs the job. False with STABILITY_ERROR_CANCELLED where progress said stop. */
bool workers_run(struct workers *workers, int node, int parameter, const struct derivative_job *job,
                 struct stability_error *error);

#endif
