/* Tensors that are drawn: the schemes of torch.nn.init, PyTorch's defaults for its modules, and random data.
 */
#ifndef CORE_INIT_H
#define CORE_INIT_H

#include "core/arena.h"

#include <stability/registry.h>

/* A scheme with its arguments, checked against a shape. Lives in an arena. */
struct init;

/* Reads a recipe for a tensor of this shape; `pointer` is the recipe's JSON Pointer. NULL where the scheme or
 * an argument is unknown or not valid, or the scheme does not fit the shape. */
const struct init *init_read(const struct stability_recipe *recipe, const struct stability_shape *shape,
                             const char *pointer, struct arena *arena, struct stability_error *error);

/* As PyTorch's module initialises the parameter of `row`, whose layer type has these attributes. NULL where
 * there is no memory. */
const struct init *init_default(const struct stability_parameter *row, const struct stability_attribute *rows,
                                const void *attributes, const struct stability_shape *shape,
                                struct arena *arena, struct stability_error *error);

/* The integers of [*low, *high) are what a scheme that draws integers ("randint") gives; for others the whole
 * range. */
void init_integer_range(const struct init *init, int64_t *low, int64_t *high);

/* Bytes that init_fill needs besides the tensor's own; aligned to 8. */
size_t init_workspace(const struct init *init, const struct stability_shape *shape);

/* Asked now and then, so that a draw that takes long can be stopped. */
struct init_question {
    bool (*proceed)(const void *context);
    const void *context;
};

/* Draws the tensor `name` ("fc1.weight") as elements of `dtype`, float64, float32 or int64. It is a function
 * of the seed (the recipe's own, where it has one), the name and the recipe alone. False only where the
 * question (NULL: none) is answered with no. */
bool init_fill(const struct init *init, const struct stability_shape *shape, uint64_t seed, const char *name,
               enum stability_dtype dtype, void *destination, void *workspace,
               const struct init_question *question);

#endif
