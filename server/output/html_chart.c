#include "server/output/html_chart.h"

#include "server/output/escape.h"
#include "server/output/html_page.h"
#include "server/output/html_plot.h"
#include "server/output/phrases.h"
#include "server/output/terminal.h"

#include <math.h>

/* More columns than that are lines without marks. */
#define MARKED_COLUMNS 400

/* The numbers of one series over all layers. */
struct extent {
    size_t count;
    size_t zeros;
    size_t not_finite;
    size_t outside; /* of what is accepted */
    size_t least;   /* indices; without meaning where none is positive and finite */
    size_t greatest;
    double least_number;
    double greatest_number;
};

static bool is_outside(const struct chart *chart, size_t index, double number)
{
    return chart->outside != NULL && chart->outside(chart->context, index, number);
}

static bool has_place(double number)
{
    return isfinite(number) && number > 0;
}

static void include_number(struct extent *extent, const struct chart *chart, size_t index, double number)
{
    extent->count++;
    extent->zeros += number == 0;
    extent->not_finite += isfinite(number) == 0;
    extent->outside += is_outside(chart, index, number);
    if (has_place(number) && !(extent->least_number <= number)) {
        extent->least = index;
        extent->least_number = number;
    }
    if (has_place(number) && !(extent->greatest_number >= number)) {
        extent->greatest = index;
        extent->greatest_number = number;
    }
}

static struct extent measure(const struct chart *chart, const struct chart_series *series)
{
    struct extent extent = {.least_number = NAN, .greatest_number = NAN};
    for (size_t i = 0; i < chart->count; i++) {
        double number;
        if (series->number(chart->context, i, &number)) {
            include_number(&extent, chart, i, number);
        }
    }
    return extent;
}

/* Whole decades around all that is drawn, at least two of them. */
static void choose_axis(struct plot *plot, const struct chart *chart, const struct extent *extents)
{
    double least = chart->low > 0 ? chart->low : NAN;
    double greatest = chart->high > 0 ? chart->high : NAN;
    for (size_t i = 0; i < chart->series_count; i++) {
        least = fmin(least, extents[i].least_number);
        greatest = fmax(greatest, extents[i].greatest_number);
    }
    plot->low = isnan(least) ? -1 : floor(log10(least));
    plot->high = isnan(greatest) ? 1 : ceil(log10(greatest));
    if (plot->high - plot->low < 2) {
        plot->low--;
        plot->high = plot->low + 2 > plot->high ? plot->low + 2 : plot->high;
    }
}

static void draw_line(const struct plot *plot, const struct chart_series *series, size_t index)
{
    bool joined = false;
    buffer_format(plot->out, "<path class=\"line series-%zu\" d=\"", index);
    for (size_t i = 0; i < plot->count; i++) {
        double number;
        if (!series->number(plot->context, i, &number)) {
            continue;
        }
        bool placed = has_place(number);
        if (placed) {
            buffer_format(plot->out, "%s%.4g %.4g", joined ? "L" : "M", plot_x(plot, (double)i),
                          plot_y(plot, log10(number)));
        }
        joined = placed;
    }
    buffer_append_text(plot->out, "\"/>\n");
}

/* A cross at the top for what is not finite, a mark at the bottom for 0. */
static void draw_mark(const struct plot *plot, const struct chart *chart, size_t series, size_t index,
                      double number)
{
    double x = plot_x(plot, (double)index);
    double y = has_place(number) ? plot_y(plot, log10(number)) : PLOT_BOTTOM;
    const char *place = is_outside(chart, index, number) ? " outside" : number == 0 ? " zero" : "";
    if (!isfinite(number)) {
        buffer_format(plot->out, "<path class=\"cross\" d=\"M%.4g %.4gl8 8m0-8l-8 8\">", x - 4, PLOT_TOP + 3);
    } else if (series == 0) {
        buffer_format(plot->out, "<circle class=\"mark series-0%s\" cx=\"%.4g\" cy=\"%.4g\" r=\"3\">", place,
                      x, y);
    } else {
        buffer_format(plot->out, "<path class=\"mark series-1%s\" d=\"M%.4g %.4gl4 4l-4 4l-4-4z\">", place, x,
                      y - 4);
    }
}

