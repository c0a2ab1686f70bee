#include "server/output/html_charts.h"

#include "server/output/html_page.h"
#include "server/output/html_plot.h"
#include "server/output/phrases.h"

#include <math.h>

/* More layers than that share columns, so that each has its pixels. */
#define MOST_COLUMNS 360

/* float16 (IEEE 754 binary16): its normal numbers have these exponents, its subnormal ones reach down to
 * the third. */
#define FLOAT16_GREATEST 15
#define FLOAT16_LEAST_NORMAL (-14)
#define FLOAT16_LEAST (-24)

/* Numbers by their binary exponent; indices as in struct stability_statistics. */
struct histogram {
    int64_t counts[STABILITY_EXPONENT_COUNT];
};

enum zone { ZONE_NORMAL, ZONE_SUBNORMAL, ZONE_SMALL, ZONE_LARGE, ZONE_COUNT };

static const char *const zone_classes[] = {
    [ZONE_NORMAL] = "normal", [ZONE_SUBNORMAL] = "subnormal", [ZONE_SMALL] = "lost", [ZONE_LARGE] = "lost"};

struct quantity {
    const char *id;
    const char *title;
    /* Adds a layer's numbers; false where it has none of the kind. */
    bool (*add)(struct histogram *histogram, const struct stability_layer_report *layer);
};

/* What a chart says in words. */
struct summary {
    bool exists;
    int least; /* exponents; least > greatest where there is no number */
    int greatest;
    int64_t total;
    int64_t zones[ZONE_COUNT];
    double worst_fraction; /* of one layer's numbers that float16 loses */
    size_t worst;          /* that layer's index */
};

static bool add_statistics(struct histogram *histogram, const struct stability_statistics *statistics)
{
    for (size_t i = 0; statistics != NULL && i < STABILITY_EXPONENT_COUNT; i++) {
        histogram->counts[i] += statistics->exponents[i];
    }
    return statistics != NULL;
}

static bool add_outputs(struct histogram *histogram, const struct stability_layer_report *layer)
{
    return add_statistics(histogram, layer->outputs[0].value);
}

static bool add_output_gradients(struct histogram *histogram, const struct stability_layer_report *layer)
{
    return add_statistics(histogram, layer->outputs[0].gradient);
}

static bool add_parameters(struct histogram *histogram, const struct stability_layer_report *layer)
{
    bool found = false;
    for (size_t i = 0; i < layer->parameter_count; i++) {
        if (!layer->parameters[i].buffer) {
            found |= add_statistics(histogram, layer->parameters[i].value);
        }
    }
    return found;
}

static bool add_parameter_gradients(struct histogram *histogram, const struct stability_layer_report *layer)
{
    bool found = false;
    for (size_t i = 0; i < layer->parameter_count; i++) {
        found |= add_statistics(histogram, layer->parameters[i].gradient);
    }
    return found;
}

static const struct quantity quantities[] = {
    {"exponents-outputs", "Outputs", add_outputs},
    {"exponents-output-gradients", "Gradients of the outputs", add_output_gradients},
    {"exponents-parameters", "Parameters", add_parameters},
    {"exponents-parameter-gradients", "Gradients of the parameters", add_parameter_gradients},
};

static int exponent_at(size_t index)
{
    return (int)index + STABILITY_EXPONENT_MIN;
}

static enum zone zone_of(int exponent)
{
    if (exponent > FLOAT16_GREATEST) {
        return ZONE_LARGE;
    }
    if (exponent >= FLOAT16_LEAST_NORMAL) {
        return ZONE_NORMAL;
    }
    return exponent >= FLOAT16_LEAST ? ZONE_SUBNORMAL : ZONE_SMALL;
}

static void include_layer(struct summary *summary, const struct histogram *histogram, size_t layer)
{
    int64_t total = 0;
    int64_t lost = 0;
    for (size_t i = 0; i < STABILITY_EXPONENT_COUNT; i++) {
        int64_t count = histogram->counts[i];
        int exponent = exponent_at(i);
        enum zone zone = zone_of(exponent);
        if (count > 0) {
            summary->least = exponent < summary->least ? exponent : summary->least;
            summary->greatest = exponent > summary->greatest ? exponent : summary->greatest;
        }
        total += count;
        lost += zone == ZONE_SMALL || zone == ZONE_LARGE ? count : 0;
        summary->zones[zone] += count;
    }
    summary->total += total;
    double fraction = total > 0 ? (double)lost / (double)total : 0;
    if (fraction > summary->worst_fraction) {
        summary->worst_fraction = fraction;
        summary->worst = layer;
    }
}

