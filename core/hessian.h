/* The Hessian of the loss with respect to all trained parameters, as one flat vector, through its products
 * with vectors: derivatives of exact float64 gradients along a direction (core/extrapolation.h). */
#ifndef CORE_HESSIAN_H
#define CORE_HESSIAN_H

#include "core/extrapolation.h"
#include "core/trial.h"

struct hessian {
    struct trial *trial;
    int64_t count;     /* elements of all trained parameters */
    double loss;       /* at the parameters that the trial came with */
    double *gradient;  /* (count): there */
    double *start;     /* (count): these parameters */
    double *moved;     /* (count) */
    uint64_t switches; /* there */
    uint64_t seen;     /* of the execution that goes on */
    double length;     /* of the parameters; 1 where they are all 0 */
    /* extrapolation.at_kink: there is no Hessian, products are worthless. */
    struct extrapolation extrapolation;
    struct stability_error *stopped; /* where to say that progress said stop */
    struct arena arena;
};

/* The options of a trial that a Hessian can be taken of. */
extern const struct trial_options hessian_trial_options;

/* Bytes that hessian_open takes. */
double hessian_bytes(const struct graph *graph);
/* Executes the trial, which is open and whose parameters are its own, and which is left with others;
 * the struct must not be moved. hessian_close in both cases. */
bool hessian_open(struct hessian *hessian, struct trial *trial, struct stability_error *error);
void hessian_close(struct hessian *hessian);

/* product (count) = H direction. False where progress said stop; what is not finite shows in the product. */
bool hessian_multiply(struct hessian *hessian, const double *direction, double *product,
                      struct stability_error *error);

#endif