static void draw_marks(const struct plot *plot, const struct chart *chart, size_t index)
{
    const struct chart_series *series = &chart->series[index];
    for (size_t i = 0; i < plot->count; i++) {
        double number;
        bool crowded = plot->count > MARKED_COLUMNS;
        if (!series->number(plot->context, i, &number) ||
            (crowded && has_place(number) && !is_outside(chart, i, number))) {
            continue;
        }
        draw_mark(plot, chart, index, i, number);
        buffer_append_text(plot->out, "<title>");
        size_t start = plot->out->length;
        terminal_escape(plot->out, plot->name(plot->context, i));
        buffer_format(plot->out, ", %s: ", series->name);
        phrase_number(plot->out, number);
        escape_tail(plot->out, ESCAPE_MARKUP, start);
        buffer_format(plot->out, "</title>%s\n", !isfinite(number) || index > 0 ? "</path>" : "</circle>");
    }
}

static void describe_extreme(const struct plot *plot, const char *word, size_t index, double number)
{
    buffer_format(plot->out, "%s ", word);
    phrase_number(plot->out, number);
    buffer_append_text(plot->out, " at ");
    html_code(plot->out, plot->name(plot->context, index));
}

static void describe_series(const struct plot *plot, const struct chart *chart, const struct extent *extent,
                            size_t index)
{
    struct buffer *out = plot->out;
    buffer_format(out, "<div><span class=\"key series-%zu\"></span> %s: ", index, chart->series[index].name);
    if (extent->count == 0) {
        buffer_append_text(out, "none</div>");
        return;
    }
    if (isnan(extent->least_number)) {
        buffer_append_text(out, "no positive finite number");
    } else {
        describe_extreme(plot, "least", extent->least, extent->least_number);
        describe_extreme(plot, ", greatest", extent->greatest, extent->greatest_number);
    }
    if (extent->zeros > 0) {
        buffer_format(out, ", 0 in %zu", extent->zeros);
    }
    if (extent->not_finite > 0) {
        buffer_format(out, ", not finite in %zu", extent->not_finite);
    }
    if (chart->outside != NULL && extent->outside > 0) {
        buffer_format(out, ", outside of the acceptable range in %zu of %zu", extent->outside, extent->count);
    } else if (chart->outside != NULL) {
        buffer_append_text(out, ", all in the acceptable range");
    }
    buffer_append_text(out, "</div>");
}

void html_chart(struct buffer *out, const struct chart *chart)
{
    struct extent extents[CHART_SERIES];
    size_t numbers = 0;
    for (size_t i = 0; i < chart->series_count; i++) {
        extents[i] = measure(chart, &chart->series[i]);
        numbers += extents[i].count;
    }
    if (numbers == 0) {
        return;
    }
    struct plot plot = {.out = out,
                        .context = chart->context,
                        .count = chart->count,
                        .name = chart->name,
                        .noun = chart->noun,
                        .id = chart->id,
                        .title = chart->title,
                        .scale = PLOT_DECADES,
                        .columns = chart->count};
    choose_axis(&plot, chart, extents);
    plot_begin(&plot);
    for (size_t i = 0; i < chart->band_count; i++) {
        const struct chart_band *band = &chart->bands[i];
        plot_band(&plot, log10(band->low), log10(band->high), band->class, band->label);
    }
    for (size_t i = 0; i < chart->series_count; i++) {
        draw_line(&plot, &chart->series[i], i);
        draw_marks(&plot, chart, i);
    }
    plot_caption(&plot);
    for (size_t i = 0; i < chart->series_count; i++) {
        describe_series(&plot, chart, &extents[i], i);
    }
    plot_end(&plot);
}
