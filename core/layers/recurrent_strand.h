/* A strand: one layer of a recurrent type in one direction. */
#ifndef LAYERS_RECURRENT_STRAND_H
#define LAYERS_RECURRENT_STRAND_H

#include "core/layers/recurrent_layout.h"

#define recurrent_strand_forward VARIANT(recurrent_strand_forward)
#define recurrent_strand_backward VARIANT(recurrent_strand_backward)

struct recurrent_strand {
    const struct layer_pass *pass;
    const struct recurrent_cell *cell;
    const struct recurrent_sizes *sizes;
    const struct recurrent_layout *layout;
    int64_t index; /* layer * directions + direction */
    bool reverse;
    int64_t input;
    const real *x; /* (rows, input) */
    real *output;  /* (rows, hidden) with `width` from row to row */
    real *kept;    /* (rows, slots * hidden) */
    real *states;  /* (rows, hidden), or NULL */
};

/* Fills in output, kept, states, and the strand's part of h_n and c_n. The workspace's zeros are set. */
void recurrent_strand_forward(const struct recurrent_strand *strand);

/* `output_gradient` (rows, hidden) with `width` from row to row, or NULL: zero. `input_gradient` (rows,
 * input) becomes beta times what it was plus the strand's part; NULL: not wanted. Parameters' gradients where
 * wanted.
 */
void recurrent_strand_backward(const struct recurrent_strand *strand, const real *output_gradient,
                               real *input_gradient, real beta);

#endif
