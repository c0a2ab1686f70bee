#include "core/layers/columns.h"
#include "core/layers/convolution_tiles.h"
#include "core/real/blas.h"

#include <string.h>

enum { TILE_ELEMENTS = 1 << 18, LEAST_COLUMNS = 64, DIRECT_COLUMNS = 2048 };

/* Where the columns of one tile come from: positions [first, first + count) of `samples` samples. A tile has
 * either several whole samples or a part of one. */
struct tile {
    int64_t sample;
    int64_t samples;
    int64_t first;
    int64_t count;
};

struct sizes {
    int64_t big;       /* elements of a channel of big */
    int64_t positions; /* elements of a channel of small */
    int64_t taps;      /* elements of a kernel */
    int64_t rows;      /* of the column matrix: channels * taps */
    int64_t columns;   /* most columns of a tile */
};

static int64_t product(const int64_t sizes[3])
{
    return sizes[0] * sizes[1] * sizes[2];
}

static struct sizes sizes_of(const struct convolution *c)
{
    struct sizes s = {product(c->big), product(c->small), product(c->kernel), 0, 0};
    if (c->channels == 1) {
        s.rows = s.taps;
        s.columns = DIRECT_COLUMNS;
        return s;
    }
    s.rows = c->channels * s.taps;
    s.columns = s.rows > 0 ? TILE_ELEMENTS / s.rows : 0;
    if (s.columns < LEAST_COLUMNS)
        s.columns = LEAST_COLUMNS;
    if (s.columns >= s.positions && s.positions > 0) { /* whole samples */
        int64_t samples = s.columns / s.positions;
        s.columns = (samples < c->batch ? samples : c->batch) * s.positions;
    }
    return s;
}

void convolution_workspace(const struct convolution *c, struct layer_shapes *shapes)
{
    struct sizes s = sizes_of(c);
    layer_add_reals(shapes, &shapes->workspace, tiles_workspace(c));
    if (tiles_can_apply(c) && tiles_can_apply_back(c))
        return;
    shapes->workspace += columns_map_bytes(c);
    if (c->channels == 1) {
        layer_add_reals(shapes, &shapes->workspace, s.columns);
        return;
    }
    layer_add_reals(shapes, &shapes->workspace, s.rows * s.columns);
    layer_add_reals(shapes, &shapes->workspace, c->filters * s.columns);
}

/* A kernel of one element that moves by one sees big as it is. */
static bool is_pointwise(const struct convolution *c)
{
    for (int d = 0; d < 3; d++)
        if (c->kernel[d] != 1 || c->stride[d] != 1 || c->before[d] != 0 || c->big[d] != c->small[d])
            return false;
    return true;
}

struct work {
    const struct convolution *c;
    struct sizes sizes;
    struct columns_map map;
    real *columns;  /* (rows, columns of the tile) */
    real *gathered; /* (filters, columns of the tile) */
};

static struct work open_work(const struct convolution *c, void *workspace)
{
    struct work w = {.c = c, .sizes = sizes_of(c), .map = columns_make_map(c, workspace)};
    w.columns = (real *)((char *)workspace + columns_map_bytes(c));
    w.gathered = w.columns + w.sizes.rows * w.sizes.columns;
    return w;
}

/* The next tile, or false after the last; starts from a zeroed one. */
static bool next_tile(const struct work *w, struct tile *tile)
{
    const struct sizes *s = &w->sizes;
    if (s->positions == 0)
        return false;
    tile->first += tile->count;
    if (tile->first >= s->positions || tile->samples == 0) {
        tile->first = 0;
        tile->sample += tile->samples;
    }
    if (tile->sample >= w->c->batch)
        return false;
    int64_t left = w->c->batch - tile->sample;
    tile->samples = s->columns >= s->positions ? s->columns / s->positions : 1;
    if (tile->samples > left)
        tile->samples = left;
    tile->count = s->positions - tile->first < s->columns ? s->positions - tile->first : s->columns;
    return true;
}

static int64_t tile_columns(const struct tile *tile)
{
    return tile->samples * tile->count;
}

static int64_t big_offset(const struct work *w, int64_t sample, int64_t group, int64_t channel)
{
    return ((sample * w->c->groups + group) * w->c->channels + channel) * w->sizes.big;
}

/* The column matrix of a tile and its leading dimension: built, or big itself. */
static const real *columns_of(const struct work *w, const struct tile *tile, int64_t group, const real *big,
                              int64_t *leading)
{
    if (tile->samples == 1 && is_pointwise(w->c)) {
        *leading = w->sizes.positions;
        return big + big_offset(w, tile->sample, group, 0) + tile->first;
    }
    real *column = w->columns;
    for (int64_t r = 0; r < w->sizes.rows; r++) {
        struct tap tap = columns_tap(w->c, r % w->sizes.taps);
        for (int64_t s = 0; s < tile->samples; s++, column += tile->count)
            columns_read(w->c, &w->map, tap, big + big_offset(w, tile->sample + s, group, r / w->sizes.taps),
                         tile->first, tile->count, column);
    }
    *leading = tile_columns(tile);
    return w->columns;
}

