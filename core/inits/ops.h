/* What a scheme is to core/init.c: one const struct, named in inits.def. */
#ifndef CORE_INITS_OPS_H
#define CORE_INITS_OPS_H

#include "core/attributes.h"
#include "core/init.h"

#include <math.h>

/* One tensor that is being drawn. */
struct draw {
    const void *arguments; /* the scheme's private struct */
    const struct stability_shape *shape;
    int64_t count;   /* elements; not 0 */
    uint64_t stream; /* for core/random.h */
    void *workspace;
    const struct init_question *question; /* NULL: nobody is asked */
};

/* Whether the work goes on: a scheme that takes long asks now and then. */
bool draw_proceeds(const struct draw *draw);

struct init_ops {
    const struct stability_attribute *arguments;
    size_t size;      /* of the private struct, which begins with a struct init_seed */
    int minimum_rank; /* of the tensor; the maximum 0: any */
    int maximum_rank;
    /* Refuses arguments that do not go together or with the shape, in words that follow the scheme's name.
     * NULL: none. */
    bool (*check)(const void *arguments, const struct stability_shape *shape, char *message, size_t size);
    size_t (*workspace)(const struct stability_shape *shape); /* bytes; NULL: none */
    /* Fills the workspace; false where the work was stopped. NULL: nothing to do. */
    bool (*prepare)(const struct draw *draw);
    /* Elements first, first + 1, ... of the tensor in row-major order. */
    void (*fill)(const struct draw *draw, int64_t first, size_t count, double *values);
    /* Set where the scheme draws integers. */
    void (*integer_range)(const void *arguments, int64_t *low, int64_t *high);
};

struct init_seed {
    struct optional_integer seed;
};

/* The row that every scheme has. */
#define INIT_SEED                                                                                    \
    {                                                                                                \
        "seed", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct init_seed, seed),                       \
            .nullable = true, .maximum = INFINITY, .documentation = "in place of the request's seed" \
    }

/* INIT_OPS(uniform_) = {...}; defines the scheme "uniform_"; inits.def must list it. */
#define INIT_OPS(identifier) const struct init_ops init_##identifier

#endif
