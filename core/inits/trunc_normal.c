#include "core/inits/ops.h"
#include "core/random.h"

#include <float.h>
#include <stdio.h>

struct trunc_normal {
    struct init_seed seed;
    double mean;
    double std;
    double a;
    double b;
};

static const struct stability_attribute arguments[] = {
    {"mean", STABILITY_ATTRIBUTE_REAL, offsetof(struct trunc_normal, mean),
     .documentation = "the mean before it is truncated"},
    {"std", STABILITY_ATTRIBUTE_REAL, offsetof(struct trunc_normal, std), .exclusive = true, .number = 1,
     .documentation = "the standard deviation before it is truncated"},
    {"a", STABILITY_ATTRIBUTE_REAL, offsetof(struct trunc_normal, a), .number = -2,
     .documentation = "the least value"},
    {"b", STABILITY_ATTRIBUTE_REAL, offsetof(struct trunc_normal, b), .number = 2,
     .documentation = "the greatest value"},
    INIT_SEED,
    {0},
};

static bool check(const void *given, const struct stability_shape *shape, char *message, size_t size)
{
    (void)shape;
    const struct trunc_normal *normal = given;
    if (normal->a < normal->b)
        return true;
    snprintf(message, size, "needs a < b, got %g and %g", normal->a, normal->b);
    return false;
}

/* Quantiles of uniform numbers between the bounds' own probabilities. Bounds above the mean are mirrored:
 * small probabilities are exact, those near 1 are not. */
static void fill(const struct draw *draw, int64_t first, size_t count, double *values)
{
    const struct trunc_normal *normal = draw->arguments;
    double sign = normal->a > normal->mean ? -1.0 : 1.0;
    double lower = (normal->a - normal->mean) / normal->std, upper = (normal->b - normal->mean) / normal->std;
    double from = random_normal_distribution(sign > 0.0 ? lower : -upper);
    double to = random_normal_distribution(sign > 0.0 ? upper : -lower);
    random_uniform(draw->stream, (uint64_t)first, count, values);
    for (size_t i = 0; i < count; i++) {
        double p = from * (1.0 - values[i]) + to * values[i];
        p = p < DBL_MIN ? DBL_MIN : p > 1.0 - 0x1p-53 ? 1.0 - 0x1p-53 : p;
        double value = normal->mean + normal->std * sign * random_normal_quantile(p);
        values[i] = value < normal->a ? normal->a : value > normal->b ? normal->b : value;
    }
}

INIT_OPS(trunc_normal_) = {
    .arguments = arguments, .size = sizeof(struct trunc_normal), .check = check, .fill = fill};
