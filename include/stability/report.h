/* The result of a diagnosis: plain data, one allocation, freed by stability_report_free. */
#ifndef STABILITY_REPORT_H
#define STABILITY_REPORT_H

#include "request.h"

/* Binary exponents e (2^e <= |x| < 2^(e+1)) of the finite non-zero elements, counted for EXPONENT_MIN <= e <=
 * EXPONENT_MAX; smaller and larger ones (float64 only) fall into the first and the last. */
#define STABILITY_EXPONENT_MIN (-160)
#define STABILITY_EXPONENT_MAX 159
#define STABILITY_EXPONENT_COUNT (STABILITY_EXPONENT_MAX - STABILITY_EXPONENT_MIN + 1)

/* Floating-point formats that a tensor is asked about: could it be held in them? */
enum stability_format {
    STABILITY_FORMAT_FLOAT32,
    STABILITY_FORMAT_FLOAT16,
    STABILITY_FORMAT_BFLOAT16,
    STABILITY_FORMAT_FLOAT8_E4M3, /* without infinities: the greatest number is 448 */
    STABILITY_FORMAT_FLOAT8_E5M2,
    STABILITY_FORMAT_COUNT
};

/* Over all elements of one tensor, accumulated in float64. */
struct stability_moments {
    int64_t count;
    double mean;
    double variance; /* population */
    double std;
    double min;
    double max;
    double abs_max;
    double norm; /* L2 */
    double rms;
};

struct stability_statistics {
    struct stability_moments all; /* NaN where the tensor has a NaN */
    struct stability_moments
        finite; /* over the finite elements alone; equals `all` where there are no others */
    int64_t zero_count;
    int64_t nan_count;
    int64_t inf_count;
    int64_t subnormal_count; /* in the tensor's own precision */
    int64_t exponents[STABILITY_EXPONENT_COUNT];
    int least_exponent; /* of those counted; greater than the greatest where there is none */
    int greatest_exponent;
    /* Finite elements that are beyond the greatest number of a format when they are rounded to it. */
    int64_t overflow_counts[STABILITY_FORMAT_COUNT];
};

struct stability_parameter_report {
    const char *name; /* "weight" */
    struct stability_shape shape;
    bool initialized;        /* drawn by the engine: `weights` left it out */
    bool buffer;             /* running_mean: has a value, never a gradient */
    const char *shared_with; /* layer that owns it, or NULL */
    const char *source;      /* as in struct stability_named_tensor */
    const struct stability_statistics *value;
    const struct stability_statistics *gradient; /* NULL: no gradient */
    double update_ratio; /* learning_rate * |gradient| / |value|; NaN where there is no gradient or the value
                            is 0 */
};

struct stability_output_report {
    const char *name; /* "" for the layer's output, "h_n", "c_n" */
    struct stability_shape shape;
    bool integer;
    const struct stability_statistics *value;    /* NULL: integers */
    const struct stability_statistics *gradient; /* NULL: the loss does not depend on it */
    int64_t step_count; /* recurrent layers: norm of dL/dh(t) over all paths, by time step, of the top layer;
                           else 0 */
    const double *steps;
};

struct stability_layer_report {
    const char *name;
    const char *type;
    size_t input_count;
    const char *const *inputs; /* what it reads: "fc1", "lstm.h_n", or a model input */
    int output_count;
    const struct stability_output_report *outputs;
    size_t parameter_count;
    const struct stability_parameter_report *parameters;
    bool is_activation;
    double dead_fraction;      /* units whose derivative is 0 for the whole batch; NaN: not an activation */
    double saturated_fraction; /* elements whose derivative is below a twentieth of its greatest value; NaN
                                  likewise */
    size_t flag_count;
    const char *const *flags; /* names of the rules whose findings name this layer */
};

enum stability_severity { STABILITY_INFO, STABILITY_WARNING, STABILITY_ERROR_SEVERITY };

/* A number that a finding rests on. */
struct stability_evidence {
    const char *name;
    double value;
};

