#include "server/output/html_charts.h"

#include "server/output/escape.h"
#include "server/output/html_plot.h"
#include "server/output/phrases.h"
#include "server/output/terminal.h"

#include <stability/registry.h>

#include <math.h>
#include <string.h>

/* More layers than that are lines without marks. */
#define MARKED_LAYERS 400

#define MOST_SERIES 2

struct series {
    const char *name;
    /* False where the layer has no such number. */
    bool (*number)(const struct stability_layer_report *layer, double *number);
};

struct chart {
    const char *id;
    const char *title;
    bool banded; /* by the acceptable range of a gradient's norm */
    size_t series_count;
    struct series series[MOST_SERIES];
};

/* The numbers of one series over all layers. */
struct extent {
    size_t count;
    size_t zeros;
    size_t not_finite;
    size_t outside; /* of the band, zeros included */
    size_t least;   /* indices of layers; without meaning where none is positive and finite */
    size_t greatest;
    double least_number;
    double greatest_number;
};

struct band {
    bool exists;
    double low;
    double high;
};

static bool output_variance(const struct stability_layer_report *layer, double *number)
{
    const struct stability_statistics *value = layer->outputs[0].value;
    *number = value != NULL ? value->all.variance : 0;
    return value != NULL && value->all.count > 0;
}

static bool output_gradient(const struct stability_layer_report *layer, double *number)
{
    const struct stability_statistics *gradient = layer->outputs[0].gradient;
    *number = gradient != NULL ? gradient->all.norm : 0;
    return gradient != NULL;
}

static const struct chart charts[] = {
    {"variance", "Variance of the outputs by layer", false, 1, {{"output", output_variance}}},
    {"gradient-norm",
     "Gradient norm by layer",
     true,
     2,
     {{"gradient of the output", output_gradient},
      {"gradient of the parameters", phrase_parameter_gradient}}},
};

/* The threshold that a rule's findings rest on; where it has none, the rule's default. */
static bool find_threshold(const struct stability_report *report, const char *rule, double *threshold)
{
    bool found = false;
    for (size_t i = 0; i < stability_rule_type_count(); i++) {
        const struct stability_rule_type *type = stability_rule_type_at(i);
        if (strcmp(type->name, rule) == 0 && type->thresholds != NULL && type->thresholds[0].name != NULL) {
            *threshold = type->thresholds[0].number;
            found = true;
        }
    }
    for (size_t i = 0; i < report->finding_count; i++) {
        const struct stability_finding *finding = &report->findings[i];
        for (size_t j = 0; j < finding->evidence_count && strcmp(finding->rule, rule) == 0; j++) {
            if (strcmp(finding->evidence[j].name, "threshold") == 0) {
                *threshold = finding->evidence[j].value;
                found = true;
            }
        }
    }
    return found && isfinite(*threshold) && *threshold > 0;
}

static struct band find_band(const struct stability_report *report, const struct chart *chart)
{
    struct band band = {0};
    band.exists = chart->banded && find_threshold(report, "vanishing-gradient", &band.low) &&
                  find_threshold(report, "exploding-gradient", &band.high) && band.low < band.high;
    return band;
}

static bool is_outside(const struct band *band, double number)
{
    return band->exists && !(number >= band->low && number <= band->high);
}

static bool has_place(double number)
{
    return isfinite(number) && number > 0;
}

static void include_number(struct extent *extent, const struct band *band, size_t index, double number)
{
    extent->count++;
    extent->zeros += number == 0;
    extent->not_finite += isfinite(number) == 0;
    extent->outside += is_outside(band, number);
    if (has_place(number) && !(extent->least_number <= number)) {
        extent->least = index;
        extent->least_number = number;
    }
    if (has_place(number) && !(extent->greatest_number >= number)) {
        extent->greatest = index;
        extent->greatest_number = number;
    }
}

static struct extent measure(const struct stability_report *report, const struct series *series,
                             const struct band *band)
{
    struct extent extent = {.least_number = NAN, .greatest_number = NAN};
    for (size_t i = 0; i < report->layer_count; i++) {
        double number;
        if (series->number(&report->layers[i], &number)) {
            include_number(&extent, band, i, number);
        }
    }
    return extent;
}

