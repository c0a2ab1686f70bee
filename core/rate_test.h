/* Which learning rates a model can be trained with: a few steps at each of many, from the same weights. */
#ifndef CORE_RATE_TEST_H
#define CORE_RATE_TEST_H

#include "core/optimizer.h"

struct rate_settings {
    int64_t steps; /* at each rate, at least 1 */
    struct optimizer_settings optimizer;
};

enum rate_effect {
    RATE_UNMOVED, /* loss and weights moved by less than 5e-5 of themselves a step */
    RATE_FALLS,   /* the loss ended below where it began */
    RATE_RISES,   /* not below */
    RATE_DIVERGES /* above four times its start, or not finite */
};

/* "unmoved", "falls", "rises", "diverges" */
const char *rate_effect_name(enum rate_effect effect);

struct rate_point {
    double rate;
    double loss;   /* after the steps, with what Dropout drew in the first one */
    double change; /* L2 distance of the trained parameters from where they began, over their length then */
    enum rate_effect effect;
};

/* The first step of one parameter at the given rate: L2 of the step over that of the parameter; NaN where
 * that is 0. */
struct rate_ratio {
    int node;
    int parameter;
    double ratio;
};

enum { RATE_POINTS = 80 };

struct rate_result {
    const char *optimizer;
    double given;            /* the rate of the settings or of the request's options ... */
    bool is_given;           /* ... false: of neither, but a default */
    enum rate_effect effect; /* of that rate */
    int64_t steps;
    double initial_loss;
    int ratio_count;
    struct rate_ratio *ratios; /* by parameter that has a gradient, in the order of the model */
    int point_count;
    struct rate_point points[RATE_POINTS]; /* the range, by rate */
    /* NaN: none was found. Found by halving the last interval of the range in its logarithm. */
    double moves_from; /* the least rate at which loss or weights move */
    double rises_from; /* the least one at which the loss does not fall */
    double diverges_from;
    double suggested;
    const char *suggested_how;
};

/* Bytes that it takes beside a trial's that is resettable. */
double rate_test_bytes(const struct graph *graph, const struct rate_settings *settings);

/* What is told of a request's model and batch in its precision and mode; the result is in the arena. False
 * where it could not be run, was cancelled, or needs more memory than options.limits. */
bool rate_test_run(const struct stability_request *request, const struct rate_settings *settings,
                   struct arena *arena, struct rate_result *result, struct stability_error *error);

#endif
