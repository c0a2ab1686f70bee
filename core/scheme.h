/* Which initialisation a weight looks like. */
#ifndef CORE_SCHEME_H
#define CORE_SCHEME_H

#include "core/graph.h"
#include "core/probe.h"

enum scheme {
    SCHEME_CONSTANT,
    SCHEME_ORTHOGONAL,
    SCHEME_TORCH_DEFAULT, /* uniform, bound 1 / sqrt(fan_in) */
    SCHEME_LECUN_UNIFORM,
    SCHEME_LECUN_NORMAL,
    SCHEME_XAVIER_UNIFORM,
    SCHEME_XAVIER_NORMAL,
    SCHEME_KAIMING_UNIFORM,
    SCHEME_KAIMING_NORMAL,
    SCHEME_NORMAL_001,
    SCHEME_NORMAL_1,
    SCHEME_COUNT
};
const char *scheme_name(enum scheme scheme);

/* fan_in and fan_out as torch.nn.init computes them. */
struct fans {
    double in;
    double out;
};
struct fans fans_of(const struct stability_shape *weight);

struct scheme_match {
    bool matches[SCHEME_COUNT];
    int best;         /* the scheme whose variance is nearest among those that match, or -1 */
    double tolerance; /* relative, of the variance: five standard errors of n independent draws */
};
/* A scheme matches where the sample variance is within five standard errors of the scheme's (of n normal
 * draws it has 2 / n relative variance, of n uniform ones 0.8 / n), the mean within five of 0, and the
 * extremes fit the distribution. */
struct scheme_match scheme_of(const struct stability_statistics *weight, const struct weight_probe *probe,
                              const struct stability_shape *shape);

/* What an activation asks of the weights before it: the variance times fan_in (or, for xavier, times the mean
 * of both fans) that keeps the variance of its signals. */
struct wanted {
    const char *scheme; /* "kaiming", "xavier", "lecun" */
    double variance;
    const char *reason;
};
/* `activation` is NULL where none follows. */
struct wanted scheme_wanted(const struct graph_node *activation, const struct fans *fans);

#endif
