/* Schemes to draw weights by, for the kinds of fix that draw them anew. */
#ifndef CORE_FIX_INIT_H
#define CORE_FIX_INIT_H

#include "core/fix.h"

/* A scheme of torch.nn.init with an argument. */
struct fix_scheme {
    const char *name;     /* "kaiming_normal_" */
    const char *argument; /* "nonlinearity", "gain"; NULL: none */
    const char *word;     /* the argument's value, where it is a word ... */
    double number;        /* ... or a number */
};
extern const struct fix_scheme fix_scheme_kaiming; /* 2 / fan_in: for rectifiers */
extern const struct fix_scheme fix_scheme_xavier;  /* 2 / (fan_in + fan_out) */

/* Draws one parameter of a layer by a scheme. */
void fix_draw(struct revision *revision, const char *layer, const char *parameter,
              const struct fix_scheme *scheme);
/* Draws the weights of all hidden Linear and Conv layers by one scheme, and zeroes biases that are large. */
void fix_init_hidden(const struct fix_context *context, struct revision *revision,
                     const struct fix_scheme *scheme);
/* Zeroes the biases of a layer whose root mean square is above 1. */
void fix_zero_large_biases(const struct fix_context *context, struct revision *revision, int node);
/* The scheme that a Linear or Conv layer's activation asks for; draws orthogonal matrices with the same
 * variance where `orthogonal` says so. */
struct fix_scheme fix_scheme_for(const struct fix_context *context, int node, bool orthogonal);

#endif
