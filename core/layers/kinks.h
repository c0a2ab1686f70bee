/* Switches of activations whose kinks lie at fixed inputs; see struct layer_ops. */
#ifndef LAYERS_KINKS_H
#define LAYERS_KINKS_H

#include "core/layer.h"
#include "core/real/switches.h"

/* A kink where x is 0. */
static inline uint64_t kink_at_zero(const struct layer_pass *pass)
{
    return switches_above(pass->inputs[0].data, pass->inputs[0].count, 0);
}

/* Kinks where x is `low` and where it is `high`. */
static inline uint64_t kinks_at(const struct layer_pass *pass, double low, double high)
{
    return switches_between(pass->inputs[0].data, pass->inputs[0].count, (real)low, (real)high);
}

#endif