/* The way back: adds a tile of columns to big. */
static void scatter_columns(const struct work *w, const struct tile *tile, int64_t group, real *big)
{
    real *column = w->columns;
    for (int64_t r = 0; r < w->sizes.rows; r++) {
        struct tap tap = columns_tap(w->c, r % w->sizes.taps);
        for (int64_t s = 0; s < tile->samples; s++, column += tile->count)
            columns_add(w->c, &w->map, tap, big + big_offset(w, tile->sample + s, group, r / w->sizes.taps),
                        tile->first, tile->count, column);
    }
}

static int64_t small_offset(const struct work *w, int64_t sample, int64_t group, int64_t filter)
{
    return ((sample * w->c->groups + group) * w->c->filters + filter) * w->sizes.positions;
}

/* The part of small that belongs to a tile, (filters, columns): in place for one sample, else gathered. */
static const real *gather_small(const struct work *w, const struct tile *tile, int64_t group,
                                const real *small, int64_t *leading)
{
    if (tile->samples == 1) {
        *leading = w->sizes.positions;
        return small + small_offset(w, tile->sample, group, 0) + tile->first;
    }
    real *to = w->gathered;
    for (int64_t f = 0; f < w->c->filters; f++)
        for (int64_t s = 0; s < tile->samples; s++, to += tile->count)
            memcpy(to, small + small_offset(w, tile->sample + s, group, f),
                   (size_t)tile->count * sizeof(real));
    *leading = tile_columns(tile);
    return w->gathered;
}

static void scatter_small(const struct work *w, const struct tile *tile, int64_t group, real *small)
{
    const real *from = w->gathered;
    for (int64_t f = 0; f < w->c->filters; f++)
        for (int64_t s = 0; s < tile->samples; s++, from += tile->count)
            memcpy(small + small_offset(w, tile->sample + s, group, f), from,
                   (size_t)tile->count * sizeof(real));
}

static void add_bias(int64_t batch, int64_t channels, int64_t inner, const real *bias, real *y)
{
    for (int64_t n = 0; n < batch; n++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t i = 0; i < inner; i++)
                y[(n * channels + c) * inner + i] += bias[c];
}

