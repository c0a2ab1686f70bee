#include "core/layers/convolution_tiles.h"
#include "core/layers/channels_last.h"
#include "core/layers/weight_panel.h"

enum {
    COPY_ELEMENTS = 1 << 20, /* of a copy of several samples */
    LEAST_COLUMNS = 8,       /* fewer leave too much of a vector empty */
    DEPTH = 256,             /* positions that a weight's gradient adds up at once */
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t product(const int64_t sizes[3])
{
    return sizes[0] * sizes[1] * sizes[2];
}

/* ---- copies ---- */

/* Of big, as far as the kernel sees it. */
static struct channels_last copy_of_big(const struct convolution *c)
{
    struct channels_last l = {.channels = c->channels, .mode = c->mode};
    for (int d = 0; d < 3; d++) {
        l.size[d] = c->big[d];
        l.before[d] = c->before[d];
        l.padded[d] = (c->small[d] - 1) * c->stride[d] + (c->kernel[d] - 1) * c->dilation[d] + 1;
    }
    return l;
}

/* Of small, with zeros where the kernel reaches over its edges on the way back. */
static struct channels_last copy_of_small(const struct convolution *c)
{
    struct channels_last l = {.channels = c->filters, .mode = PADDING_ZEROS};
    for (int d = 0; d < 3; d++) {
        int64_t below = ((c->kernel[d] - 1) * c->dilation[d] - c->before[d]) / c->stride[d];
        int64_t end = (c->big[d] - 1 + c->before[d]) / c->stride[d] + 1;
        l.size[d] = c->small[d];
        l.before[d] = below > 0 ? below : 0;
        l.padded[d] = l.before[d] + (end > c->small[d] ? end : c->small[d]);
    }
    return l;
}

static bool is_bounded(const struct convolution *c, const struct channels_last *l)
{
    double elements =
        (double)l->padded[0] * (double)l->padded[1] * (double)l->padded[2] * (double)l->channels;
    double given =
        (double)product(c->big) * (double)c->channels + (double)product(c->small) * (double)c->filters;
    return elements <= 4 * given + COPY_ELEMENTS && c->batch > 0 && product(l->size) > 0;
}

bool tiles_can_apply(const struct convolution *c)
{
    struct channels_last l = copy_of_big(c);
    return c->filters >= LEAST_COLUMNS && is_bounded(c, &l);
}

bool tiles_can_apply_back(const struct convolution *c)
{
    struct channels_last l = copy_of_small(c);
    return c->channels >= LEAST_COLUMNS && c->mode == PADDING_ZEROS && is_bounded(c, &l);
}

static int64_t samples_of(const struct convolution *c, const struct channels_last *l)
{
    int64_t samples = COPY_ELEMENTS / channels_last_count(l);
    return samples < 1 ? 1 : least(samples, c->batch);
}

static int64_t tap_reals(const struct convolution *c)
{
    return 2 * product(c->kernel) * (int64_t)(sizeof(int64_t) / sizeof(real));
}

static int64_t workspace_for(const struct convolution *c, const struct channels_last *l)
{
    return tap_reals(c) + samples_of(c, l) * channels_last_count(l) + TILE_LANES +
           product(c->kernel) * l->channels * TILE_COLUMNS;
}

int64_t tiles_workspace(const struct convolution *c)
{
    int64_t reals = 0;
    struct channels_last big = copy_of_big(c), small = copy_of_small(c);
    if (tiles_can_apply(c))
        reals = workspace_for(c, &big);
    if (tiles_can_apply_back(c) && workspace_for(c, &small) > reals)
        reals = workspace_for(c, &small);
    return reals;
}

/* ---- products over the taps of a kernel ---- */

/* One operation on one group of some samples. */
struct work {
    const struct convolution *c;
    struct channels_last layout;
    int64_t samples;
    int64_t taps;
    int64_t *offsets; /* by tap: of what it sees, from what the first one does */
    int64_t *rows;    /* by tap: of the panel, in units of `depth` rows */
    int64_t depth;    /* elements that a tap sees at once */
    real *copy;       /* (samples, layout) */
    struct weight_panel panel;
};

static struct work open_work(const struct convolution *c, const struct channels_last *layout, real *workspace)
{
    struct work w = {.c = c, .layout = *layout, .depth = layout->channels, .offsets = (int64_t *)workspace};
    w.rows = w.offsets + product(c->kernel);
    w.copy = workspace + tap_reals(c);
    w.panel = (struct weight_panel){.taps = product(c->kernel), .channels = layout->channels};
    w.panel.memory = w.copy + samples_of(c, layout) * channels_last_count(layout) + TILE_LANES;
    return w;
}

static void copy_samples(struct work *w, const real *tensor, int64_t sample, int64_t group)
{
    int64_t elements = product(w->layout.size) * w->layout.channels, count = channels_last_count(&w->layout);
    w->samples = least(samples_of(w->c, &w->layout), w->c->batch - sample);
    for (int64_t s = 0; s < w->samples; s++)
        channels_last_copy(&w->layout, tensor + ((sample + s) * w->c->groups + group) * elements,
                           w->copy + s * count);
    memset(w->copy + w->samples * count, 0, TILE_LANES * sizeof(real)); /* tiles read over the end */
}

/* The taps of a kernel on the way forward; those of a row at once where they see neighbours. */
static void list_taps(struct work *w)
{
    const struct convolution *c = w->c;
    int64_t together = c->dilation[2] == 1 ? c->kernel[2] : 1;
    w->depth = together * c->channels;
    w->taps = 0;
    for (int64_t d = 0; d < c->kernel[0]; d++)
        for (int64_t h = 0; h < c->kernel[1]; h++)
            for (int64_t x = 0; x < c->kernel[2]; x += together) {
                w->offsets[w->taps] = channels_last_at(&w->layout, 0, d * c->dilation[0], h * c->dilation[1],
                                                       x * c->dilation[2]);
                w->rows[w->taps] = w->taps;
                w->taps++;
            }
}

/* The positions of a result: count of them in each dimension, which lie `step` apart in the copy and
 * `result_step` in the result. */
struct grid {
    int64_t count[3];
    int64_t first[3];
    int64_t step[3];
    int64_t result_first[3];
    int64_t result_step[3];
    const int64_t *result_size;
};

/* Steps through a grid, sample by sample. */
struct position {
    int64_t sample, d, h, w;
};

static void next_position(const struct grid *g, struct position *p)
{
    if (++p->w < g->count[2])
        return;
    p->w = 0;
    if (++p->h < g->count[1])
        return;
    p->h = 0;
    if (++p->d < g->count[0])
        return;
    p->d = 0;
    p->sample++;
}

static int64_t source_of(const struct work *w, const struct grid *g, const struct position *p)
{
    return channels_last_at(&w->layout, p->sample, g->first[0] + p->d * g->step[0],
                            g->first[1] + p->h * g->step[1], g->first[2] + p->w * g->step[2]);
}

/* Where the columns of a panel go. */
struct target {
    real *result; /* of the first sample and column */
    const real *bias;
    int64_t columns;
    int64_t columns_apart;
    int64_t samples_apart;
};

static int64_t result_of(const struct grid *g, const struct target *t, const struct position *p)
{
    int64_t d = g->result_first[0] + p->d * g->result_step[0],
            h = g->result_first[1] + p->h * g->result_step[1];
    return p->sample * t->samples_apart + (d * g->result_size[1] + h) * g->result_size[2] +
           g->result_first[2] + p->w * g->result_step[2];
}

static void multiply_tile(const struct work *w, const real *const rows[TILE_ROWS], const real *bias,
                          struct tile *result)
{
    struct tile tile;
    for (int i = 0; i < TILE_ROWS; i++)
        for (int v = 0; v < TILE_VECTORS; v++)
            tile.sums[i][v] = ((const tile_vector *)bias)[v];
    for (int64_t t = 0; t < w->taps; t++) {
        const real *seen[TILE_ROWS];
        for (int i = 0; i < TILE_ROWS; i++)
            seen[i] = rows[i] + w->offsets[t];
        tile_add_rows(&tile, w->depth, seen, w->panel.memory + w->rows[t] * w->depth * TILE_COLUMNS);
    }
    *result = tile;
}

static void multiply(const struct work *w, const struct grid *g, const struct target *t)
{
    real bias[TILE_COLUMNS] = {0};
    for (int64_t j = 0; t->bias && j < t->columns; j++)
        bias[j] = t->bias[j];
    int64_t left = w->samples * product(g->count);
    for (struct position p = {0}; left > 0; left -= TILE_ROWS) {
        const real *rows[TILE_ROWS] = {0};
        int64_t to[TILE_ROWS], count = least(left, TILE_ROWS);
        for (int64_t i = 0; i < TILE_ROWS; i++) {
            rows[i] = i < count ? w->copy + source_of(w, g, &p) : rows[0];
            to[i] = i < count ? result_of(g, t, &p) : 0;
            next_position(g, &p);
        }
        struct tile tile;
        multiply_tile(w, rows, bias, &tile);
        for (int64_t j = 0; j < t->columns; j++)
            for (int64_t i = 0; i < count; i++)
                t->result[j * t->columns_apart + to[i]] = ((const real *)tile.sums[i])[j];
    }
}

void tiles_apply(const struct convolution *c, const real *weight, const real *bias, const real *big,
                 real *small, real *workspace)
{
    struct channels_last layout = copy_of_big(c);
    struct work w = open_work(c, &layout, workspace);
    int64_t positions = product(c->small), taps = product(c->kernel), all = c->groups * c->filters;
    struct grid grid = {.result_size = c->small, .result_step = {1, 1, 1}};
    for (int d = 0; d < 3; d++) {
        grid.count[d] = c->small[d];
        grid.step[d] = c->stride[d];
    }
    list_taps(&w);
    for (int64_t group = 0; group < c->groups; group++)
        for (int64_t sample = 0; sample < c->batch; sample += w.samples) {
            copy_samples(&w, big, sample, group);
            for (int64_t f = 0; f < c->filters; f += TILE_COLUMNS) {
                int64_t filter = group * c->filters + f;
                struct target target = {small + (sample * all + filter) * positions,
                                        bias ? bias + filter : NULL, least(c->filters - f, TILE_COLUMNS),
                                        positions, all * positions};
                struct weight_rows rows = {weight + filter * c->channels * taps,
                                           weight + all * c->channels * taps, target.columns,
                                           c->channels * taps};
                panel_pack_filters(&w.panel, &rows);
                multiply(&w, &grid, &target);
            }
        }
}

/* ---- the way back ---- */

/* The elements of one dimension of big that lie `phase` + a multiple of the stride from its beginning see the
 * same taps. */
static int64_t count_of_phase(const struct convolution *c, int d, int64_t phase)
{
    return (c->big[d] - phase + c->stride[d] - 1) / c->stride[d];
}

/* Position in the copy that the first element of a phase sees through a tap; -1: none. */
static int64_t seen_by(const struct work *w, int d, int64_t phase, int64_t tap)
{
    int64_t distance =
        phase + w->c->before[d] - tap * w->c->dilation[d] + w->layout.before[d] * w->c->stride[d];
    return distance < 0 || distance % w->c->stride[d] ? -1 : distance / w->c->stride[d];
}

static void list_taps_back(struct work *w, const int64_t phase[3])
{
    const int64_t *kernel = w->c->kernel;
    w->taps = 0;
    for (int64_t d = 0; d < kernel[0]; d++)
        for (int64_t h = 0; h < kernel[1]; h++)
            for (int64_t x = 0; x < kernel[2]; x++) {
                int64_t seen_d = seen_by(w, 0, phase[0], d), seen_h = seen_by(w, 1, phase[1], h),
                        seen_x = seen_by(w, 2, phase[2], x);
                if (seen_d < 0 || seen_h < 0 || seen_x < 0)
                    continue;
                w->offsets[w->taps] = channels_last_at(&w->layout, 0, seen_d, seen_h, seen_x);
                w->rows[w->taps++] = (d * kernel[1] + h) * kernel[2] + x;
            }
}

static void multiply_phases(struct work *w, const struct target *target)
{
    const struct convolution *c = w->c;
    struct grid grid = {.result_size = c->big, .step = {1, 1, 1}};
    memcpy(grid.result_step, c->stride, sizeof(grid.result_step));
    int64_t *phase = grid.result_first;
    for (phase[0] = 0; phase[0] < least(c->stride[0], c->big[0]); phase[0]++)
        for (phase[1] = 0; phase[1] < least(c->stride[1], c->big[1]); phase[1]++)
            for (phase[2] = 0; phase[2] < least(c->stride[2], c->big[2]); phase[2]++) {
                for (int d = 0; d < 3; d++)
                    grid.count[d] = count_of_phase(c, d, phase[d]);
                list_taps_back(w, phase);
                multiply(w, &grid, target);
            }
}

void tiles_apply_back(const struct convolution *c, const real *weight, const real *bias, const real *small,
                      real *big, real *workspace)
{
    struct channels_last layout = copy_of_small(c);
    struct work w = open_work(c, &layout, workspace);
    int64_t positions = product(c->big), taps = product(c->kernel), all = c->groups * c->channels;
    for (int64_t group = 0; group < c->groups; group++)
        for (int64_t sample = 0; sample < c->batch; sample += w.samples) {
            copy_samples(&w, small, sample, group);
            const real *group_weight = weight + group * c->filters * c->channels * taps;
            for (int64_t i = 0; i < c->channels; i += TILE_COLUMNS) {
                int64_t channel = group * c->channels + i;
                struct target target = {big + (sample * all + channel) * positions,
                                        bias ? bias + channel : NULL, least(c->channels - i, TILE_COLUMNS),
                                        positions, all * positions};
                struct weight_rows rows = {group_weight + i * taps, weight + all * c->filters * taps,
                                           target.columns, taps};
                panel_pack_channels(&w.panel, &rows, c->channels * taps);
                multiply_phases(&w, &target);
            }
        }
}

/* ---- the weight's gradient ---- */

/* Up to DEPTH positions: what the kernel sees there, and their gradients by filter. */
struct stretch {
    int64_t count;
    const real *seen[DEPTH];
    real gradients[DEPTH * TILE_COLUMNS];
};

static void multiply_stretch(const struct stretch *s, int64_t offset, struct tile *result)
{
    struct tile tile = {0};
    for (int64_t k = 0; k < s->count; k++)
        tile_add_columns(&tile, 1, s->seen[k] + offset, 0, s->gradients + k * TILE_COLUMNS);
    *result = tile;
}

/* panel (taps, depth, TILE_COLUMNS) += what is seen times the gradients. */
static void add_stretch(const struct work *w, const struct stretch *s)
{
    for (int64_t t = 0; t < w->taps; t++)
        for (int64_t first = 0; first < w->depth; first += TILE_ROWS) {
            struct tile tile;
            multiply_stretch(s, w->offsets[t] + first, &tile);
            real *sums = w->panel.memory + (t * w->depth + first) * TILE_COLUMNS;
            int64_t count = least(w->depth - first, TILE_ROWS) * TILE_COLUMNS;
            for (int64_t i = 0; i < count; i++)
                sums[i] += ((const real *)tile.sums)[i];
        }
}

/* Fills in a stretch from position `p` on; small is that of the first sample and filter. */
static void fill_stretch(const struct work *w, const struct grid *g, const struct target *t,
                         struct position *p, int64_t left, struct stretch *s)
{
    int64_t positions = product(g->count);
    s->count = least(left, DEPTH);
    if (t->columns < TILE_COLUMNS)
        memset(s->gradients, 0, sizeof(s->gradients));
    for (int64_t k = 0; k < s->count;) {
        int64_t at = (p->d * g->count[1] + p->h) * g->count[2] + p->w;
        int64_t run = least(positions - at, s->count - k);
        transpose(t->result + p->sample * t->samples_apart + at, t->columns_apart, t->columns, run,
                  s->gradients + k * TILE_COLUMNS, TILE_COLUMNS);
        for (int64_t end = k + run; k < end; k++) {
            s->seen[k] = w->copy + source_of(w, g, p);
            next_position(g, p);
        }
    }
}

void tiles_weight(const struct convolution *c, const real *big, const real *small, real *weight_gradient,
                  real *workspace)
{
    struct channels_last layout = copy_of_big(c);
    struct work w = open_work(c, &layout, workspace);
    int64_t positions = product(c->small), taps = product(c->kernel), all = c->groups * c->filters;
    struct grid grid = {.result_size = c->small};
    for (int d = 0; d < 3; d++) {
        grid.count[d] = c->small[d];
        grid.step[d] = c->stride[d];
    }
    list_taps(&w);
    memset(weight_gradient, 0, (size_t)(all * c->channels * taps) * sizeof(real));
    for (int64_t group = 0; group < c->groups; group++)
        for (int64_t sample = 0; sample < c->batch; sample += w.samples) {
            copy_samples(&w, big, sample, group);
            for (int64_t f = 0; f < c->filters; f += TILE_COLUMNS) {
                int64_t filter = group * c->filters + f, left = w.samples * positions;
                struct target target = {(real *)small + (sample * all + filter) * positions, NULL,
                                        least(c->filters - f, TILE_COLUMNS), positions, all * positions};
                struct stretch stretch;
                memset(w.panel.memory, 0, (size_t)(taps * c->channels * TILE_COLUMNS) * sizeof(real));
                for (struct position p = {0}; left > 0; left -= stretch.count) {
                    fill_stretch(&w, &grid, &target, &p, left, &stretch);
                    add_stretch(&w, &stretch);
                }
                panel_add_to(&w.panel, target.columns, weight_gradient + filter * c->channels * taps);
            }
        }
}
