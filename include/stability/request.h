/* What a diagnosis is asked of: plain data that the caller fills in and owns, and that the library only
 * reads. It has the shape of the request on the wire, and errors point into it with the same JSON Pointers.
 */
#ifndef STABILITY_REQUEST_H
#define STABILITY_REQUEST_H

#include "tensor.h"

enum stability_value_kind {
    STABILITY_NULL,
    STABILITY_BOOLEAN,
    STABILITY_INTEGER,
    STABILITY_REAL,
    STABILITY_STRING,
    STABILITY_LIST,   /* of numbers: kernel sizes, dimensions */
    STABILITY_TENSOR, /* class weights, constants */
    STABILITY_OBJECT  /* none of these: no attribute takes it */
};

struct stability_value {
    enum stability_value_kind kind;
    union {
        bool boolean;
        int64_t integer;
        double real;
        const char *string;
        struct {
            size_t count;
            const double *items;
            bool integers; /* every item was written as an integer */
        } list;
        struct stability_tensor tensor;
    };
};

/* A named value: an attribute of a layer, an argument of an initialisation, a threshold. */
struct stability_member {
    const char *name;
    struct stability_value value;
};

struct stability_members {
    size_t count;
    const struct stability_member *items;
};

/* A tensor to be drawn: a scheme of torch.nn.init ("xavier_uniform_"), or for data "normal", "uniform",
 * "randint", with its arguments (gain, mean, seed ...). */
struct stability_recipe {
    const char *name; /* NULL: not a recipe */
    struct stability_members arguments;
    struct stability_shape shape; /* data only: a parameter's shape follows from its layer */
    const char *key;              /* the member that the name stood in ("init", "random"), or NULL */
};

/* A tensor by name ("fc1.weight", "input"), given or to be drawn. */
struct stability_named_tensor {
    const char *name;
    struct stability_tensor tensor; /* where recipe.name is NULL */
    struct stability_recipe recipe;
    const char *source; /* what its sender calls it: an ONNX initializer; NULL: the same */
};

struct stability_tensors {
    size_t count;
    const struct stability_named_tensor *items;
};

/* How parameters that `weights` leaves out are drawn; `name` is the parameter's ("weight"), without the
 * layer. */
struct stability_init {
    const char *name;
    struct stability_recipe recipe;
};

struct stability_inits {
    size_t count;
    const struct stability_init *items;
};

struct stability_layer {
    const char *name;
    const char *type;
    size_t input_count; /* 0 where inputs is NULL: the layer before it, or the first model input */
    const char *const *inputs;
    struct stability_members attributes;
    struct stability_inits init;
    const char *weights_from; /* the layer whose parameters this one shares, or NULL */
};

struct stability_loss {
    const char *type;
    size_t input_count; /* 0 where inputs is NULL: the last layer */
    const char *const *inputs;
    struct stability_members attributes;
};

struct stability_model {
    const char *name; /* may be NULL */
    size_t input_count;
    const char *const *inputs; /* names of the model's inputs; none: "input" */
    size_t layer_count;
    const struct stability_layer *layers;
    struct stability_loss loss;
};

/* Thresholds that the caller sets: members named as the rule's thresholds; one member named "" sets the
 * rule's first threshold. */
struct stability_rule_thresholds {
    const char *rule;
    struct stability_members values;
};

/* An analysis to run, by name, with its settings. */
struct stability_analysis {
    const char *name;
    struct stability_members settings;
};

enum stability_precision { STABILITY_PRECISION_FLOAT32, STABILITY_PRECISION_FLOAT64 };

/* Refused before any work starts, with both numbers. 0: no limit. */
struct stability_limits {
    int64_t layers;
    int64_t parameters; /* elements of all parameters */
    int64_t elements;   /* elements of any one tensor */
    int64_t bytes;      /* of memory that the plan asks for */
};
extern const struct stability_limits stability_default_limits;

struct stability_options {
    enum stability_precision precision;
    bool evaluate; /* PyTorch's eval(): no dropout, running statistics */
    bool lenient;  /* load_state_dict(strict=False): weights that no layer has are ignored, and reported */
    uint64_t seed;
    double learning_rate;     /* of the plain SGD step that update ratios are reported for */
    bool learning_rate_given; /* false: it is the default, which no finding judges */
    struct stability_inits init;
    size_t threshold_count;
    const struct stability_rule_thresholds *thresholds;
    size_t analysis_count; /* beside those that always run */
    const struct stability_analysis *analyses;
    struct stability_limits limits;
    /* Called between layers and while tensors are drawn; returning false stops the work with
     * STABILITY_ERROR_CANCELLED. May be NULL. */
    bool (*progress)(void *context, const char *stage, int64_t done, int64_t total);
    void *progress_context;
};
/* float32, train, seed 0, learning rate 0.01, default limits. */
extern const struct stability_options stability_default_options;

struct stability_request {
    struct stability_model model;
    struct stability_tensors weights;
    struct stability_tensors data;
    struct stability_options options;
};

#endif
