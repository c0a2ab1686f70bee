/* From the nodes of an ONNX graph to layers of the registry. Nodes are translated one after another; those
 * whose result follows from shapes and constants alone are computed at once (see fold.h) and become no layer.
 * Everything that is read or made is the request owner's. */
#ifndef SERVER_INPUT_ONNX_IMPORT_H
#define SERVER_INPUT_ONNX_IMPORT_H

#include "server/input/onnx/file.h"

#include <stability/inference.h>

#include <jansson.h>

/* What a layer reads and writes: a model input or the output of a layer. */
struct onnx_flow {
    const char *name; /* as inputs name it; NULL: there is none */
    struct stability_shape shape;
    bool integer; /* it holds integers */
};

/* A value of the graph: an initializer, an input, the output of a node. It is known (its elements are), a
 * flow, or both: an integer input of the graph is, so that shapes may depend on it. */
struct onnx_value {
    const char *name;
    bool known;
    struct stability_tensor tensor; /* where known */
    struct onnx_flow flow;          /* name NULL: no layer has it yet */
    int node;                       /* that makes it; -1: none */
    size_t readers;                 /* nodes and outputs of the graph that read it */
    size_t reader;                  /* one of those nodes; SIZE_MAX: none */
    bool done;                      /* it is known or a flow */
    bool refused;                   /* it depends on what is not supported */
    bool is_input;                  /* of the graph */
    bool learned;                   /* an initializer, or elements of initializers moved about */
    bool from_data;                 /* known only because the data are */
    const char *owner;              /* layer whose parameter it is; NULL: none yet */
    const char *parameter;          /* and which one */
    struct onnx_value *transpose;   /* the same matrix with rows and columns swapped, where there is one */
    struct onnx_value *same;        /* the initializer that this is another name of; NULL: its own */
};

struct onnx_refusal {
    const struct onnx_node *node;
    const char *reason; /* NULL: the operator is not known at all */
};

struct onnx_import {
    const struct onnx_file *file;
    const struct stability_limits *limits;
    struct onnx_memory memory;
    struct stability_error *error;
    const struct onnx_node *node; /* that is being translated */
    int depth;                    /* of translations within each other */
    bool training;                /* the mode of the run */
    bool tied;                    /* Identity of an initializer is that initializer, not a copy */
    bool frozen;                  /* nodes that the file has in inference mode stay so in a training run */
    size_t value_count;
    struct onnx_value *values;
    size_t *node_values; /* of every node in turn: its inputs, then its outputs; SIZE_MAX: left out */
    size_t *node_starts; /* where a node's begin */
    size_t *order;       /* nodes, each after those it reads */
    size_t order_count;
    bool *absorbed; /* nodes that became part of another's layer */
    json_t *names;  /* of layers and model inputs, taken */
    size_t layer_count;
    size_t layer_capacity;
    struct stability_layer *layers;
    size_t weight_count;
    size_t weight_capacity;
    struct stability_named_tensor *weights;
    size_t added_count; /* model inputs that stand for constants of integers */
    size_t added_capacity;
    struct stability_named_tensor *added;
    size_t refusal_count;
    size_t refusal_capacity;
    struct onnx_refusal *refusals;
};

/* Translates the file into *model (its loss is given: the inputs it names are replaced by layers' names) and
 * *weights; *data loses what became a parameter and gains constants that became inputs. `mode_given`: the
 * request says how to run; otherwise options->evaluate is set to what the graph says. */
struct onnx_request {
    struct stability_model *model;
    struct stability_tensors *weights;
    struct stability_tensors *data;
    struct stability_options *options;
    bool mode_given;
};
bool onnx_import_file(const struct onnx_file *file, const struct stability_limits *limits,
                      const struct onnx_memory *memory, const struct onnx_request *request);

/* ---- for translations of operators: operators_*.c ---- */

