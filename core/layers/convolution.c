#include "core/layers/convolution.h"

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

/* Source indices for each (tap, position) of each dimension, -1 outside, and for the innermost dimension the
 * range of positions whose source is in bounds. */
struct map {
    int32_t *source[3]; /* (kernel, small) */
    int64_t *low;       /* (kernel of the innermost dimension) */
    int64_t *high;
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

static size_t map_bytes(const struct convolution *c)
{
    size_t bytes = 2 * (size_t)c->kernel[2] * sizeof(int64_t);
    for (int d = 0; d < 3; d++)
        bytes += (size_t)(c->kernel[d] * c->small[d]) * sizeof(int32_t);
    return (bytes + 63) / 64 * 64;
}

void VARIANT(convolution_workspace)(const struct convolution *c, struct layer_shapes *shapes)
{
    struct sizes s = sizes_of(c);
    shapes->workspace += map_bytes(c);
    if (c->channels == 1) {
        layer_add_reals(shapes, &shapes->workspace, s.columns);
        return;
    }
    layer_add_reals(shapes, &shapes->workspace, s.rows * s.columns);
    layer_add_reals(shapes, &shapes->workspace, c->filters * s.columns);
}

static int64_t wrap(enum convolution_padding mode, int64_t i, int64_t size)
{
    if (i >= 0 && i < size)
        return i;
    switch (mode) {
    case PADDING_REFLECT:
        return i < 0 ? -i : 2 * (size - 1) - i;
    case PADDING_REPLICATE:
        return i < 0 ? 0 : size - 1;
    case PADDING_CIRCULAR:
        return i < 0 ? i + size : i - size;
    case PADDING_ZEROS:
        break;
    }
    return -1;
}

static struct map make_map(const struct convolution *c, void *memory)
{
    struct map map = {.low = memory};
    map.high = map.low + c->kernel[2];
    int32_t *next = (int32_t *)(map.high + c->kernel[2]);
    for (int d = 0; d < 3; d++) {
        map.source[d] = next;
        for (int64_t t = 0; t < c->kernel[d]; t++)
            for (int64_t o = 0; o < c->small[d]; o++)
                *next++ =
                    (int32_t)wrap(c->mode, o * c->stride[d] - c->before[d] + t * c->dilation[d], c->big[d]);
    }
    for (int64_t t = 0; t < c->kernel[2]; t++) {
        int64_t offset = t * c->dilation[2] - c->before[2];
        int64_t low = 0, high = c->small[2];
        while (low < high && low * c->stride[2] + offset < 0)
            low++;
        while (high > low && (high - 1) * c->stride[2] + offset >= c->big[2])
            high--;
        map.low[t] = low;
        map.high[t] = high;
    }
    return map;
}

/* One stretch of a row of `small`: positions [from, to) of the innermost dimension, all seen through one tap.
 */
struct stretch {
    const int32_t *source; /* by position */
    int64_t low;
    int64_t high;
    int64_t offset;
    int64_t stride;
};

static void read_stretch(const struct stretch *s, const real *row, int64_t from, int64_t to, real *column)
{
    int64_t low = s->low > from ? s->low : from;
    int64_t high = s->high < to ? s->high : to;
    if (low > high)
        low = high = low < to ? low : to;
    for (int64_t o = from; o < low; o++)
        *column++ = s->source[o] < 0 ? 0 : row[s->source[o]];
    if (s->stride == 1) {
        for (int64_t o = low; o < high; o++)
            *column++ = row[o + s->offset];
    } else {
        for (int64_t o = low; o < high; o++)
            *column++ = row[o * s->stride + s->offset];
    }
    for (int64_t o = high; o < to; o++)
        *column++ = s->source[o] < 0 ? 0 : row[s->source[o]];
}

static void add_stretch(const struct stretch *s, real *row, int64_t from, int64_t to, const real *column)
{
    int64_t low = s->low > from ? s->low : from;
    int64_t high = s->high < to ? s->high : to;
    if (low > high)
        low = high = low < to ? low : to;
    for (int64_t o = from; o < low; o++, column++)
        if (s->source[o] >= 0)
            row[s->source[o]] += *column;
    if (s->stride == 1) {
        for (int64_t o = low; o < high; o++)
            row[o + s->offset] += *column++;
    } else {
        for (int64_t o = low; o < high; o++)
            row[o * s->stride + s->offset] += *column++;
    }
    for (int64_t o = high; o < to; o++, column++)
        if (s->source[o] >= 0)
            row[s->source[o]] += *column;
}

/* One tap of the kernel, by its indices. */
struct tap {
    int64_t d, h, w;
};

static struct tap tap_at(const struct convolution *c, int64_t index)
{
    return (struct tap){index / (c->kernel[1] * c->kernel[2]), index / c->kernel[2] % c->kernel[1],
                        index % c->kernel[2]};
}

static struct stretch stretch_of(const struct convolution *c, const struct map *map, struct tap tap)
{
    return (struct stretch){map->source[2] + tap.w * c->small[2], map->low[tap.w], map->high[tap.w],
                            tap.w * c->dilation[2] - c->before[2], c->stride[2]};
}

/* Walks over the rows of small that positions [first, first + count) touch. */
struct walk {
    int64_t left;     /* positions to go */
    int64_t from, to; /* positions of the row at hand */
    int64_t d, h;     /* its indices */
};

static struct walk begin_walk(const struct convolution *c, int64_t first, int64_t count)
{
    int64_t width = c->small[2], row = first / width;
    struct walk walk = {
        .left = count, .from = first - row * width, .d = row / c->small[1], .h = row % c->small[1]};
    walk.to = walk.left < width - walk.from ? walk.from + walk.left : width;
    return walk;
}

static void next_row(const struct convolution *c, struct walk *walk)
{
    walk->left -= walk->to - walk->from;
    walk->from = 0;
    walk->to = walk->left < c->small[2] ? walk->left : c->small[2];
    if (++walk->h == c->small[1]) {
        walk->h = 0;
        walk->d++;
    }
}

/* Offset into a channel of big of the row that the row at hand sees through a tap; -1: padding. */
static int64_t row_offset(const struct convolution *c, const struct map *map, struct tap tap,
                          const struct walk *walk)
{
    int64_t d = map->source[0][tap.d * c->small[0] + walk->d];
    int64_t h = map->source[1][tap.h * c->small[1] + walk->h];
    return d < 0 || h < 0 ? -1 : (d * c->big[1] + h) * c->big[2];
}

/* One row of the column matrix: a channel through one tap at positions [first, first + count). */
static void read_row(const struct convolution *c, const struct map *map, struct tap tap, const real *channel,
                     int64_t first, int64_t count, real *column)
{
    const struct stretch stretch = stretch_of(c, map, tap);
    for (struct walk walk = begin_walk(c, first, count); walk.left > 0; next_row(c, &walk)) {
        int64_t offset = row_offset(c, map, tap, &walk);
        if (offset >= 0)
            read_stretch(&stretch, channel + offset, walk.from, walk.to, column);
        else
            for (int64_t o = 0; o < walk.to - walk.from; o++)
                column[o] = 0;
        column += walk.to - walk.from;
    }
}

static void add_row(const struct convolution *c, const struct map *map, struct tap tap, real *channel,
                    int64_t first, int64_t count, const real *column)
{
    const struct stretch stretch = stretch_of(c, map, tap);
    for (struct walk walk = begin_walk(c, first, count); walk.left > 0; next_row(c, &walk)) {
        int64_t offset = row_offset(c, map, tap, &walk);
        if (offset >= 0)
            add_stretch(&stretch, channel + offset, walk.from, walk.to, column);
        column += walk.to - walk.from;
    }
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
    struct map map;
    real *columns;  /* (rows, columns of the tile) */
    real *gathered; /* (filters, columns of the tile) */
};

static struct work open_work(const struct convolution *c, void *workspace)
{
    struct work w = {.c = c, .sizes = sizes_of(c), .map = make_map(c, workspace)};
    w.columns = (real *)((char *)workspace + map_bytes(c));
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
        struct tap tap = tap_at(w->c, r % w->sizes.taps);
        for (int64_t s = 0; s < tile->samples; s++, column += tile->count)
            read_row(w->c, &w->map, tap, big + big_offset(w, tile->sample + s, group, r / w->sizes.taps),
                     tile->first, tile->count, column);
    }
    *leading = tile_columns(tile);
    return w->columns;
}

