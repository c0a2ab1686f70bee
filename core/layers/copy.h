/* The passes of layers that leave the elements in their order: only the shape changes, if anything. */
#ifndef LAYERS_COPY_H
#define LAYERS_COPY_H

#include "core/layer.h"
#include "core/real/real.h"

#include <string.h>

static inline void copy_forward(const struct layer_pass *pass)
{
    if (pass->outputs[0].count > 0)
        memcpy(pass->outputs[0].data, pass->inputs[0].data, (size_t)pass->outputs[0].count * sizeof(real));
}

static inline void copy_backward(const struct layer_pass *pass)
{
    if (pass->outputs[0].count > 0)
        memcpy(pass->input_gradients[0].data, pass->output_gradients[0].data,
               (size_t)pass->outputs[0].count * sizeof(real));
}

enum { COPY_UNREAD = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS };

#endif
