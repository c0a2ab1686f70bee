/* A convolution's weights as a panel for tiles (real/tile.h): TILE_COLUMNS filters, or channels on the way
 * back, side by side in rows (tap, channel of what is read). */
#ifndef LAYERS_WEIGHT_PANEL_H
#define LAYERS_WEIGHT_PANEL_H

#include "core/real/transpose.h"

#include <string.h>

struct weight_panel {
    real *memory; /* (taps, channels, TILE_COLUMNS) */
    int64_t taps;
    int64_t channels;
};

/* Weights that lie together, element k * taps + tap for each, and the row of the panel (tap, channels of the
 * copy) that each belongs to. */
struct panel_line {
    int64_t channels;
    int64_t taps;
    int64_t length; /* how many there are */
    int64_t k, tap; /* of the next one */
    int64_t ahead; /* distance to weights that are needed soon, too many streams for a processor to foresee */
};

/* The panel's rows of the next elements, `spare` after the last. */
static inline int64_t panel_next_rows(struct panel_line *line, real *panel, real *spare,
                                      real *rows[TILE_LANES])
{
    int64_t count = line->length < TILE_LANES ? line->length : TILE_LANES;
    for (int i = 0; i < TILE_LANES; i++) {
        rows[i] = i < count ? panel + (line->tap * line->channels + line->k) * TILE_COLUMNS : spare;
        if (++line->tap == line->taps) {
            line->tap = 0;
            line->k++;
        }
    }
    line->length -= count;
    return count;
}

/* A matrix whose rows are filters, or channels on the way back: zeros stand for rows that are missing. */
struct weight_rows {
    const real *first;
    const real *end; /* of all weights */
    int64_t count;
    int64_t apart;
};

/* Where `count` elements of a row are to be read, with others behind them; from `edge` where there are none.
 */
static inline const real *panel_readable(const struct weight_rows *rows, int64_t row, int64_t offset,
                                         int64_t count, real *edge)
{
    const real *at = rows->first + row * rows->apart + offset;
    if (row < rows->count && rows->end - at >= TILE_LANES)
        return at;
    memset(edge, 0, TILE_LANES * sizeof(real));
    if (row < rows->count)
        memcpy(edge, at, (size_t)count * sizeof(real));
    return edge;
}

static inline void panel_pack_line(const struct weight_panel *panel, const struct weight_rows *weights,
                                   int64_t offset, struct panel_line line)
{
    real spare[TILE_COLUMNS], edges[TILE_LANES][TILE_LANES];
    while (line.length > 0) {
        real *to[TILE_LANES];
        int64_t count = panel_next_rows(&line, panel->memory, spare, to);
        for (int half = 0; half < TILE_VECTORS; half++) {
            const real *from[TILE_LANES];
            for (int j = 0; j < TILE_LANES; j++) {
                from[j] = panel_readable(weights, half * TILE_LANES + j, offset, count, edges[j]);
                __builtin_prefetch(from[j] + line.ahead);
            }
            transpose_square(from, to);
            for (int i = 0; i < TILE_LANES; i++)
                to[i] += to[i] == spare ? 0 : TILE_LANES;
        }
        offset += count;
    }
}

/* panel[tap][channel][filter] from weights (filter, channel, tap). */
static inline void panel_pack_filters(const struct weight_panel *panel, const struct weight_rows *weights)
{
    int64_t taps = panel->taps, channels = panel->channels;
    panel_pack_line(panel, weights, 0,
                    (struct panel_line){channels, taps, channels * taps, 0, 0, 8 * TILE_LANES});
}

/* panel[tap][filter][channel] from the same weights, whose filters lie `apart`. */
static inline void panel_pack_channels(const struct weight_panel *panel, const struct weight_rows *weights,
                                       int64_t apart)
{
    int64_t taps = panel->taps, filters = panel->channels;
    for (int64_t f = 0; f < filters; f++)
        panel_pack_line(panel, weights, f * apart, (struct panel_line){filters, taps, taps, f, 0, 2 * apart});
}

/* gradient (filter, channel, tap) += panel[tap][channel][filter]. */
static inline void panel_add_to(const struct weight_panel *panel, int64_t columns, real *gradient)
{
    int64_t taps = panel->taps, channels = panel->channels, apart = channels * taps;
    struct panel_line line = {channels, taps, apart, 0, 0, 0};
    real spare[TILE_COLUMNS] = {0}, square[TILE_LANES * TILE_LANES] = {0};
    for (int64_t offset = 0; line.length > 0; offset += TILE_LANES) {
        real *from[TILE_LANES], *to[TILE_LANES];
        int64_t count = panel_next_rows(&line, panel->memory, spare, from);
        for (int64_t first = 0; first < columns; first += TILE_LANES) {
            for (int i = 0; i < TILE_LANES; i++)
                to[i] = square + i * TILE_LANES;
            transpose_square((const real *const *)from, to);
            for (int64_t j = 0; j < TILE_LANES && first + j < columns; j++)
                for (int64_t i = 0; i < count; i++)
                    gradient[(first + j) * apart + offset + i] += square[j * TILE_LANES + i];
            for (int i = 0; i < TILE_LANES; i++)
                from[i] += TILE_LANES;
        }
    }
}

#endif
