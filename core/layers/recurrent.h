/* RNN, LSTM and GRU: layers over layers, each in one direction or two, stepped over time. They differ in the
 * cell, which says what one step does with the gates' sums; all the rest is shared.
 *
 * Inside, time is the first dimension: x (steps, batch, features). Of each layer and direction,
 *     gates = x W_ihᵀ + b_ih        one product for all steps
 *           + h W_hhᵀ + b_hh        one product a step
 * and the gradients of the weights are one product each over all steps. */
#ifndef LAYERS_RECURRENT_H
#define LAYERS_RECURRENT_H

#include "core/layer.h"
#include "core/real/real.h"

#define recurrent_shape VARIANT(recurrent_shape)
#define recurrent_forward VARIANT(recurrent_forward)
#define recurrent_backward VARIANT(recurrent_backward)
#define recurrent_kept VARIANT(recurrent_kept)
#define recurrent_bound_forward VARIANT(recurrent_bound_forward)
#define recurrent_bound_backward VARIANT(recurrent_bound_backward)
#define recurrent_copies VARIANT(recurrent_copies)
#define recurrent_copy VARIANT(recurrent_copy)
#define recurrent_time_dim VARIANT(recurrent_time_dim)

struct recurrent {
    int64_t input_size;
    int64_t hidden_size;
    int64_t num_layers;
    int nonlinearity; /* RNN only */
    bool bias;
    bool batch_first;
    double dropout;
    bool bidirectional;
    int64_t proj_size; /* LSTM only: 0 */
};

/* One sample's part of one step: vectors of `size` = hidden_size, `kept` of the cell's `slots` such. What a
 * cell does not use is NULL. */
struct recurrent_step {
    int64_t size;
    real *kept;            /* forward: in the gates' sums, out what the backward pass needs */
    const real *recurring; /* h W_hhᵀ + b_hh, where the cell wants it apart */
    const real *previous;  /* h(t - 1) */
    real *hidden;          /* h(t) */
    const real *previous_state;
    real *state; /* c(t) of an LSTM */
};

/* The same, on the way back. */
struct recurrent_gradient {
    int64_t size;
    const real *kept;
    const real *previous;
    const real *previous_state;
    const real *state;
    const real *hidden;  /* gradient of h(t) from the output */
    real *carried;       /* in: gradient of h(t) from step t + 1; out: of h(t - 1), but for the gates' part */
    real *carried_state; /* the same of c */
    real *gates;         /* out: gradient of the gates' sums, x W_ihᵀ + b_ih */
    real *recurring;     /* out: gradient of h W_hhᵀ + b_hh, where the cell has it apart */
};

struct recurrent_cell {
    int gates;      /* vectors of hidden_size in a row of gates */
    int slots;      /* vectors that are kept of each row, at least `gates` */
    bool has_state; /* c beside h */
    bool apart;     /* the gates are no sum: the cell gets h W_hhᵀ + b_hh apart from x W_ihᵀ + b_ih */
    bool unbounded; /* |h(t)| may be over 1 */
    bool passes;    /* h(t) depends on h(t - 1) not only through the gates: `carried` is to be added to */
    double flops;   /* of a step, for each hidden unit */
    void (*forward)(const struct recurrent_step *step);
    void (*backward)(const struct recurrent_gradient *gradient);
};

/* Before a cell's loop over a vector's elements: none depends on another, though a compiler cannot tell,
 * where it sees so many pointers. */
#ifdef __clang__
#define RECURRENT_ELEMENTS
#else
#define RECURRENT_ELEMENTS _Pragma("GCC ivdep")
#endif

bool recurrent_shape(struct layer_shapes *shapes, const struct recurrent_cell *cell);
void recurrent_forward(const struct layer_pass *pass, const struct recurrent_cell *cell);
void recurrent_backward(const struct layer_pass *pass, const struct recurrent_cell *cell);

/* All that the layers and directions have kept: how many reals, from the start of pass->saved. */
int64_t recurrent_kept(const struct layer_pass *pass, const struct recurrent_cell *cell);

/* Bounds of both passes, for layer_bounds. */
bool recurrent_bound_forward(struct interval_pass *p, const struct recurrent_cell *cell);
bool recurrent_bound_backward(struct interval_pass *p, const struct recurrent_cell *cell);

int recurrent_copies(const void *attributes);
void recurrent_copy(const void *attributes, int index, struct layer_copy *copy);
int recurrent_time_dim(const void *attributes, const struct stability_shape *output);

/* ---- rows of the three types' tables ---- */

#define RECURRENT_SIZES                                                                    \
    {"input_size",                                                                         \
     STABILITY_ATTRIBUTE_INTEGER,                                                          \
     offsetof(struct recurrent, input_size),                                               \
     .required = true,                                                                     \
     .minimum = 1,                                                                         \
     .documentation = "features of the input"},                                            \
        {"hidden_size",                                                                    \
         STABILITY_ATTRIBUTE_INTEGER,                                                      \
         offsetof(struct recurrent, hidden_size),                                          \
         .required = true,                                                                 \
         .minimum = 1,                                                                     \
         .maximum = 1 << 20,                                                               \
         .documentation = "features of the hidden state"},                                 \
    {                                                                                      \
        "num_layers", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct recurrent, num_layers), \
            .number = 1, .minimum = 1, .maximum = 128,                                     \
            .documentation = "layers, each reading the output of the one before"           \
    }

#define RECURRENT_OPTIONS                                                                            \
    {"bias", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct recurrent, bias), .number = true,          \
     .documentation = "whether there are biases"},                                                   \
        {"batch_first", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct recurrent, batch_first),        \
         .documentation =                                                                            \
             "whether input and output are (batch, steps, features), not (steps, batch, features)"}, \
        {"dropout", STABILITY_ATTRIBUTE_REAL, offsetof(struct recurrent, dropout), .maximum = 1,     \
         .documentation = "probability of dropout between layers"},                                  \
    {                                                                                                \
        "bidirectional", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct recurrent, bidirectional),     \
            .documentation = "whether each layer also runs backwards in time"                        \
    }

/* The parameters of a layer and direction; `rows` is the number of gates times hidden_size. */
enum { WEIGHT_IH, WEIGHT_HH, BIAS_IH, BIAS_HH, RECURRENT_PARAMETERS };
#define RECURRENT_PARAMETER_ROWS(rows)                                                                  \
    [WEIGHT_IH] = {"weight_ih", rows ", layer_input", .init = "uniform_", .init_bound = "hidden_size"}, \
    [WEIGHT_HH] = {"weight_hh", rows ", hidden_size", .init = "uniform_", .init_bound = "hidden_size"}, \
    [BIAS_IH] = {"bias_ih", rows, .when = "bias", .init = "uniform_", .init_bound = "hidden_size"},     \
    [BIAS_HH] = {"bias_hh", rows, .when = "bias", .init = "uniform_", .init_bound = "hidden_size"},     \
    {                                                                                                   \
        0                                                                                               \
    }

#endif