/* In eight lanes, so that it vectorises in a fixed order. */
static real dot(const real *a, const real *b, int64_t count)
{
    real lanes[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (int k = 0; k < 8; k++)
            lanes[k] += a[i + k] * b[i + k];
    real sum = 0;
    for (; i < count; i++)
        sum += a[i] * b[i];
    for (int k = 0; k < 8; k++)
        sum += lanes[k];
    return sum;
}

/* ---- groups of one channel: no product of matrices, each row of columns is used as soon as it is there ----
 */

static void direct_apply(const struct work *w, const real *weight, const real *big, real *small)
{
    const struct convolution *c = w->c;
    memset(small, 0, (size_t)(c->batch * c->groups * c->filters * w->sizes.positions) * sizeof(real));
    for (int64_t plane = 0; plane < c->batch * c->groups * c->filters; plane++) {
        const real *factors = weight + plane % (c->groups * c->filters) * w->sizes.taps;
        for (int64_t first = 0; first < w->sizes.positions; first += w->sizes.columns) {
            int64_t left = w->sizes.positions - first;
            int64_t count = left < w->sizes.columns ? left : w->sizes.columns;
            real *y = small + plane * w->sizes.positions + first;
            for (int64_t t = 0; t < w->sizes.taps; t++) {
                columns_read(c, &w->map, columns_tap(c, t), big + plane / c->filters * w->sizes.big, first,
                             count, w->columns);
                for (int64_t p = 0; p < count; p++)
                    y[p] += factors[t] * w->columns[p];
            }
        }
    }
}

static void direct_apply_back(const struct work *w, const real *weight, const real *small, real *big)
{
    const struct convolution *c = w->c;
    for (int64_t plane = 0; plane < c->batch * c->groups * c->filters; plane++) {
        const real *factors = weight + plane % (c->groups * c->filters) * w->sizes.taps;
        for (int64_t first = 0; first < w->sizes.positions; first += w->sizes.columns) {
            int64_t left = w->sizes.positions - first;
            int64_t count = left < w->sizes.columns ? left : w->sizes.columns;
            const real *y = small + plane * w->sizes.positions + first;
            for (int64_t t = 0; t < w->sizes.taps; t++) {
                for (int64_t p = 0; p < count; p++)
                    w->columns[p] = factors[t] * y[p];
                columns_add(c, &w->map, columns_tap(c, t), big + plane / c->filters * w->sizes.big, first,
                            count, w->columns);
            }
        }
    }
}

static void direct_weight(const struct work *w, const real *big, const real *small, real *weight_gradient)
{
    const struct convolution *c = w->c;
    for (int64_t plane = 0; plane < c->batch * c->groups * c->filters; plane++) {
        real *gradient = weight_gradient + plane % (c->groups * c->filters) * w->sizes.taps;
        for (int64_t first = 0; first < w->sizes.positions; first += w->sizes.columns) {
            int64_t left = w->sizes.positions - first;
            int64_t count = left < w->sizes.columns ? left : w->sizes.columns;
            const real *y = small + plane * w->sizes.positions + first;
            for (int64_t t = 0; t < w->sizes.taps; t++) {
                columns_read(c, &w->map, columns_tap(c, t), big + plane / c->filters * w->sizes.big, first,
                             count, w->columns);
                gradient[t] += dot(w->columns, y, count);
            }
        }
    }
}

/* ---- the three operations ---- */

void convolution_apply(const struct convolution *c, const real *weight, const real *bias, const real *big,
                       real *small, void *workspace)
{
    if (tiles_can_apply(c)) {
        tiles_apply(c, weight, bias, big, small, workspace);
        return;
    }
    struct work w = open_work(c, workspace);
    if (c->channels == 1) {
        direct_apply(&w, weight, big, small);
    } else {
        for (int64_t g = 0; g < c->groups; g++) {
            const real *group_weight = weight + g * c->filters * w.sizes.rows;
            for (struct tile tile = {0}; next_tile(&w, &tile);) {
                int64_t leading, columns = tile_columns(&tile);
                const real *matrix = columns_of(&w, &tile, g, big, &leading);
                bool in_place = tile.samples == 1;
                real *result =
                    in_place ? small + small_offset(&w, tile.sample, g, 0) + tile.first : w.gathered;
                gemm_strided(PLAIN, PLAIN, c->filters, columns, w.sizes.rows, 1, group_weight, w.sizes.rows,
                             matrix, leading, 0, result, in_place ? w.sizes.positions : columns);
                if (!in_place)
                    scatter_small(&w, &tile, g, small);
            }
        }
    }
    if (bias)
        add_bias(c->batch, c->groups * c->filters, w.sizes.positions, bias, small);
}

void convolution_apply_back(const struct convolution *c, const real *weight, const real *bias,
                            const real *small, real *big, void *workspace)
{
    if (tiles_can_apply_back(c)) {
        tiles_apply_back(c, weight, bias, small, big, workspace);
        return;
    }
    struct work w = open_work(c, workspace);
    memset(big, 0, (size_t)(c->batch * c->groups * c->channels * w.sizes.big) * sizeof(real));
    if (c->channels == 1) {
        direct_apply_back(&w, weight, small, big);
    } else {
        for (int64_t g = 0; g < c->groups; g++) {
            const real *group_weight = weight + g * c->filters * w.sizes.rows;
            for (struct tile tile = {0}; next_tile(&w, &tile);) {
                int64_t leading, columns = tile_columns(&tile);
                const real *part = gather_small(&w, &tile, g, small, &leading);
                bool in_place = tile.samples == 1 && is_pointwise(c);
                real *result = in_place ? big + big_offset(&w, tile.sample, g, 0) + tile.first : w.columns;
                gemm_strided(TRANSPOSED, PLAIN, w.sizes.rows, columns, c->filters, 1, group_weight,
                             w.sizes.rows, part, leading, 0, result, in_place ? w.sizes.positions : columns);
                if (!in_place)
                    scatter_columns(&w, &tile, g, big);
            }
        }
    }
    if (bias)
        add_bias(c->batch, c->groups * c->channels, w.sizes.big, bias, big);
}

void convolution_weight(const struct convolution *c, const real *big, const real *small,
                        real *weight_gradient, void *workspace)
{
    if (tiles_can_apply(c)) {
        tiles_weight(c, big, small, weight_gradient, workspace);
        return;
    }
    struct work w = open_work(c, workspace);
    memset(weight_gradient, 0, (size_t)(c->groups * c->filters * w.sizes.rows) * sizeof(real));
    if (c->channels == 1) {
        direct_weight(&w, big, small, weight_gradient);
        return;
    }
    for (int64_t g = 0; g < c->groups; g++) {
        for (struct tile tile = {0}; next_tile(&w, &tile);) {
            int64_t leading, part_leading, columns = tile_columns(&tile);
            const real *matrix = columns_of(&w, &tile, g, big, &leading);
            const real *part = gather_small(&w, &tile, g, small, &part_leading);
            gemm_strided(PLAIN, TRANSPOSED, c->filters, w.sizes.rows, columns, 1, part, part_leading, matrix,
                         leading, 1, weight_gradient + g * c->filters * w.sizes.rows, w.sizes.rows);
        }
    }
}

void convolution_bias(int64_t batch, int64_t channels, int64_t inner, const real *x, real *bias_gradient)
{
    for (int64_t c = 0; c < channels; c++) {
        double sum = 0;
        for (int64_t n = 0; n < batch; n++)
            for (int64_t i = 0; i < inner; i++)
                sum += (double)x[(n * channels + c) * inner + i];
        bias_gradient[c] = (real)sum;
    }
}
