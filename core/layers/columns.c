#include "core/layers/columns.h"

size_t columns_map_bytes(const struct convolution *c)
{
    size_t bytes = 2 * (size_t)c->kernel[2] * sizeof(int64_t);
    for (int d = 0; d < 3; d++)
        bytes += (size_t)(c->kernel[d] * c->small[d]) * sizeof(int32_t);
    return (bytes + 63) / 64 * 64;
}

struct columns_map columns_make_map(const struct convolution *c, void *memory)
{
    struct columns_map map = {.low = memory};
    map.high = map.low + c->kernel[2];
    int32_t *next = (int32_t *)(map.high + c->kernel[2]);
    for (int d = 0; d < 3; d++) {
        map.source[d] = next;
        for (int64_t t = 0; t < c->kernel[d]; t++)
            for (int64_t o = 0; o < c->small[d]; o++)
                *next++ = (int32_t)convolution_source(
                    c->mode, o * c->stride[d] - c->before[d] + t * c->dilation[d], c->big[d]);
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

struct tap columns_tap(const struct convolution *c, int64_t index)
{
    return (struct tap){index / (c->kernel[1] * c->kernel[2]), index / c->kernel[2] % c->kernel[1],
                        index % c->kernel[2]};
}

static struct stretch stretch_of(const struct convolution *c, const struct columns_map *map, struct tap tap)
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
static int64_t row_offset(const struct convolution *c, const struct columns_map *map, struct tap tap,
                          const struct walk *walk)
{
    int64_t d = map->source[0][tap.d * c->small[0] + walk->d];
    int64_t h = map->source[1][tap.h * c->small[1] + walk->h];
    return d < 0 || h < 0 ? -1 : (d * c->big[1] + h) * c->big[2];
}

/* Whether small is as large as big and moves with it (a 3x3 kernel with padding 1): a row of columns then is
 * the channel itself, shifted, with zeros where the shift runs over an edge. */
static bool is_shift(const struct convolution *c)
{
    bool shift = c->mode == PADDING_ZEROS && c->kernel[0] == 1 && c->big[0] == 1 && c->small[0] == 1;
    for (int d = 1; d < 3; d++)
        shift = shift && c->stride[d] == 1 && c->small[d] == c->big[d];
    return shift && c->before[0] == 0;
}

/* By how much, and the part [low, high) of the positions that stays inside the channel. */
struct shift {
    int64_t columns;
    int64_t offset;
    int64_t low;
    int64_t high;
};

static struct shift shift_of(const struct convolution *c, struct tap tap, int64_t first, int64_t count)
{
    int64_t rows = tap.h * c->dilation[1] - c->before[1];
    struct shift s = {.columns = tap.w * c->dilation[2] - c->before[2]};
    s.offset = rows * c->big[2] + s.columns;
    s.low = first > -s.offset ? first : -s.offset;
    s.high = c->big[1] * c->big[2] - s.offset;
    s.high = s.high < first + count ? s.high : first + count;
    if (s.low > s.high)
        s.low = s.high = first;
    return s;
}

/* Zeros at the edge that the shift runs over, in every row that positions [first, first + count) touch. */
static void clear_edge(const struct convolution *c, const struct shift *s, int64_t first, int64_t count,
                       real *column)
{
    int64_t width = c->big[2];
    int64_t from = s->columns < 0 ? 0 : width - s->columns;
    int64_t to = s->columns < 0 ? -s->columns : width;
    from = from > 0 ? from : 0;
    to = to < width ? to : width;
    for (int64_t row = first / width * width; row < first + count; row += width)
        for (int64_t p = row + from; p < row + to; p++)
            if (p >= first && p < first + count)
                column[p - first] = 0;
}

static void read_shifted(const struct convolution *c, struct tap tap, const real *channel, int64_t first,
                         int64_t count, real *column)
{
    struct shift s = shift_of(c, tap, first, count);
    for (int64_t p = first; p < s.low; p++)
        column[p - first] = 0;
    for (int64_t p = s.low; p < s.high; p++)
        column[p - first] = channel[p + s.offset];
    for (int64_t p = s.high; p < first + count; p++)
        column[p - first] = 0;
    clear_edge(c, &s, first, count, column);
}

static void add_shifted(const struct convolution *c, struct tap tap, real *channel, int64_t first,
                        int64_t count, real *column)
{
    struct shift s = shift_of(c, tap, first, count);
    clear_edge(c, &s, first, count, column);
    for (int64_t p = s.low; p < s.high; p++)
        channel[p + s.offset] += column[p - first];
}

/* One row of the column matrix: a channel through one tap at positions [first, first + count). */
void columns_read(const struct convolution *c, const struct columns_map *map, struct tap tap,
                  const real *channel, int64_t first, int64_t count, real *column)
{
    if (is_shift(c)) {
        read_shifted(c, tap, channel, first, count, column);
        return;
    }
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

void columns_add(const struct convolution *c, const struct columns_map *map, struct tap tap, real *channel,
                 int64_t first, int64_t count, real *column)
{
    if (is_shift(c)) {
        add_shifted(c, tap, channel, first, count, column);
        return;
    }
    const struct stretch stretch = stretch_of(c, map, tap);
    for (struct walk walk = begin_walk(c, first, count); walk.left > 0; next_row(c, &walk)) {
        int64_t offset = row_offset(c, map, tap, &walk);
        if (offset >= 0)
            add_stretch(&stretch, channel + offset, walk.from, walk.to, column);
        column += walk.to - walk.from;
    }
}
