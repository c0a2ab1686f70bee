#include "core/inits/ops.h"
#include "core/random.h"

#include <string.h>

struct sparse {
    struct init_seed seed;
    double sparsity;
    double std;
};

static const struct stability_attribute arguments[] = {
    {"sparsity", STABILITY_ATTRIBUTE_REAL, offsetof(struct sparse, sparsity), .required = true, .maximum = 1,
     .documentation = "fraction of each column that is set to zero"},
    {"std", STABILITY_ATTRIBUTE_REAL, offsetof(struct sparse, std), .maximum = INFINITY, .number = 0.01,
     .documentation = "standard deviation of the others"},
    INIT_SEED,
    {0},
};

/* For each row its place in a permutation, then for each element whether it is zero. */
static size_t workspace(const struct stability_shape *shape)
{
    return (size_t)shape->sizes[0] * sizeof(int64_t) + (size_t)stability_shape_count(shape);
}

static unsigned char *mask_of(const struct draw *draw)
{
    return (unsigned char *)((int64_t *)draw->workspace + draw->shape->sizes[0]);
}

/* The first `zeros` rows of a permutation drawn by Fisher and Yates's method, a new one for each column. */
static bool prepare(const struct draw *draw)
{
    const struct sparse *sparse = draw->arguments;
    int64_t rows = draw->shape->sizes[0], columns = draw->shape->sizes[1];
    int64_t zeros = (int64_t)ceil(sparse->sparsity * (double)rows);
    int64_t *order = draw->workspace;
    unsigned char *mask = mask_of(draw);
    uint64_t stream = random_stream(draw->stream, "zeros");
    memset(mask, 0, (size_t)draw->count);
    for (int64_t row = 0; row < rows; row++)
        order[row] = row;
    for (int64_t column = 0; column < columns; column++) {
        if (!draw_proceeds(draw))
            return false;
        for (int64_t i = 0; i < zeros; i++) {
            uint64_t bits;
            random_bits(stream, (uint64_t)(column * rows + i), 1, &bits);
            int64_t other = i + (int64_t)random_below(bits, (uint64_t)(rows - i));
            int64_t row = order[other];
            order[other] = order[i];
            order[i] = row;
            mask[row * columns + column] = 1;
        }
    }
    return true;
}

static void fill(const struct draw *draw, int64_t first, size_t count, double *values)
{
    const struct sparse *sparse = draw->arguments;
    const unsigned char *mask = mask_of(draw) + first;
    random_normal(draw->stream, (uint64_t)first, count, values);
    for (size_t i = 0; i < count; i++)
        values[i] = mask[i] ? 0.0 : sparse->std * values[i];
}

INIT_OPS(sparse_) = {.arguments = arguments,
                     .size = sizeof(struct sparse),
                     .minimum_rank = 2,
                     .maximum_rank = 2,
                     .workspace = workspace,
                     .prepare = prepare,
                     .fill = fill};
