/* A tensor that a test draws. */
#ifndef TESTS_CORE_DRAWN_H
#define TESTS_CORE_DRAWN_H

#include "support.h"

#include "core/init.h"

#include <stdlib.h>

/* One drawn tensor. */
struct drawn {
    struct arena arena;
    struct stability_error error;
    struct stability_shape shape;
    int64_t count;
    double *values;
};

#define REAL(text, number)                           \
    {                                                \
        text,                                        \
        {                                            \
            .kind = STABILITY_REAL, .real = (number) \
        }                                            \
    }
#define INTEGER(text, number)                              \
    {                                                      \
        text,                                              \
        {                                                  \
            .kind = STABILITY_INTEGER, .integer = (number) \
        }                                                  \
    }
#define WORD(text, word)                               \
    {                                                  \
        text,                                          \
        {                                              \
            .kind = STABILITY_STRING, .string = (word) \
        }                                              \
    }
#define SHAPE2(a, b) ((struct stability_shape){2, {a, b}})

static inline void forget(struct drawn *drawn)
{
    arena_free(&drawn->arena);
    free(drawn->values);
    *drawn = (struct drawn){0};
}

static inline void fill(struct drawn *drawn, const struct init *init, uint64_t seed, const char *name)
{
    drawn->count = stability_shape_count(&drawn->shape);
    drawn->values = malloc(((size_t)drawn->count + 1) * sizeof(double));
    void *workspace = malloc(init_workspace(init, &drawn->shape) + 1);
    assert_non_null(drawn->values);
    assert_non_null(workspace);
    drawn->values[drawn->count] = 12345;
    init_fill(init, &drawn->shape, seed, name, STABILITY_FLOAT64, drawn->values, workspace, NULL);
    assert_true(drawn->values[drawn->count] == 12345);
    free(workspace);
}

static inline const struct init *read_recipe(struct drawn *drawn, const char *scheme,
                                             struct stability_shape shape,
                                             const struct stability_member *arguments, size_t count)
{
    forget(drawn);
    drawn->shape = shape;
    struct stability_recipe recipe = {.name = scheme, .arguments = {count, arguments}};
    return init_read(&recipe, &shape, "/weights/fc1.weight", &drawn->arena, &drawn->error);
}

static inline void draw_with(struct drawn *drawn, const char *scheme, struct stability_shape shape,
                             const struct stability_member *arguments, size_t count)
{
    const struct init *init = read_recipe(drawn, scheme, shape, arguments, count);
    assert_string_equal(drawn->error.message, "");
    assert_non_null(init);
    fill(drawn, init, 0, "fc1.weight");
}

static inline void draw(struct drawn *drawn, const char *scheme, struct stability_shape shape)
{
    draw_with(drawn, scheme, shape, NULL, 0);
}

static inline int set_up(void **state)
{
    static struct drawn drawn;
    *state = &drawn;
    return 0;
}

static inline int tear_down(void **state)
{
    forget(*state);
    return 0;
}

#endif
