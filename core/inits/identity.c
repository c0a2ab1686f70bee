/* Weights with which a layer passes its input on. */
#include "core/inits/ops.h"

#include <stdio.h>

struct dirac {
    struct init_seed seed;
    int64_t groups;
};

static const struct stability_attribute eye_arguments[] = {INIT_SEED, {0}};

static const struct stability_attribute dirac_arguments[] = {
    {"groups", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct dirac, groups), .minimum = 1, .number = 1,
     .documentation = "groups of the convolution"},
    INIT_SEED,
    {0},
};

static void fill_eye(const struct draw *draw, int64_t first, size_t count, double *values)
{
    int64_t columns = draw->shape->sizes[1];
    for (size_t i = 0; i < count; i++) {
        int64_t element = first + (int64_t)i;
        values[i] = element / columns == element % columns;
    }
}

static bool check_dirac(const void *given, const struct stability_shape *shape, char *message, size_t size)
{
    const struct dirac *dirac = given;
    if (shape->sizes[0] % dirac->groups == 0)
        return true;
    snprintf(message, size, "needs groups that divide the %lld output channels, got %lld",
             (long long)shape->sizes[0], (long long)dirac->groups);
    return false;
}

/* Within each group, output channel i has a 1 at input channel i in the middle of the kernel. */
static void fill_dirac(const struct draw *draw, int64_t first, size_t count, double *values)
{
    const struct dirac *dirac = draw->arguments;
    const int64_t *sizes = draw->shape->sizes;
    int64_t kernel = 1, middle = 0;
    for (int d = 2; d < draw->shape->rank; d++) {
        kernel *= sizes[d];
        middle = middle * sizes[d] + sizes[d] / 2;
    }
    int64_t channels_per_group = sizes[0] / dirac->groups;
    for (size_t i = 0; i < count; i++) {
        int64_t element = first + (int64_t)i;
        int64_t row = element / kernel;
        int64_t output = row / sizes[1] % channels_per_group;
        values[i] = output == row % sizes[1] && element % kernel == middle;
    }
}

INIT_OPS(eye_) = {.arguments = eye_arguments,
                  .size = sizeof(struct init_seed),
                  .minimum_rank = 2,
                  .maximum_rank = 2,
                  .fill = fill_eye};

INIT_OPS(dirac_) = {.arguments = dirac_arguments,
                    .size = sizeof(struct dirac),
                    .minimum_rank = 3,
                    .maximum_rank = 5,
                    .check = check_dirac,
                    .fill = fill_dirac};
