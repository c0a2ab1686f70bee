/* Uniform among the matrices with orthonormal rows (or columns, where those are fewer), as PyTorch's: the QR
 * decomposition of a Gaussian matrix with R's diagonal made positive. Here without the matrix: its
 * Householder vectors are Gaussian themselves (Stewart, "The efficient generation of random orthogonal
 * matrices", 1980). */
#include "core/inits/ops.h"
#include "core/random.h"

#include <string.h>

struct orthogonal {
    struct init_seed seed;
    double gain;
};

static const struct stability_attribute arguments[] = {
    {"gain", STABILITY_ATTRIBUTE_REAL, offsetof(struct orthogonal, gain), .number = 1,
     .documentation = "factor of the orthonormal matrix"},
    INIT_SEED,
    {0},
};

/* The tensor as a matrix: dimension 0 by all others. */
struct matrix {
    int64_t rows;
    int64_t columns;
    int64_t count;  /* of orthonormal vectors: the fewer of both */
    int64_t length; /* of each */
};

static struct matrix matrix_of(const struct stability_shape *shape)
{
    int64_t rows = shape->sizes[0], columns = 1;
    for (int d = 1; d < shape->rank; d++)
        columns *= shape->sizes[d];
    bool wide = rows < columns;
    return (struct matrix){rows, columns, wide ? rows : columns, wide ? columns : rows};
}

/* The vectors, and one to reflect by. */
static size_t workspace(const struct stability_shape *shape)
{
    struct matrix matrix = matrix_of(shape);
    return (size_t)((matrix.count + 1) * matrix.length) * sizeof(double);
}

/* Sums in a fixed order: two by four partial sums, whatever the processor's vectors. */
typedef double pair __attribute__((vector_size(16)));
enum { PAIRS = 4, STEP = 2 * PAIRS };

static pair load(const double *values)
{
    pair loaded;
    memcpy(&loaded, values, sizeof loaded);
    return loaded;
}

static double dot(const double *a, const double *b, int64_t count)
{
    pair parts[PAIRS] = {0};
    int64_t i = 0;
    for (; i + STEP <= count; i += STEP)
        for (int k = 0; k < PAIRS; k++)
            parts[k] += load(a + i + 2 * k) * load(b + i + 2 * k);
    pair sums = (parts[0] + parts[1]) + (parts[2] + parts[3]);
    double sum = sums[0] + sums[1];
    for (; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

static void subtract_multiple(double *destination, const double *source, double factor, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        destination[i] -= factor * source[i];
}

/* Gaussian numbers as the first column of a matrix and the reflection that maps it onto a multiple of the
 * first unit vector: makes `mirror` what to reflect by, and returns the sign of that multiple. */
static double draw_mirror(const struct draw *draw, int64_t index, double *mirror, int64_t count)
{
    struct matrix matrix = matrix_of(draw->shape);
    random_normal(draw->stream, (uint64_t)(index * matrix.length), (size_t)count, mirror);
    double norm = sqrt(dot(mirror, mirror, count));
    double sign = mirror[0] < 0.0 ? 1.0 : -1.0;
    mirror[0] -= sign * norm;
    return sign;
}

static void reflect(double *vector, const double *mirror, double factor, int64_t count)
{
    subtract_multiple(vector, mirror, factor * dot(vector, mirror, count), count);
}

/* The reflections applied to the unit vectors, the last first: vector i is 0 before its i-th element until
 * its own reflection is due. */
static bool prepare(const struct draw *draw)
{
    struct matrix matrix = matrix_of(draw->shape);
    double *vectors = draw->workspace;
    double *mirror = vectors + matrix.count * matrix.length;
    memset(vectors, 0, (size_t)(matrix.count * matrix.length) * sizeof *vectors);
    for (int64_t i = matrix.count - 1; i >= 0; i--) {
        if (!draw_proceeds(draw))
            return false;
        int64_t rest = matrix.length - i;
        double sign = draw_mirror(draw, i, mirror, rest);
        double factor = 2.0 / dot(mirror, mirror, rest);
        vectors[i * matrix.length + i] = 1.0;
        for (int64_t k = i; k < matrix.count; k++)
            reflect(vectors + k * matrix.length + i, mirror, factor, rest);
        for (int64_t k = i; k < matrix.length; k++)
            vectors[i * matrix.length + k] *= sign;
    }
    return true;
}

static void fill(const struct draw *draw, int64_t first, size_t count, double *values)
{
    const struct orthogonal *orthogonal = draw->arguments;
    struct matrix matrix = matrix_of(draw->shape);
    const double *vectors = draw->workspace;
    bool wide = matrix.rows < matrix.columns;
    for (size_t i = 0; i < count; i++) {
        int64_t element = first + (int64_t)i;
        int64_t row = element / matrix.columns, column = element % matrix.columns;
        values[i] = orthogonal->gain * vectors[wide ? element : column * matrix.length + row];
    }
}

INIT_OPS(orthogonal_) = {.arguments = arguments,
                         .size = sizeof(struct orthogonal),
                         .minimum_rank = 2,
                         .workspace = workspace,
                         .prepare = prepare,
                         .fill = fill};
