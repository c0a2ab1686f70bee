/* What this build knows, described from the tables that the code runs on. All pointers are to static data. */
#ifndef STABILITY_REGISTRY_H
#define STABILITY_REGISTRY_H

#include "report.h"

enum stability_attribute_kind {
    STABILITY_ATTRIBUTE_INTEGER,
    STABILITY_ATTRIBUTE_REAL,
    STABILITY_ATTRIBUTE_BOOLEAN,
    STABILITY_ATTRIBUTE_CHOICE,   /* one of `choices` */
    STABILITY_ATTRIBUTE_INTEGERS, /* a number or a list of them */
    STABILITY_ATTRIBUTE_TENSOR
};

/* One attribute of a layer, a loss or an initialisation. */
struct stability_attribute {
    const char *name;
    enum stability_attribute_kind kind;
    size_t offset; /* into the private attribute struct */
    bool required;
    bool nullable;      /* null is allowed, and is the default unless a default is given */
    double minimum;     /* INTEGER, REAL, INTEGERS: each item; both 0, and not exclusive: any */
    double maximum;     /* 0 with a minimum, and INFINITY: no upper bound */
    bool exclusive;     /* the minimum itself is not allowed */
    double number;      /* default of INTEGER, REAL, BOOLEAN, and each item of INTEGERS */
    const char *choice; /* default of CHOICE */
    const char
        *choices;    /* CHOICE, or words allowed in place of INTEGERS: "same valid", separated by spaces */
    int items;       /* INTEGERS: a single number is repeated that often; 0: a list of any length */
    bool null_items; /* INTEGERS: the list may have nulls, which are read as -1 */
    const char *documentation;
};

/* One parameter or buffer of a layer. */
struct stability_parameter {
    const char *name;
    const char *shape; /* "out_channels, in_channels / groups, *kernel_size": see docs/layers.md */
    const char *when;  /* the attribute that must hold for it to exist, or NULL */
    bool buffer;
    const char *init;       /* scheme that PyTorch's module uses */
    double init_argument;   /* constant_: the value; uniform_: see init_bound */
    const char *init_bound; /* uniform_: drawn from ±1/√(this product of attributes) */
    const char *documentation;
};

struct stability_layer_type {
    const char *type;  /* as a request names it: "Linear" */
    const char *torch; /* "torch.nn.Linear" */
    const char *documentation;
    int minimum_inputs;
    int maximum_inputs;                           /* -1: any number */
    const struct stability_attribute *attributes; /* ends with a row without a name */
    const struct stability_parameter *parameters; /* likewise; NULL: none */
    const char *const *outputs;                   /* names of further outputs, NULL-terminated; NULL: none */
};

struct stability_loss_type {
    const char *type;
    const char *torch; /* "torch.nn.MSELoss" */
    const char *documentation;
    int inputs;                                   /* tensors that it reads beside the target */
    const struct stability_attribute *attributes; /* ends with a row without a name; NULL: none */
};

struct stability_threshold {
    const char *name; /* that options.thresholds sets it by */
    double number;    /* default */
    const char *documentation;
};

struct stability_rule_type {
    const char *name;
    enum stability_severity severity;             /* the highest it gives */
    const char *criterion;                        /* when it speaks, naming its thresholds */
    const char *documentation;                    /* what that means */
    const char *source;                           /* literature */
    const struct stability_threshold *thresholds; /* ends with a row without a name */
};

struct stability_analysis_type {
    const char *name;
    const char *documentation; /* what it tells, and the members of its result */
    const char *source;
    bool always;                                /* it runs in every diagnosis */
    const struct stability_attribute *settings; /* ends with a row without a name; NULL: none */
};

/* A kind of change that is tried against findings. */
struct stability_fix_type {
    const char *name;
    const char *documentation;
    const char *source;
    const char *const *rules; /* whose findings it is tried against; NULL-terminated */
};

size_t stability_layer_type_count(void); /* of each table; an index is below it */
const struct stability_layer_type *stability_layer_type_at(size_t index);
size_t stability_loss_type_count(void);
const struct stability_loss_type *stability_loss_type_at(size_t index);
size_t stability_rule_type_count(void);
const struct stability_rule_type *stability_rule_type_at(size_t index);
size_t stability_analysis_type_count(void);
const struct stability_analysis_type *stability_analysis_type_at(size_t index);
size_t stability_fix_type_count(void);
const struct stability_fix_type *stability_fix_type_at(size_t index);
/* Initialisation schemes by name, NULL-terminated. */
const char *const *stability_init_names(void);

#endif