/* Whole decades around all that is drawn, at least two of them. */
static void choose_axis(struct plot *plot, const struct band *band, const struct extent *extents,
                        size_t count)
{
    double least = band->exists ? band->low : NAN;
    double greatest = band->exists ? band->high : NAN;
    for (size_t i = 0; i < count; i++) {
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

static void draw_line(const struct plot *plot, const struct series *series, size_t index)
{
    bool joined = false;
    buffer_format(plot->out, "<path class=\"line series-%zu\" d=\"", index);
    for (size_t i = 0; i < plot->report->layer_count; i++) {
        double number;
        if (!series->number(&plot->report->layers[i], &number)) {
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
static void draw_mark(const struct plot *plot, const struct band *band, size_t series, size_t index,
                      double number)
{
    double x = plot_x(plot, (double)index);
    double y = has_place(number) ? plot_y(plot, log10(number)) : PLOT_BOTTOM;
    const char *place = is_outside(band, number) ? " outside" : number == 0 ? " zero" : "";
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

static void draw_marks(const struct plot *plot, const struct band *band, const struct series *series,
                       size_t index)
{
    for (size_t i = 0; i < plot->report->layer_count; i++) {
        const struct stability_layer_report *layer = &plot->report->layers[i];
        double number;
        bool crowded = plot->report->layer_count > MARKED_LAYERS;
        if (!series->number(layer, &number) || (crowded && has_place(number) && !is_outside(band, number))) {
            continue;
        }
        draw_mark(plot, band, index, i, number);
        buffer_append_text(plot->out, "<title>");
        size_t start = plot->out->length;
        terminal_escape(plot->out, layer->name);
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
    plot_layer(plot->out, &plot->report->layers[index]);
}

static void describe_series(const struct plot *plot, const struct chart *chart, const struct band *band,
                            const struct extent *extent, size_t index)
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
    if (band->exists && extent->outside > 0) {
        buffer_format(out, ", outside of the acceptable range in %zu of %zu", extent->outside, extent->count);
    } else if (band->exists) {
        buffer_append_text(out, ", all in the acceptable range");
    }
    buffer_append_text(out, "</div>");
}

static void draw_band(const struct plot *plot, const struct band *band)
{
    struct buffer label = {0};
    buffer_append_text(&label, "acceptable: ");
    phrase_number(&label, band->low);
    buffer_append_text(&label, " to ");
    phrase_number(&label, band->high);
    if (!label.failed) {
        plot_band(plot, log10(band->low), log10(band->high), "band", label.data);
    }
    plot->out->failed = plot->out->failed || label.failed;
    buffer_free(&label);
}

static void draw_chart(struct buffer *out, const struct stability_report *report, const struct chart *chart)
{
    struct band band = find_band(report, chart);
    struct extent extents[MOST_SERIES];
    size_t numbers = 0;
    for (size_t i = 0; i < chart->series_count; i++) {
        extents[i] = measure(report, &chart->series[i], &band);
        numbers += extents[i].count;
    }
    if (numbers == 0) {
        return;
    }
    struct plot plot = {.out = out,
                        .report = report,
                        .id = chart->id,
                        .title = chart->title,
                        .scale = PLOT_DECADES,
                        .columns = report->layer_count};
    choose_axis(&plot, &band, extents, chart->series_count);
    plot_begin(&plot);
    if (band.exists) {
        draw_band(&plot, &band);
    }
    for (size_t i = 0; i < chart->series_count; i++) {
        draw_line(&plot, &chart->series[i], i);
        draw_marks(&plot, &band, &chart->series[i], i);
    }
    plot_caption(&plot);
    for (size_t i = 0; i < chart->series_count; i++) {
        describe_series(&plot, chart, &band, &extents[i], i);
    }
    plot_end(&plot);
}

void html_charts_by_layer(struct buffer *out, const struct stability_report *report)
{
    for (size_t i = 0; i < sizeof charts / sizeof charts[0]; i++) {
        draw_chart(out, report, &charts[i]);
    }
}