enum stability_verdict { STABILITY_STABLE, STABILITY_WARN, STABILITY_UNSTABLE };

enum stability_result_kind {
    STABILITY_RESULT_NULL,
    STABILITY_RESULT_NUMBER,
    STABILITY_RESULT_INTEGER,
    STABILITY_RESULT_BOOLEAN,
    STABILITY_RESULT_TEXT,
    STABILITY_RESULT_LIST,
    STABILITY_RESULT_OBJECT
};

/* What an analysis found: a tree of values. */
struct stability_result {
    enum stability_result_kind kind;
    const char *name; /* in an object; "" in a list */
    union {
        double number;
        int64_t integer;
        bool boolean;
        const char *text;
        const struct stability_result *children; /* LIST, OBJECT: the first; NULL: none */
    };
    const struct stability_result *next; /* the next child of the same parent; NULL: this is the last */
};

/* A member of an object, or NULL. */
const struct stability_result *stability_result_member(const struct stability_result *object,
                                                       const char *name);

/* One operation of a JSON Patch (RFC 6902) on the request, as it reads on the wire. */
struct stability_patch_operation {
    const char *op;                       /* "add", "replace", "remove" */
    const char *path;                     /* JSON Pointer */
    const struct stability_result *value; /* NULL: remove has none */
};

/* A change of the request that was tried, and what came of it. */
struct stability_fix {
    const char *kind; /* name of its stability_fix_type; of several steps, that of the first */
    const char *summary;
    size_t operation_count; /* to be applied in their order */
    const struct stability_patch_operation *operations;
    bool cured; /* the finding is gone; else its evidence is nearer to what is accepted */
    size_t evidence_count;
    const struct stability_evidence *before; /* the finding's evidence that could be measured again ... */
    const struct stability_evidence *after;  /* ... and in the changed request, in the same order */
    /* The report on the changed request says: */
    enum stability_verdict verdict;
    double loss;
    double gradient_norm;
    int64_t findings_by_severity[3];
};

struct stability_finding {
    const char *rule;
    enum stability_severity severity;
    size_t layer_count;
    const char *const *layers; /* in the order of the model; of non-finite the layer of origin first */
    const char *message;
    const char *cause;
    size_t evidence_count;
    const struct stability_evidence *evidence;
    char fingerprint[17]; /* 16 hex digits over rule and layer names: stable across runs and weights */
    size_t fix_count;     /* the best comes first; none unless options.analyses asks for `fixes` */
    const struct stability_fix *fixes;
};

/* A threshold of a rule that is not the rule's default. */
struct stability_threshold_report {
    const char *rule;
    const char *name;
    double number;
};

struct stability_report {
    enum stability_verdict verdict;
    const char *model;
    double loss;
    double gradient_norm; /* L2 over all parameter gradients */
    int64_t parameter_count;
    int64_t batch_size;
    int64_t flops;         /* predicted, of one forward and one backward pass */
    int64_t planned_bytes; /* of the run, weights and data held in its precision, however they were sent */
    int64_t findings_by_severity[3];
    size_t finding_count;
    const struct stability_finding *findings;
    size_t threshold_count;
    const struct stability_threshold_report *thresholds; /* that the request set */
    size_t layer_count;
    const struct stability_layer_report *layers;
    const struct stability_result *analyses; /* an object with a member for each analysis that ran, by name;
                                                NULL: none ran */
    size_t asked_count;
    const char *const *asked; /* names of the analyses that the request asks for, once each */
    size_t ignored_weight_count;
    const char *const *ignored_weights; /* keys that no layer has, in their order; with options.lenient */
    enum stability_precision precision;
    bool evaluate;
    uint64_t seed;
    const char *blas; /* "OpenBLAS 0.3.21 SkylakeX" */
    int blas_threads;
};

const char *stability_severity_name(enum stability_severity severity); /* "info", "warning", "error" */
const char *stability_verdict_name(enum stability_verdict verdict);    /* "stable", "warning", "unstable" */

void stability_report_free(struct stability_report *report); /* or NULL */

#endif