static struct summary summarize(const struct stability_report *report, const struct quantity *quantity)
{
    struct summary summary = {.least = STABILITY_EXPONENT_MAX + 1, .greatest = STABILITY_EXPONENT_MIN - 1};
    for (size_t i = 0; i < report->layer_count; i++) {
        struct histogram histogram = {0};
        summary.exists |= quantity->add(&histogram, &report->layers[i]);
        include_layer(&summary, &histogram, i);
    }
    return summary;
}

/* The bars of one column that lie in `zone`, of widths that are in proportion to the column's longest. */
static void draw_column(const struct plot *plot, const struct histogram *histogram, size_t column,
                        enum zone zone)
{
    int64_t most = 1;
    for (size_t i = 0; i < STABILITY_EXPONENT_COUNT; i++) {
        most = histogram->counts[i] > most ? histogram->counts[i] : most;
    }
    double room = PLOT_WIDTH / (double)plot->columns;
    double left = plot_x(plot, (double)column) - 0.45 * room;
    double height = plot_y(plot, 0) - plot_y(plot, 1);
    for (size_t i = 0; i < STABILITY_EXPONENT_COUNT; i++) {
        int exponent = exponent_at(i);
        if (histogram->counts[i] > 0 && zone_of(exponent) == zone) {
            double width = 0.9 * room * (double)histogram->counts[i] / (double)most;
            width = fmax(width, 0.4);
            buffer_format(plot->out, "M%.4g %.4gh%.3gv%.3gh-%.3gz", left, plot_y(plot, exponent + 1), width,
                          height, width);
        }
    }
}

static void draw_zone(const struct plot *plot, const struct quantity *quantity, enum zone zone)
{
    const struct stability_report *report = plot->context;
    size_t layers = report->layer_count;
    buffer_format(plot->out, "<path class=\"bars %s\" d=\"", zone_classes[zone]);
    for (size_t column = 0; column < plot->columns; column++) {
        struct histogram histogram = {0};
        for (size_t i = column * layers / plot->columns; i < (column + 1) * layers / plot->columns; i++) {
            quantity->add(&histogram, &report->layers[i]);
        }
        draw_column(plot, &histogram, column, zone);
    }
    buffer_append_text(plot->out, "\"/>\n");
}

static void describe(const struct plot *plot, const struct summary *summary)
{
    struct buffer *out = plot->out;
    if (summary->total == 0) {
        buffer_append_text(out, "No finite number other than 0.");
        return;
    }
    double total = (double)summary->total;
    buffer_append_text(out, "In float16 ");
    phrase_percent(out, (double)summary->zones[ZONE_SMALL] / total);
    buffer_append_text(out, " of the finite numbers other than 0 would be too small, ");
    phrase_percent(out, (double)summary->zones[ZONE_SUBNORMAL] / total);
    buffer_append_text(out, " subnormal, ");
    phrase_percent(out, (double)summary->zones[ZONE_LARGE] / total);
    buffer_append_text(out, " too large");
    if (summary->worst_fraction > 0) {
        buffer_append_text(out, "; most are lost in ");
        html_code(out, plot->name(plot->context, summary->worst));
        buffer_append_text(out, ", ");
        phrase_percent(out, summary->worst_fraction);
    }
    buffer_append_text(out, ".");
}

static const char *layer_name(const void *context, size_t index)
{
    const struct stability_report *report = context;
    return report->layers[index].name;
}

static void draw_chart(struct buffer *out, const struct stability_report *report,
                       const struct quantity *quantity)
{
    struct summary summary = summarize(report, quantity);
    if (!summary.exists) {
        return;
    }
    int low = summary.least < FLOAT16_LEAST ? summary.least : FLOAT16_LEAST;
    int high = summary.greatest > FLOAT16_GREATEST ? summary.greatest : FLOAT16_GREATEST;
    struct plot plot = {.out = out,
                        .context = report,
                        .count = report->layer_count,
                        .name = layer_name,
                        .noun = "layer",
                        .id = quantity->id,
                        .title = quantity->title,
                        .scale = PLOT_BINARY_EXPONENTS,
                        .low = low - 1,
                        .high = high + 2,
                        .columns = report->layer_count < MOST_COLUMNS ? report->layer_count : MOST_COLUMNS};
    plot_begin(&plot);
    plot_band(&plot, FLOAT16_LEAST_NORMAL, FLOAT16_GREATEST + 1, "band", NULL);
    plot_band(&plot, FLOAT16_LEAST, FLOAT16_LEAST_NORMAL, "band faint", NULL);
    for (enum zone zone = 0; zone < ZONE_COUNT; zone++) {
        if (summary.zones[zone] > 0) {
            draw_zone(&plot, quantity, zone);
        }
    }
    plot_caption(&plot);
    describe(&plot, &summary);
    plot_end(&plot);
}

void html_charts_exponents(struct buffer *out, const struct stability_report *report)
{
    for (size_t i = 0; i < sizeof quantities / sizeof quantities[0]; i++) {
        draw_chart(out, report, &quantities[i]);
    }
}
