/* Sizes of a recurrent layer and where its tensors lie in the memory that the plan gave it. */
#ifndef LAYERS_RECURRENT_LAYOUT_H
#define LAYERS_RECURRENT_LAYOUT_H

#include "core/layers/recurrent.h"

struct recurrent_sizes {
    bool swapped; /* the tensors outside are (batch, steps, features) */
    int64_t steps;
    int64_t batch;
    int64_t rows; /* steps * batch */
    int64_t input;
    int64_t hidden;
    int64_t layers;
    int64_t directions;
    int64_t width; /* features of an output: directions * hidden */
};

struct recurrent_sizes VARIANT(recurrent_sizes)(const struct recurrent *attributes,
                                                const struct stability_shape *x);

/* Where things lie, in reals. */
struct recurrent_layout {
    /* in pass->saved */
    int64_t kept;    /* (layers, directions, rows, slots * hidden) */
    int64_t states;  /* (layers, directions, rows, hidden) */
    int64_t outputs; /* (layers, rows, width); the last layer's only where it is swapped */
    int64_t x;       /* (rows, input), where it is swapped */
    int64_t saved;
    /* in pass->workspace */
    int64_t zeros;     /* (batch, hidden): h(0) and c(0) */
    int64_t dropped;   /* (rows, width): a layer's input after dropout */
    int64_t bias;      /* (gates * hidden) */
    int64_t recurring; /* (batch, gates * hidden): of one step, where the cell wants it apart */
    int64_t forward_workspace;
    int64_t carried;            /* (batch, hidden) */
    int64_t carried_state;      /* (batch, hidden) */
    int64_t gates_gradient;     /* (rows, gates * hidden) */
    int64_t recurring_gradient; /* the same, or as gates_gradient */
    int64_t layer_gradients[2]; /* (rows, width or input): of a layer's output and of its input */
    int64_t backward_workspace;
};

/* All within 64 bits where the output has less than 2^31 elements. */
struct recurrent_layout VARIANT(recurrent_layout)(const struct recurrent *attributes,
                                                  const struct recurrent_cell *cell,
                                                  const struct recurrent_sizes *sizes);

#endif
