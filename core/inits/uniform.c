#include "core/inits/ops.h"
#include "core/random.h"

#include <stdio.h>

struct uniform {
    struct init_seed seed;
    double low;
    double high;
};

static const struct stability_attribute arguments[] = {
    {"a", STABILITY_ATTRIBUTE_REAL, offsetof(struct uniform, low), .documentation = "the lower bound"},
    {"b", STABILITY_ATTRIBUTE_REAL, offsetof(struct uniform, high), .number = 1,
     .documentation = "the upper bound"},
    INIT_SEED,
    {0},
};

static const struct stability_attribute data_arguments[] = {
    {"low", STABILITY_ATTRIBUTE_REAL, offsetof(struct uniform, low), .documentation = "the lower bound"},
    {"high", STABILITY_ATTRIBUTE_REAL, offsetof(struct uniform, high), .number = 1,
     .documentation = "the upper bound"},
    INIT_SEED,
    {0},
};

static bool check(const void *given, const struct stability_shape *shape, char *message, size_t size)
{
    (void)shape;
    const struct uniform *uniform = given;
    if (uniform->low <= uniform->high && isfinite(uniform->low) && isfinite(uniform->high))
        return true;
    snprintf(message, size, "needs finite bounds with the lower one first, got %g and %g", uniform->low,
             uniform->high);
    return false;
}

static void fill(const struct draw *draw, int64_t first, size_t count, double *values)
{
    const struct uniform *uniform = draw->arguments;
    random_uniform(draw->stream, (uint64_t)first, count, values);
    for (size_t i = 0; i < count; i++)
        values[i] = uniform->low * (1.0 - values[i]) + uniform->high * values[i];
}

INIT_OPS(uniform_) = {.arguments = arguments, .size = sizeof(struct uniform), .check = check, .fill = fill};

INIT_OPS(uniform) = {
    .arguments = data_arguments, .size = sizeof(struct uniform), .check = check, .fill = fill};
