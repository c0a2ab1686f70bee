#include "core/inits/ops.h"

struct constant {
    struct init_seed seed;
    double val;
};

static const struct stability_attribute constant_arguments[] = {
    {"val", STABILITY_ATTRIBUTE_REAL, offsetof(struct constant, val), .required = true,
     .documentation = "the value of every element"},
    INIT_SEED,
    {0},
};

static const struct stability_attribute no_arguments[] = {INIT_SEED, {0}};

static void fill_with(double value, size_t count, double *values)
{
    for (size_t i = 0; i < count; i++)
        values[i] = value;
}

static void fill_constant(const struct draw *draw, int64_t first, size_t count, double *values)
{
    (void)first;
    const struct constant *constant = draw->arguments;
    fill_with(constant->val, count, values);
}

static void fill_zeros(const struct draw *draw, int64_t first, size_t count, double *values)
{
    (void)draw, (void)first;
    fill_with(0.0, count, values);
}

static void fill_ones(const struct draw *draw, int64_t first, size_t count, double *values)
{
    (void)draw, (void)first;
    fill_with(1.0, count, values);
}

INIT_OPS(constant_) = {
    .arguments = constant_arguments, .size = sizeof(struct constant), .fill = fill_constant};

INIT_OPS(zeros_) = {.arguments = no_arguments, .size = sizeof(struct init_seed), .fill = fill_zeros};

INIT_OPS(ones_) = {.arguments = no_arguments, .size = sizeof(struct init_seed), .fill = fill_ones};
