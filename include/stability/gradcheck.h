/* Numerical gradients against given ones, and against the engine's own. */
#ifndef STABILITY_GRADCHECK_H
#define STABILITY_GRADCHECK_H

#include "request.h"

enum stability_gradcheck_mode {
    STABILITY_GRADCHECK_FULL,       /* every element */
    STABILITY_GRADCHECK_SAMPLED,    /* `samples` elements of every parameter */
    STABILITY_GRADCHECK_DIRECTIONAL /* `samples` random directions in every parameter */
};

/* Who decides whether a thread beside the caller's may compute now. All three may be called by any thread. */
struct stability_helpers {
    bool (*enter)(void *context); /* false: no thread is started now; asked again between pieces of work */
    bool (*stay)(void *context);  /* asked by the thread between pieces of work; false: it has left */
    void (*leave)(void *context); /* it ends by itself */
    void *context;
};

struct stability_gradcheck_options {
    enum stability_gradcheck_mode mode;
    double epsilon;  /* a fixed step; 0: chosen for every parameter from its curvature and noise */
    int64_t samples; /* sampled and directional mode */
    uint64_t seed;   /* of the samples and directions */
    int threads;     /* that share the work at most */
    const struct stability_helpers *helpers; /* NULL: so many threads from the beginning to the end */
};
/* full, step chosen, 64 samples, seed 0, 1 thread. */
extern const struct stability_gradcheck_options stability_default_gradcheck_options;

/* By relative error: below 1e-7, below 1e-4, below 1e-2, above. */
enum stability_gradcheck_level {
    STABILITY_GRADCHECK_CORRECT,
    STABILITY_GRADCHECK_ACCEPTABLE,
    STABILITY_GRADCHECK_SUSPICIOUS,
    STABILITY_GRADCHECK_WRONG
};
/* "correct", "acceptable", "suspicious", "wrong" */
const char *stability_gradcheck_level_name(enum stability_gradcheck_level level);
/* The relative error below which a gradient has this level; infinite for the last. */
double stability_gradcheck_level_bound(enum stability_gradcheck_level level);

struct stability_gradcheck_parameter {
    const char *name;  /* "fc2.weight" */
    const char *layer; /* "fc2" */
    struct stability_shape shape;
    bool from_client; /* false: the engine's own gradient is checked */
    int64_t count;
    int64_t checked;            /* elements, or directions in directional mode */
    int64_t skipped_at_kink;    /* elements whose step crosses a kink */
    int64_t within_uncertainty; /* elements that differ, but by no more than the numerical gradient's
                                   uncertainty: they count as equal */
    bool mostly_skipped;        /* more than a tenth of the elements were skipped */
    int64_t non_finite;         /* elements of the given gradient that are NaN or infinite */
    double step;                /* that was used */
    double relative_error;      /* |numerical - given| / (|numerical| + |given|), L2 over the tensor */
    double max_relative_error;  /* greatest over elements */
    enum stability_gradcheck_level level;
    bool has_worst;
    int64_t worst_index[STABILITY_MAX_RANK];
    double worst_given;
    double worst_numerical;
    double worst_uncertainty;
    const char *pattern;      /* "sign-flipped", "scaled", "transposed" ...; NULL: none recognised */
    double pattern_factor;    /* of "scaled": given = factor * numerical; else NaN */
    const char *pattern_text; /* what the pattern usually means; NULL without one */
    char fingerprint[17];     /* 16 hex digits over the name: stable across runs and weights */
    double miss_probability;  /* directional mode: that an error of the reported size would have been missed;
                                 else NaN */
};

struct stability_gradcheck_report {
    bool failed;                          /* some parameter is suspicious or wrong */
    enum stability_gradcheck_level level; /* the worst */
    const char *model;
    double loss;
    enum stability_gradcheck_mode mode;
    size_t parameter_count;
    const struct stability_gradcheck_parameter *parameters;
    enum stability_gradcheck_level engine_level; /* of the engine's own gradients, over all parameters */
    double engine_max_relative_error;            /* greatest relative_error over parameters */
    size_t suspect_count;
    const char *const *suspect_layers; /* the first wrong one in backward order comes first */
    bool deterministic;                /* two runs gave the same bits */
};

/* Bytes that a check takes at its peak, without the request's own; nothing is computed. -1 on error. */
int64_t stability_gradcheck_bytes(const struct stability_request *request,
                                  const struct stability_gradcheck_options *options,
                                  struct stability_error *error);

/* Checks `gradients` (keys and shapes as in weights; any subset), and the engine's own for the others. The
 * request's options.precision must be float64 and dropout is off. NULL on error; the report is freed by
 * stability_gradcheck_report_free. */
struct stability_gradcheck_report *stability_gradcheck(const struct stability_request *request,
                                                       const struct stability_tensors *gradients,
                                                       const struct stability_gradcheck_options *options,
                                                       struct stability_error *error);
void stability_gradcheck_report_free(struct stability_gradcheck_report *report);

#endif
