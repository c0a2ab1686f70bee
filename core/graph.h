/* A checked model: layers with their attributes read, wired by index, every shape known. Built from a request
 * that outlives it; all memory is in one arena. */
#ifndef CORE_GRAPH_H
#define CORE_GRAPH_H

#include "core/arena.h"
#include "core/kernels.h"
#include "core/names.h"

/* What flows along an edge: a model input or an output of a layer. */
struct graph_value {
    const char *name; /* "fc1", "lstm.h_n" */
    int producer;     /* node, or -1: a model input */
    int output;       /* which output of the producer, or which model input */
    struct stability_shape shape;
    int64_t count;
    bool integer;      /* holds integers: has no gradient */
    bool indexes;      /* a model input that picks rows of a table: its numbers have no size */
    bool reaches_loss; /* the loss depends on it */
    bool wants_gradient;
    int feature_dim; /* the dimension that indexes units, below the rank; 0 for a scalar */
    const struct stability_named_tensor *data; /* model inputs: where it comes from ... */
    const struct init *init;                   /* ... and how it is drawn, NULL where it is given */
};

struct graph_parameter {
    const struct stability_parameter *row;
    const char *name; /* "weight_ih_l0" */
    const char *key;  /* "lstm.weight_ih_l0" */
    bool present;     /* its row applies to this layer */
    struct stability_shape shape;
    int64_t count;
    const struct stability_tensor *given; /* NULL: drawn */
    const char *source;                   /* what its sender calls it, or NULL */
    const struct init *init;              /* how it is drawn; NULL where given or shared */
    bool drawn_by_default;                /* as PyTorch's module draws it */
    bool is_shared;                       /* owned by this node or by another, used by several */
    int shared_node;                      /* weights_from: the node and parameter that own it; -1: this one */
    int shared_parameter;
};

struct graph_node {
    const char *name;
    const char *pointer; /* "/model/layers/3" */
    const struct stability_layer *source;
    const struct layer_ops *ops;
    void *attributes;
    int input_count;
    int *inputs; /* values */
    int output_count;
    int first_output;    /* its outputs are values first_output, first_output + 1 ... */
    int first_parameter; /* its parameters' numbers in the whole graph start here */
    int parameter_count;
    struct graph_parameter *parameters; /* copies one after the other, each with all rows */
    size_t saved;
    size_t workspace;
    double flops;
    bool backward; /* has a gradient to compute */
};

struct graph {
    struct arena arena;
    const struct stability_request *request;
    const struct kernels *kernels;
    int model_input_count;
    int value_count;
    struct graph_value *values; /* the model's inputs first */
    int node_count;
    struct graph_node *nodes;
    struct names value_names; /* → value */
    const struct loss_ops *loss;
    void *loss_attributes;
    int loss_input_count;
    int *loss_inputs; /* values */
    size_t loss_saved;
    size_t loss_workspace;
    const struct stability_named_tensor *target;
    const struct init *target_init; /* NULL where it is given */
    struct stability_shape target_shape;
    int64_t target_count;
    bool target_is_integer;       /* it is read as class indices ... */
    int64_t target_classes;       /* ... below this, or equal to ... */
    int64_t target_ignore_index;  /* ... this one */
    int parameter_slots;          /* over all nodes */
    struct names parameter_names; /* keys ("fc1.weight") → slot */
    size_t ignored_weight_count;
    const char **ignored_weights; /* keys that no layer has */
    int64_t parameter_count;      /* trainable elements, shared ones once */
    int64_t batch_size;
};

/* Builds the graph of a request; false with the error set on any invalid part. graph_free in both cases. */
bool graph_build(struct graph *graph, const struct stability_request *request, struct stability_error *error);
void graph_free(struct graph *graph);

/* The parts of graph_build, in their order. */
bool graph_read_layers(struct graph *graph, struct stability_error *error);     /* names, types, attributes */
bool graph_wire(struct graph *graph, struct stability_error *error);            /* inputs by name */
bool graph_infer_shapes(struct graph *graph, struct stability_error *error);    /* from data to loss */
bool graph_read_parameters(struct graph *graph, struct stability_error *error); /* weights and inits */
/* What has a gradient; `inputs`: also the model's floating inputs. */
void graph_mark_gradients(struct graph *graph, bool inputs);
bool graph_check_data(struct graph *graph, struct stability_error *error); /* integers within range */

/* The number of a node's parameter in the whole graph. */
static inline int graph_slot(const struct graph *graph, int node, int parameter)
{
    return graph->nodes[node].first_parameter + parameter;
}

/* The parameter by its key; false with the error, which says what was meant and where, if no layer has it. */
bool graph_find_parameter(struct graph *graph, const char *key, const char *pointer, int *node,
                          int *parameter, struct stability_error *error);
/* Whether a tensor that was sent for a parameter has its shape; the error says so where the transposed one
 * would fit. */
bool graph_check_parameter_shape(const struct graph_node *node, const struct graph_parameter *parameter,
                                 const struct stability_shape *given, const char *pointer,
                                 struct stability_error *error);

/* Checks a tensor's or a recipe's shape against the limits and gives its number of elements, or -1 with the
 * error, which says of what ("the output of layer") and which ("fc1"). */
int64_t graph_count(const struct graph *graph, const struct stability_shape *shape, const char *what,
                    const char *name, const char *pointer, struct stability_error *error);

#endif
