/* What a layer type and a loss are to the engine: one const struct each, in a file of its own, listed in
 * layers.def or losses.def.
 *
 * Kernels get valid input and cannot fail: everything that can be wrong is refused by the shape rule before
 * memory is taken. They write row-major contiguous tensors of `real`; they own nothing. */
#ifndef CORE_LAYER_H
#define CORE_LAYER_H

#include "core/attributes.h"

#include <stability/registry.h>

#define LAYER_MAX_OUTPUTS 3

/* A tensor during a run. `data` points to `real` (integers, where a model input holds them, are stored as
 * reals: exact up to 2^24 in float32, which the boundary checks). NULL where the pass has no use for it. */
struct tensor {
    void *data;
    struct stability_shape shape;
    int64_t count;
};

/* In and out of a shape rule. */
struct layer_shapes {
    /* given */
    const void *attributes; /* the type's private struct */
    bool training;
    size_t real_size; /* bytes of a `real` */
    int input_count;
    const struct stability_shape *inputs;
    const bool *integers; /* which inputs hold integers */
    /* to be filled in */
    struct stability_shape outputs[LAYER_MAX_OUTPUTS];
    size_t saved;     /* bytes kept from the forward to the backward pass */
    size_t workspace; /* bytes that either pass needs while it runs */
    double flops;     /* of the forward pass; the backward pass is planned at twice that */
    int feature_dim;  /* dimension of an output that indexes units: set to the first input's, or to 1 or the
                         last  by default; a rule changes it where it knows better */
    struct stability_error *error;
    const char *name;
    const char *type;
    const char *pointer; /* "/model/layers/3" */
};

/* Ends a shape rule with an error that names the layer; `attribute` (may be NULL) is the member at fault.
 * Returns false. */
