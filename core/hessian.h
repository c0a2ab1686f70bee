/* The Hessian of the loss with respect to all trained parameters, as one flat vector, through its products
 * with vectors: central differences of exact gradients in float64 with Richardson's extrapolation,
 *
 *     H v = (4 D(h) - D(2 h)) / 3 + O(h^4),   D(h) = (g(x + h v) - g(x - h v)) / 2 h.
 *
 * The step is the one of a sequence at which two neighbours agree best, and one that crosses no kink. */
#ifndef CORE_HESSIAN_H
#define CORE_HESSIAN_H

#include "core/trial.h"

struct hessian {
    struct trial *trial;
    int64_t count;      /* elements of all trained parameters */
    double *start;      /* (count): the parameters */
    double *gradient;   /* (count): there */
    double *difference; /* (count) */
    double *other;      /* (count) */
    double *candidates; /* (2, count) */
    double loss;        /* there */
    uint64_t switches;  /* there */
    uint64_t seen;      /* switches of the execution that goes on */
    double length;      /* of the parameters; 1 where they are all 0 */
    double step;        /* relative to it; 0: not chosen yet */
    double error;       /* of a product, relative, about: how well two steps agreed */
    bool at_kink; /* however small a step, it crosses a kink: there is no Hessian, products are worthless */
    struct arena arena;
};

/* The options of a trial that a Hessian can be taken of. */
extern const struct trial_options hessian_trial_options;

/* Bytes that hessian_open takes. */
double hessian_bytes(const struct graph *graph);
/* Executes the trial, which is open and whose parameters are its own. hessian_close in both cases. */
bool hessian_open(struct hessian *hessian, struct trial *trial, struct stability_error *error);
/* Puts the parameters back. */
void hessian_close(struct hessian *hessian);

/* product (count) = H direction. False where progress said stop; what is not finite shows in the product. */
bool hessian_multiply(struct hessian *hessian, const double *direction, double *product,
                      struct stability_error *error);

#endif
