/* Singular values of the Jacobian of a segment (core/segment.h), for each sample of the batch by itself where
 * the layers treat samples independently. */
#ifndef CORE_JACOBIAN_H
#define CORE_JACOBIAN_H

#include "core/segment.h"

struct jacobian_settings {
    int64_t samples;    /* of the batch, the first ones */
    int64_t exact;      /* up to this smaller side the whole matrix is decomposed */
    int64_t iterations; /* of Lanczos' method beyond it */
    double tolerance;   /* relative, of the greatest singular value that it finds */
    int64_t seed;
};

/* How the elements of a value belong to samples: (outer, samples, inner), row-major. */
struct sample_layout {
    int64_t outer;
    int64_t samples;
    int64_t inner;
};

/* Of one sample. NaN: not known. */
struct spectrum {
    int64_t sample;
    double largest;
    double smallest;       /* of all min(rows, columns); 0 where `rank` is below that */
    double least_seen;     /* `smallest`, or a bound on it from above */
    double squares;        /* sum of their squares: the squared Frobenius norm */
    double effective_rank; /* exp of the entropy of singular values over their sum (Roy, Vetterli 2007); 0 of
                              a zero matrix */
    int64_t rank;          /* those above largest * max(rows, columns) * 2^-52; -1: not known */
    bool converged;        /* `largest` is as exact as was asked */
    int64_t iterations;    /* of Lanczos' method; 0: the whole matrix was decomposed */
};

struct jacobian {
    struct sample_layout input;
    struct sample_layout output;
    int input_axis; /* that counts samples; -1: samples depend on each other, and the batch is one sample */
    int output_axis;
    int64_t rows;    /* elements of one sample of the output ... */
    int64_t columns; /* ... and of the input */
    bool exact;
    double push_error; /* greatest relative difference that J and its transpose showed; 0 where exact */
    int64_t count;
    struct spectrum *spectra;
};

/* What a measurement may ask and tell. */
struct jacobian_context {
    const struct run *run; /* executed, in float64, with RUN_KEEP */
    const struct jacobian_settings *settings;
    const struct stability_options *options; /* whose progress is told of, as stage "jacobian" */
    int64_t done;
    int64_t total;
    struct arena *arena; /* of the results */
    struct stability_error *error;
};

/* Bytes beside those of the run; -1 where there is no memory to tell. */
double jacobian_bytes(const struct graph *graph, int from, int to, const struct jacobian_settings *settings,
                      struct arena *arena);

/* `axis` is tried first as the dimension that counts samples. False with the error. */
bool jacobian_measure(struct jacobian *jacobian, struct jacobian_context *context, int from, int to,
                      int axis);

#endif
