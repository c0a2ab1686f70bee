/* Words for how a non-finite number arose: what a type's `explain` is made of. Numbers are printed with as
 * many digits as a reader can use. */
#ifndef LAYERS_EXPLAIN_H
#define LAYERS_EXPLAIN_H

#include "core/layer.h"
#include "core/real/real.h"

#include <stdio.h>

#if REAL_BITS == 32
#define REAL_NAME "float32"
#else
#define REAL_NAME "float64"
#endif

/* Element of a tensor, for printing. */
static inline double explain_element(const struct tensor *tensor, int64_t element)
{
    return (double)((const real *)tensor->data)[element];
}

/* Of the input gradients, the first that is not finite at `element`; -1: none. */
static inline int explain_gradient(const struct layer_pass *pass, int64_t element)
{
    for (int k = 0; k < pass->input_count; k++) {
        const struct tensor *gradient = &pass->input_gradients[k];
        if (gradient->data && element < gradient->count && !isfinite(explain_element(gradient, element)))
            return k;
    }
    return -1;
}

#endif