bool layer_shape_fail(struct layer_shapes *shapes, const char *attribute, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds the bytes of `count` reals to *total, saturating at SIZE_MAX (which the plan then refuses). */
void layer_add_reals(const struct layer_shapes *shapes, size_t *total, int64_t count);

/* Shape rules that several types share. */
bool layer_shape_same(struct layer_shapes *shapes);      /* one input, one output of its shape */
bool layer_shape_broadcast(struct layer_shapes *shapes); /* two inputs, PyTorch's broadcasting */

/* One forward or backward pass of one layer. `backward` is called only where some gradient is wanted: for a
 * type with one input and no parameters, that of its input. */
struct layer_pass {
    const void *attributes;
    bool training; /* batch statistics, not running ones */
    bool drops;    /* dropout is active: in training, but not in a gradient check */
    uint64_t seed; /* of this layer, for what it draws (Dropout) */
    int input_count;
    const struct tensor *inputs;
    const struct tensor *outputs;
    const struct tensor *parameters; /* in the order of the rows; `data` NULL where a row does not apply */
    /* Backward only. Gradients are overwritten, never accumulated: the engine sums fan-out and shared
     * weights. */
    const struct tensor *output_gradients;    /* data NULL: the loss does not depend on that output */
    const struct tensor *input_gradients;     /* data NULL: not wanted */
    const struct tensor *parameter_gradients; /* data NULL: not wanted, or a buffer */
    /* Recurrent types only, backward: the engine's zeros, one for each time step, to which the square of the
     * norm of dL/dh(t) is added, over all paths and for the top layer; NULL: not wanted. */
    double *steps;
    void *saved;
    void *workspace;
};

/* How an elementwise activation f can lose its gradient; measured through the type's own backward pass. */
struct layer_activation {
    bool dies;                  /* f' is exactly 0 on a half-line */
    bool saturates;             /* f' tends to 0 on both sides of 0, and is not 0 around it (as ReLU6's is) */
    double greatest_derivative; /* of |f'|: 0.25 for a sigmoid */
};

/* One of several sets of parameters (the layers and directions of an LSTM). */
struct layer_copy {
    char suffix[32]; /* appended to the rows' names: "_l0_reverse" */
    struct attribute_variable
        variables[6]; /* further names for the shapes' formulas; ends with a NULL name */
};

/* Which element of a pass is asked about: of an output (forward), of the gradient of an input or of a
 * parameter (backward). */
struct layer_place {
    bool backward;
    bool parameter; /* backward: of a parameter's gradient, by its number in the pass */
    int tensor;     /* which output, input or parameter */
    int64_t element;
};

/* A number that an element was made of. */
struct layer_operand {
    const char *name; /* "input", "gradient of the output", "weight": static text */
    struct stability_shape shape;
    int64_t element; /* flat index */
    double value;
};

/* How an element came about. */
enum { LAYER_MAX_OPERANDS = 4 };
struct layer_cause {
    char text[256];
    int operand_count;
    struct layer_operand operands[LAYER_MAX_OPERANDS];
};

/* ---- intervals: what the analysis `ranges` asks of a type; core/real/interval.h has the ways ---- */

/* A tensor of which only bounds are known: each element lies between those of `low` and `high`, whose data
 * are reals. NULL data as in the tensors of struct layer_pass. */
struct interval_tensor {
    struct tensor low;
    struct tensor high;
};

/* One pass of one layer over intervals. Inputs, parameters and the gradients that arrive are finite; results
 * are overwritten, and a bound that is not finite says that the result may not be either. */
struct interval_pass {
    const struct layer_ops *ops;
    struct layer_pass pass; /* what it has beside tensors */
    int output_count;
    int parameter_count;
    struct interval_tensor *inputs;
    struct interval_tensor *outputs;
    struct interval_tensor *parameters;
    struct interval_tensor *output_gradients;
    struct interval_tensor *input_gradients;
    struct interval_tensor *parameter_gradients;
    struct arena *scratch; /* emptied after the pass */
    /* The first evaluation that was not finite, if any. */
    bool failing;
    struct layer_place place;
    struct layer_cause cause; /* the text is empty where the type does not explain */
};

/* Points of a function's input; none: it is monotone. */
enum { INTERVAL_TURNS = 6 };
struct interval_turns {
    int count;
    double at[INTERVAL_TURNS];
};

/* How a type bounds its passes. The functions return false where memory ran out. */
struct layer_bounds {
    bool (*forward)(struct interval_pass *pass);  /* NULL: the outputs may be anything */
    bool (*backward)(struct interval_pass *pass); /* NULL: the gradients may be anything */
    /* Elementwise functions of one input: where the function or its derivative may turn or jump. */
    struct interval_turns turns;
    /* The same where it depends on attributes; NULL: it does not. */
    struct interval_turns (*turns_of)(const void *attributes);
    /* Elementwise functions: how far the kernels are from the exact value, in epsilons of the result, of the
     * input, and backward of (1 + |input|) |gradient that arrives|; all 0: exact. */
    double of_result;
    double of_input;
    double of_gradient;
    /* Elementwise functions whose values have bounds, where least < greatest. */
    double least;
    double greatest;
    bool has_domain; /* outside of its turns it may be no number, and within it is finite */
    /* Sums: of how many reals at most; 0: they are accumulated in float64. NULL: nothing is summed up. */
    double (*terms)(const struct interval_pass *pass);
};

/* For a gradient check: rows in which one column has changed. */
struct row_changes {
    int64_t count;
    const int64_t *rows; /* which of the base's; NULL: 0, 1, ... */
    const void *change;  /* reals, one for each row */
    const void *base;    /* the output without the changes */
    void *output;        /* (count, output's columns) */
};

/* What the backward pass does not read, so that its memory can be used again earlier. */
enum layer_unread { LAYER_READS_ALL = 0, LAYER_UNREAD_INPUTS = 1, LAYER_UNREAD_OUTPUTS = 2 };

struct layer_ops {
    struct stability_layer_type type; /* names, attributes, parameters, documentation */
    size_t attributes_size;           /* of the private struct */
    bool (*shape)(struct layer_shapes *shapes);
    void (*forward)(const struct layer_pass *pass);
    void (*backward)(const struct layer_pass *pass);
    const struct layer_activation *activation; /* NULL: not an elementwise activation */
    int unread;                                /* enum layer_unread */
    bool moves;                                /* only moves elements: an integer input stays one */
    bool indexes;                              /* reads its first input as integers (Embedding) */
    /* Index bound of an `indexes` type: its input's elements must lie in [0, bound). */
    int64_t (*index_bound)(const void *attributes);
    /* Several copies of the parameter rows; both NULL: one, without a suffix. */
    int (*copies)(const void *attributes);
    void (*copy)(const void *attributes, int index, struct layer_copy *copy);
    /* Dimension of an output that counts time steps, or -1; recurrent types only. */
    int (*time_dim)(const void *attributes, const struct stability_shape *output);
    /* Types with kinks (ReLU, Abs, max pooling): a hash of which side or element every output comes from,
     * after a forward pass (see core/real/switches.h). Equal hashes on both sides of a step mean that the
     * step crossed no kink. NULL: the type is differentiable everywhere. */
    uint64_t (*switches)(const struct layer_pass *pass);
    /* Types for which PyTorch defines a gradient that is not the derivative (Embedding's padding_idx):
     * whether that of one element of a parameter, by its row, is the derivative. NULL: every gradient is. */
    bool (*is_derivative)(const struct layer_pass *pass, int parameter, int64_t element);
    /* Shortcuts of a gradient check; a column is an index into the last dimension, with one element in each
     * of its rows; rows are mapped one by one. parameter_column: adding `step` to one element of a parameter
     * (by its row) adds `change` (reals, one for each row) to one column of the output: fills it in and
     * returns the column. input_column: the output where one column of the input has changed. NULL: no
     * shortcut. */
    int64_t (*parameter_column)(const struct layer_pass *pass, int parameter, int64_t element, double step,
                                void *change);
    void (*input_column)(const struct layer_pass *pass, int64_t column, const struct row_changes *changes);
    /* What PyTorch's module does to a parameter (by its row) once it has drawn it: Embedding zeroes the row
     * of padding_idx. Only where the parameter is drawn as the module draws it. NULL: nothing. */
    void (*after_draw)(const void *attributes, int parameter, void *data);
    /* Says how the first non-finite element of a run, or its first NaN, arose ("exp(91.3) overflows float32")
     * and which operands it has; the operands of a NaN may be infinite, never NaN. NULL or false: told from
     * the element and the elements at its place alone. */
    bool (*explain)(const struct layer_pass *pass, const struct layer_place *place,
                    struct layer_cause *cause);
    const struct layer_bounds *bounds; /* NULL: nothing is known of its results */
};

/* LAYER_OPS(ReLU) = {...}; defines the type in this variant; layers.def must list it. */
#define LAYER_OPS(type) const struct layer_ops VARIANT(layer_##type)

/* In and out of a loss's shape rule. */
struct loss_shapes {
    const void *attributes;
    size_t real_size;
    int input_count;
    const struct stability_shape *inputs;
    struct stability_shape target;
    bool target_is_integer; /* as given */
    bool wants_integers;    /* out: the target is read as class indices in [0, classes) or ignore_index */
    int64_t classes;        /* out, where wants_integers */
    int64_t ignore_index;   /* out, where wants_integers: a further value that is allowed */
    size_t saved;
    size_t workspace;
    struct stability_error *error;
    const char *type;
};
bool loss_shape_fail(struct loss_shapes *shapes, const char *pointer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct loss_pass {
    const void *attributes;
    int input_count;
    const struct tensor *inputs;
    struct tensor target; /* reals, also where they are class indices */
    bool target_is_integer;
    const struct tensor *input_gradients; /* backward only; data NULL: not wanted */
    void *saved;
    void *workspace;
};

/* A loss over intervals; the target is what was sent. */
struct loss_intervals {
    const struct loss_ops *ops;
    struct loss_pass pass; /* what it has beside inputs and their gradients */
    struct interval_tensor *inputs;
    struct interval_tensor *input_gradients; /* to be filled in where data is not NULL */
    double low;                              /* of the loss, to be filled in */
    double high;
    struct arena *scratch;
};

struct loss_ops {
    struct stability_loss_type type;
    size_t attributes_size;
    bool (*shape)(struct loss_shapes *shapes);
    double (*forward)(const struct loss_pass *pass);    /* the loss, accumulated in float64 */
    void (*backward)(const struct loss_pass *pass);     /* overwrites the input gradients */
    uint64_t (*switches)(const struct loss_pass *pass); /* as in struct layer_ops */
    /* Fills in what each row of the input's last dimension adds to the sum that `forward` divides, and
     * returns the divisor. The same from any selection of rows, with the target's, as an input (rows,
     * columns); the divisor is then meaningless. 0: the loss is no sum over rows. NULL: it never is. */
    double (*row_losses)(const struct loss_pass *pass, double *losses);
    /* As in struct layer_ops. Forward, the place is the loss itself: the explanation names the first term
     * that is not finite. NULL or false: told from the value alone. */
    bool (*explain)(const struct loss_pass *pass, const struct layer_place *place, struct layer_cause *cause);
    /* Bounds of the loss and of its gradients. False where memory ran out. NULL: they may be anything. */
    bool (*bounds)(struct loss_intervals *intervals);
};

#define LOSS_OPS(type) const struct loss_ops VARIANT(loss_##type)

#endif
