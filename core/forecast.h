/* Mean-field theory of a network at initialisation: the second moments of signals and gradients, layer by
 * layer, from the variances of its weights alone.
 *
 * With weights of variance v that are independent of what they multiply, an affine layer with `fan_in` inputs
 * to each output takes the second moment m of its input to q = fan_in v m + E b^2, and an activation f takes
 * q to E f(sqrt(q) z)^2. Backwards, an affine layer multiplies the sum of squares of a gradient by fan_in v,
 * an activation by E f'(sqrt(q) z)^2. Their product, chi = fan_in v E f'^2, is 1 where neither signals nor
 * gradients grow or shrink.
 *
 * Poole, Lahiri, Raghu, Sohl-Dickstein, Ganguli 2016, Exponential expressivity in deep neural networks
 * through transient chaos; Schoenholz, Gilmer, Ganguli, Sohl-Dickstein 2017, Deep information propagation. */
#ifndef CORE_FORECAST_H
#define CORE_FORECAST_H

#include "core/graph.h"

struct forecast_layer {
    bool affine;   /* Linear, Conv1d, Conv2d, Conv3d: has what follows up to chi */
    double fan_in; /* inputs to each output */
    double weight_variance;
    double bias_square; /* E b^2; 0 without a bias */
    double gain;        /* fan_in * weight_variance */
    double scale;   /* product of the factors of Scale layers before it, and between it and its activation */
    int activation; /* the node of the activation that alone reads it, or them, or -1 */
    double chi;     /* gain * scale^2 * E f'^2 of that activation; without one f' is 1 */
    double slope_square; /* activations: E f'^2 at what theory says of their input */
    double factor;       /* activations: of the Scale layers that alone read it, as in 4 sigmoid(x) - 2 ... */
    double shift;        /* ... and what they add; 1 and 0: there is none */
    double mean;         /* of the output; NaN: not known */
    double forward;      /* second moment of the output; NaN: not known */
    double backward;     /* second moment of its gradient; NaN: not known */
    bool forward_measured;  /* theory does not tell: the measured one, from which the layers after it go on */
    bool backward_measured; /* likewise, for the layers before it */
    const char *reason;     /* why, where forward_measured; static */
    double chain; /* sum of log(chi) / 2 over the plain chain of affine layers and activations that ends here:
                     the logarithm of the factor that it multiplies signals by */
    int chain_length; /* affine layers in it */
    bool normalised;  /* affine: a normalisation is what alone reads it */
};

struct forecast {
    struct forecast_layer *layers; /* by node */
    bool has_fixed_point;          /* two affine layers with activations at least */
    bool plain;         /* no additions and no normalisations: the fixed point speaks for the model */
    double gain;        /* median over them */
    double bias_square; /* likewise */
    int activation;     /* the node whose function it is taken of, with the Scale behind it */
    double fixed_point; /* q*, of the map q -> gain E f(sqrt(q) z)^2 + bias_square: where it leads from the
                           first of these layers' own q; Infinity: it grows for ever */
    double chi;         /* at q* */
    double depth_scale; /* 1 / |log chi|: layers over which a difference falls or grows by a factor of e */
};

/* The report has all of its statistics; `input_squares` are the second moments of the model's inputs, NaN
 * where they are integers. False where memory ran out. */
bool forecast_make(struct forecast *forecast, const struct graph *graph,
                   const struct stability_report *report, const double *input_squares, struct arena *arena);

#endif
