/* The frame of a chart that has one column a layer or a parameter, as SVG inside of HTML: axes, names,
 * places. Colours come from the page's style; there is no script, and no attribute `style`. */
#ifndef SERVER_OUTPUT_HTML_PLOT_H
#define SERVER_OUTPUT_HTML_PLOT_H

#include "server/buffer.h"

/* Where data lie, in the units of the drawing. */
#define PLOT_LEFT 56.0
#define PLOT_TOP 10.0
#define PLOT_WIDTH 640.0
#define PLOT_HEIGHT 220.0
#define PLOT_BOTTOM (PLOT_TOP + PLOT_HEIGHT)

/* What the vertical axis counts. */
enum plot_scale { PLOT_DECADES, PLOT_BINARY_EXPONENTS };

struct plot {
    struct buffer *out;
    const void *context; /* for `name` */
    size_t count;        /* of what the columns stand for */
    const char *(*name)(const void *context, size_t index);
    const char *noun; /* "layer" */
    const char *id;   /* of the chart, unique in the page */
    const char *title;
    enum plot_scale scale;
    double low; /* the ends of the vertical axis, whole numbers: low < high */
    double high;
    size_t columns; /* side by side, at least 1: each stands for as many as any other */
};

/* The middle of a column, and the height of a value between `low` and `high`. */
double plot_x(const struct plot *plot, double column);
double plot_y(const struct plot *plot, double value);

/* Opens <figure> and <svg>, and draws the grid and both axes. */
void plot_begin(const struct plot *plot);
/* Closes <svg>, and opens <figcaption>. */
void plot_caption(const struct plot *plot);
/* Closes what is open. */
void plot_end(const struct plot *plot);

/* A band across the plot from one value to another, cut at its ends. `label` stands in its lower right
 * corner, and is harmless as it is; NULL: none. */
void plot_band(const struct plot *plot, double from, double to, const char *class, const char *label);

#endif