/* Grows an array of the owner's by one item, which is zeroed. NULL with the error. */
void *onnx_append(struct onnx_import *import, void *items, size_t *count, size_t *capacity, size_t size);

/* These record an error at the node that is being translated, and return false. */
bool onnx_fail(struct onnx_import *import, enum stability_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The node is not supported in this form: the translation goes on, and all refusals are told at its end. */
bool onnx_refuse(struct onnx_import *import, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same where the operator is not known at all. */
bool onnx_refuse_operator(struct onnx_import *import);
/* The error that tells all refusals, of which there are some; returns false. */
bool onnx_fail_refused(struct onnx_import *import);

/* Input or output `k` of the node; NULL where it is left out. */
struct onnx_value *onnx_input(struct onnx_import *import, size_t k);
struct onnx_value *onnx_output(struct onnx_import *import, size_t k);
/* Fails where input `k` is left out. */
struct onnx_value *onnx_required(struct onnx_import *import, size_t k);
/* The position of the only node that reads the node's first output, where it has this type; else SIZE_MAX. */
size_t onnx_sole_reader(struct onnx_import *import, const char *type);

/* Attributes of the node; the default where it has none. A wrong type is an error. */
bool onnx_has_attribute(const struct onnx_import *import, const char *name);
bool onnx_integer(struct onnx_import *import, const char *name, int64_t *value);
bool onnx_real(struct onnx_import *import, const char *name, double *value);
bool onnx_text(struct onnx_import *import, const char *name, const char **value);
/* Any attribute; NULL where there is none. */
const struct onnx_attribute *onnx_attribute(const struct onnx_import *import, const char *name);
/* A list of at most STABILITY_MAX_RANK * 2 integers; count 0 and `present` false where there is none. */
struct onnx_integers {
    bool present;
    size_t count;
    int64_t items[2 * STABILITY_MAX_RANK];
};
bool onnx_integers(struct onnx_import *import, const char *name, struct onnx_integers *list);
/* The same from input `k`, which must be known. */
bool onnx_input_integers(struct onnx_import *import, size_t k, struct onnx_integers *list);
/* From the attribute, where the node has it, else from input `k`. */
bool onnx_either_integers(struct onnx_import *import, const char *name, size_t k, struct onnx_integers *list);
/* A number: input `k`, which must be known and have one element. */
bool onnx_input_number(struct onnx_import *import, size_t k, double *value);
/* Makes an axis non-negative. */
bool onnx_axis(struct onnx_import *import, int64_t axis, int rank, int *dimension);

/* Whether the file has this BatchNormalization or Dropout in training mode. */
bool onnx_node_trains(struct onnx_import *import);
/* The shape of a value that is done. */
const struct stability_shape *onnx_shape(const struct onnx_value *value);
/* The elements of a value whose tensor is needed to build a layer; refuses one that is computed. */
bool onnx_known(struct onnx_import *import, struct onnx_value *value, const char *what);
/* A value as what a layer reads: a known one becomes a Parameter or a Constant. */
bool onnx_operand(struct onnx_import *import, struct onnx_value *value, struct onnx_flow *flow);
/* Operand of input `k`. */
bool onnx_operand_at(struct onnx_import *import, size_t k, struct onnx_flow *flow);
/* A value of integers as what Embedding reads. */
bool onnx_indices(struct onnx_import *import, struct onnx_value *value, struct onnx_flow *flow);
/* A tensor that the operator computed itself, as a flow: a layer `Constant` of the node, named by `role`. */
bool onnx_constant(struct onnx_import *import, const char *role, const struct stability_tensor *tensor,
                   struct onnx_flow *flow);
/* The known matrix with rows and columns swapped; NULL with the error. */
struct onnx_value *onnx_transposed(struct onnx_import *import, struct onnx_value *value);
/* The node's output `k` is this tensor; what it was made of decides whether it is learned. Fails over the
 * limit of elements. */
bool onnx_set_known(struct onnx_import *import, size_t k, const struct stability_tensor *tensor);
/* The node's output `k` is this flow; an output that the node does not have is skipped. */
void onnx_set_flow(struct onnx_import *import, size_t k, const struct onnx_flow *flow);

/* The end of a translation: where it is `done`, the flow is the node's first output. */
bool onnx_finish(struct onnx_import *import, bool done, const struct onnx_flow *flow);

/* ---- layers ---- */

#define ONNX_MAX_MEMBERS 12
#define ONNX_MAX_WEIGHTS 8

/* A layer that is being written. */
struct onnx_draft {
    const char *type;
    size_t input_count;
    const struct onnx_flow *inputs;
    size_t member_count;
    struct stability_member members[ONNX_MAX_MEMBERS];
    const char *weights_from; /* a layer that has all parameters already; NULL: to be found by the weights */
    size_t weight_count;
    struct {
        const char *parameter;
        struct onnx_value *value;       /* whose identity the parameter has; NULL: nobody else's */
        struct stability_tensor tensor; /* in the parameter's own shape */
        const char *source;             /* the initializer's name */
    } weights[ONNX_MAX_WEIGHTS];
};

void draft_integer(struct onnx_draft *draft, const char *name, int64_t value);
void draft_real(struct onnx_draft *draft, const char *name, double value);
void draft_boolean(struct onnx_draft *draft, const char *name, bool value);
void draft_text(struct onnx_draft *draft, const char *name, const char *value);
bool draft_list(struct onnx_import *import, struct onnx_draft *draft, const char *name, const int64_t *items,
                size_t count);
void draft_tensor(struct onnx_draft *draft, const char *name, const struct stability_tensor *tensor);
/* A parameter with a known value's elements, in row-major order, in another shape. */
void draft_weight(struct onnx_draft *draft, const char *parameter, struct onnx_value *value,
                  const struct stability_shape *shape);
/* A parameter whose elements were made for it. */
void draft_own_weight(struct onnx_draft *draft, const char *parameter, const char *source,
                      const struct stability_tensor *tensor);

/* Adds the layer, and gives its first output. `role` is NULL for the one layer that has the node's name, and
 * else is appended to it. */
bool draft_emit(struct onnx_import *import, const struct onnx_draft *draft, const char *role,
                struct onnx_flow *y);
/* The same, with all outputs. */
bool draft_emit_all(struct onnx_import *import, const struct onnx_draft *draft, const char *role,
                    struct onnx_flow outputs[STABILITY_MAX_OUTPUTS]);
/* The same for a layer that belongs to a value, not to a node. */
bool draft_emit_value(struct onnx_import *import, const struct onnx_draft *draft, const char *name,
                      struct onnx_flow *y);
/* A name that no layer and no input has yet: `base` with the role, and a number where that is taken. */
const char *onnx_take_name(struct onnx_import *import, const char *base, const char *role);

/* One layer without parameters, from one or two flows to one. */
bool onnx_unary(struct onnx_import *import, const char *type, const char *role, const struct onnx_flow *x,
                struct onnx_flow *y);
bool onnx_binary(struct onnx_import *import, const char *type, const char *role, const struct onnx_flow *a,
                 const struct onnx_flow *b, struct onnx_flow *y);
bool onnx_scale(struct onnx_import *import, const char *role, const struct onnx_flow *x, double factor,
                double shift, struct onnx_flow *y);
bool onnx_reshape(struct onnx_import *import, const char *role, const struct onnx_flow *x,
                  const struct stability_shape *shape, struct onnx_flow *y);
bool onnx_permute(struct onnx_import *import, const char *role, const struct onnx_flow *x,
                  const int *dimensions, struct onnx_flow *y);
/* x[start:end:step] in one dimension; start and end are positions, end -1 with a negative step is the front.
 */
bool onnx_slice(struct onnx_import *import, const char *role, const struct onnx_flow *x, int dimension,
                int64_t start, int64_t end, int64_t step, struct onnx_flow *y);

#endif
