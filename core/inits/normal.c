#include "core/inits/ops.h"
#include "core/random.h"

struct normal {
    struct init_seed seed;
    double mean;
    double std;
};

static const struct stability_attribute arguments[] = {
    {"mean", STABILITY_ATTRIBUTE_REAL, offsetof(struct normal, mean), .documentation = "the mean"},
    {"std", STABILITY_ATTRIBUTE_REAL, offsetof(struct normal, std), .maximum = INFINITY, .number = 1,
     .documentation = "the standard deviation"},
    INIT_SEED,
    {0},
};

static void fill(const struct draw *draw, int64_t first, size_t count, double *values)
{
    const struct normal *normal = draw->arguments;
    random_normal(draw->stream, (uint64_t)first, count, values);
    for (size_t i = 0; i < count; i++)
        values[i] = normal->mean + normal->std * values[i];
}

INIT_OPS(normal_) = {.arguments = arguments, .size = sizeof(struct normal), .fill = fill};

INIT_OPS(normal) = {.arguments = arguments, .size = sizeof(struct normal), .fill = fill};
