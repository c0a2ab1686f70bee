#include "server/output/html_plot.h"

#include "server/output/escape.h"
#include "server/output/terminal.h"

#include <math.h>

/* So many columns have their names at the axis, cut to so many columns; more have numbers. */
#define NAMED_COLUMNS 28
#define NAME_WIDTH 14

/* The height of the drawing below the plot: of slanted names, and more for each of their columns; of numbers.
 */
#define NAMES_HEIGHT 22.0
#define NAME_COLUMN_HEIGHT 4.8
#define NUMBERS_HEIGHT 42.0

#define MOST_TICKS 8

static bool has_names(const struct plot *plot)
{
    return plot->count <= NAMED_COLUMNS;
}

double plot_x(const struct plot *plot, double column)
{
    return PLOT_LEFT + (column + 0.5) * PLOT_WIDTH / (double)plot->columns;
}

double plot_y(const struct plot *plot, double value)
{
    return PLOT_TOP + PLOT_HEIGHT * (plot->high - value) / (plot->high - plot->low);
}

/* The smallest of 1, 2, 5, 10, 20 ... that cuts `range` into at most MOST_TICKS parts. */
static int tick_step(double range)
{
    static const int factors[] = {1, 2, 5};
    for (int power = 1;; power *= 10) {
        for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++) {
            if (range <= (double)factors[i] * power * MOST_TICKS) {
                return factors[i] * power;
            }
        }
    }
}

static void append_tick(struct buffer *out, enum plot_scale scale, int exponent)
{
    if (scale == PLOT_BINARY_EXPONENTS) {
        buffer_format(out, "2<tspan class=\"power\" dy=\"-4\">%d</tspan>", exponent);
    } else if (exponent >= -3 && exponent <= 3) {
        buffer_format(out, "%g", pow(10, exponent));
    } else {
        buffer_format(out, "1e%d", exponent);
    }
}

static void draw_vertical_axis(const struct plot *plot)
{
    int step = tick_step(plot->high - plot->low);
    for (int tick = (int)ceil(plot->low / step) * step; tick <= (int)plot->high; tick += step) {
        double y = plot_y(plot, tick);
        buffer_format(plot->out, "<path class=\"grid\" d=\"M%.4g %.4gH%.4g\"/>", PLOT_LEFT, y,
                      PLOT_LEFT + PLOT_WIDTH);
        buffer_format(plot->out, "<text class=\"tick\" x=\"%.4g\" y=\"%.4g\">", PLOT_LEFT - 6, y + 4);
        append_tick(plot->out, plot->scale, tick);
        buffer_append_text(plot->out, "</text>\n");
    }
}

/* Appends a name, cut to NAME_WIDTH. Returns the columns that it takes up. */
static size_t append_name(struct buffer *out, const struct plot *plot, size_t index)
{
    struct buffer name = {0};
    size_t columns = 0;
    terminal_escape(&name, plot->name(plot->context, index));
    if (name.length > 0) {
        columns = terminal_fit(out, name.data, name.length, NAME_WIDTH);
    }
    out->failed = out->failed || name.failed;
    buffer_free(&name);
    return columns;
}

/* The height of the drawing below the plot. */
static double margin_height(const struct plot *plot)
{
    if (!has_names(plot)) {
        return NUMBERS_HEIGHT;
    }
    struct buffer name = {0};
    size_t widest = 0;
    for (size_t i = 0; i < plot->count; i++) {
        size_t columns = append_name(&name, plot, i);
        widest = columns > widest ? columns : widest;
        buffer_truncate(&name, 0);
    }
    plot->out->failed = plot->out->failed || name.failed;
    buffer_free(&name);
    return NAMES_HEIGHT + NAME_COLUMN_HEIGHT * (double)widest;
}

static void draw_names(const struct plot *plot)
{
    for (size_t i = 0; i < plot->count; i++) {
        buffer_format(plot->out, "<text class=\"name\" transform=\"translate(%.4g %.4g) rotate(-40)\">",
                      plot_x(plot, (double)i) + 4, PLOT_BOTTOM + 14);
        size_t start = plot->out->length;
        append_name(plot->out, plot, i);
        escape_tail(plot->out, ESCAPE_MARKUP, start);
        buffer_append_text(plot->out, "</text>\n");
    }
}

/* Counted from 1, as in the table. */
static void draw_numbers(const struct plot *plot)
{
    size_t count = plot->count;
    size_t step = (size_t)tick_step((double)count / 2);
    double columns_each = (double)plot->columns / (double)count;
    for (size_t number = step; number <= count; number += step) {
        double x = plot_x(plot, ((double)number - 0.5) * columns_each - 0.5);
        buffer_format(plot->out, "<text class=\"number\" x=\"%.4g\" y=\"%.4g\">%zu</text>\n", x,
                      PLOT_BOTTOM + 14, number);
    }
    buffer_format(plot->out,
                  "<text class=\"number\" x=\"%.4g\" y=\"%.4g\">%s, by its number in the table</text>\n",
                  PLOT_LEFT + PLOT_WIDTH / 2, PLOT_BOTTOM + 35, plot->noun);
}

void plot_begin(const struct plot *plot)
{
    double height = PLOT_BOTTOM + margin_height(plot);
    buffer_format(plot->out,
                  "<figure>\n<h3 id=\"%s\">%s</h3>\n"
                  "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"%s\">\n"
                  "<svg viewBox=\"0 0 720 %.4g\" role=\"img\" aria-labelledby=\"%s\">\n",
                  plot->id, plot->title, plot->id, height, plot->id);
    draw_vertical_axis(plot);
    if (has_names(plot)) {
        draw_names(plot);
    } else {
        draw_numbers(plot);
    }
}

void plot_caption(const struct plot *plot)
{
    buffer_append_text(plot->out, "</svg>\n</div>\n<figcaption>");
}

void plot_end(const struct plot *plot)
{
    buffer_append_text(plot->out, "</figcaption>\n</figure>\n");
}

void plot_band(const struct plot *plot, double from, double to, const char *class, const char *label)
{
    double top = plot_y(plot, fmin(to, plot->high));
    double bottom = plot_y(plot, fmax(from, plot->low));
    buffer_format(plot->out, "<rect class=\"%s\" x=\"%.4g\" y=\"%.4g\" width=\"%.4g\" height=\"%.4g\"/>\n",
                  class, PLOT_LEFT, top, PLOT_WIDTH, bottom - top);
    if (label != NULL) {
        buffer_format(plot->out, "<text class=\"label %s\" x=\"%.4g\" y=\"%.4g\">%s</text>\n", class,
                      PLOT_LEFT + PLOT_WIDTH - 5, bottom - 6, label);
    }
}
