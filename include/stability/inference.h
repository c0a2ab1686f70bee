/* The shapes that a layer gives, without a model around it: for whoever builds a model from another
 * description. */
#ifndef STABILITY_INFERENCE_H
#define STABILITY_INFERENCE_H

#include "request.h"

#define STABILITY_MAX_OUTPUTS 3

struct stability_inference {
    /* given */
    const struct stability_layer *layer; /* its inputs' names are not read */
    const char *pointer;                 /* of the layer, for errors */
    bool training;
    size_t input_count;
    const struct stability_shape *inputs;
    const bool *integers; /* which inputs hold integers */
    /* found */
    size_t output_count;
    struct stability_shape outputs[STABILITY_MAX_OUTPUTS];
    const char *output_names[STABILITY_MAX_OUTPUTS]; /* "h_n"; NULL: the first one, which has the layer's */
    bool output_is_integer;
};

/* Reads the attributes of the layer's type and applies its shape rule. False with the same errors as a model
 * with this layer would give. */
bool stability_infer(struct stability_inference *inference, struct stability_error *error);

#endif