/* The way back: adds a tile of columns to big. */
static void scatter_columns(const struct work *w, const struct tile *tile, int64_t group, real *big)
{
    const real *column = w->columns;
    for (int64_t r = 0; r < w->sizes.rows; r++) {
        struct tap tap = tap_at(w->c, r % w->sizes.taps);
        for (int64_t s = 0; s < tile->samples; s++, column += tile->count)
            add_row(w->c, &w->map, tap, big + big_offset(w, tile->sample + s, group, r / w->sizes.taps),
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
                read_row(c, &w->map, tap_at(c, t), big + plane / c->filters * w->sizes.big, first, count,
                         w->columns);
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
                add_row(c, &w->map, tap_at(c, t), big + plane / c->filters * w->sizes.big, first, count,
                        w->columns);
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
                read_row(c, &w->map, tap_at(c, t), big + plane / c->filters * w->sizes.big, first, count,
                         w->columns);
                gradient[t] += dot(w->columns, y, count);
            }
        }
    }
}

/* ---- the three operations ---- */

void VARIANT(convolution_apply)(const struct convolution *c, const real *weight, const real *bias,
                                const real *big, real *small, void *workspace)
{
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

void VARIANT(convolution_apply_back)(const struct convolution *c, const real *weight, const real *bias,
                                     const real *small, real *big, void *workspace)
{
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

void VARIANT(convolution_weight)(const struct convolution *c, const real *big, const real *small,
                                 real *weight_gradient, void *workspace)
{
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

void VARIANT(convolution_bias)(int64_t batch, int64_t channels, int64_t inner, const real *x,
                               real *bias_gradient)
{
    for (int64_t c = 0; c < channels; c++) {
        double sum = 0;
        for (int64_t n = 0; n < batch; n++)
            for (int64_t i = 0; i < inner; i++)
                sum += (double)x[(n * channels + c) * inner + i];
        bias_gradient[c] = (real)sum;
    }
}
