#include "server/output/html_charts.h"

#include "server/output/html_chart.h"
#include "server/output/phrases.h"

#include <stability/registry.h>

#include <math.h>
#include <string.h>

/* Norms of gradients that the rules accept. */
struct band {
    bool exists;
    double low;
    double high;
};

struct subject {
    const struct stability_report *report;
    struct band band;
};

static const struct stability_layer_report *layer_at(const void *context, size_t index)
{
    const struct subject *subject = context;
    return &subject->report->layers[index];
}

static const char *layer_name(const void *context, size_t index)
{
    return layer_at(context, index)->name;
}

static bool output_variance(const void *context, size_t index, double *number)
{
    const struct stability_statistics *value = layer_at(context, index)->outputs[0].value;
    *number = value != NULL ? value->all.variance : 0;
    return value != NULL && value->all.count > 0;
}

static bool output_gradient(const void *context, size_t index, double *number)
{
    const struct stability_statistics *gradient = layer_at(context, index)->outputs[0].gradient;
    *number = gradient != NULL ? gradient->all.norm : 0;
    return gradient != NULL;
}

static bool parameter_gradient(const void *context, size_t index, double *number)
{
    return phrase_parameter_gradient(layer_at(context, index), number);
}

static bool is_outside(const void *context, size_t index, double number)
{
    const struct subject *subject = context;
    (void)index;
    return !(number >= subject->band.low && number <= subject->band.high);
}

/* The first threshold of a rule, as the request set it. */
static double find_threshold(const struct stability_report *report, const char *rule)
{
    double threshold = NAN;
    const char *name = NULL;
    for (size_t i = 0; i < stability_rule_type_count(); i++) {
        const struct stability_rule_type *type = stability_rule_type_at(i);
        if (strcmp(type->name, rule) == 0 && type->thresholds != NULL && type->thresholds[0].name != NULL) {
            threshold = type->thresholds[0].number;
            name = type->thresholds[0].name;
        }
    }
    for (size_t i = 0; name != NULL && i < report->threshold_count; i++) {
        const struct stability_threshold_report *set = &report->thresholds[i];
        if (strcmp(set->rule, rule) == 0 && strcmp(set->name, name) == 0) {
            threshold = set->number;
        }
    }
    return threshold;
}

/* It may reach down to 0, and begins there at the latest. */
static struct band find_band(const struct stability_report *report)
{
    struct band band = {.low = fmax(find_threshold(report, "vanishing-gradient"), 0),
                        .high = find_threshold(report, "exploding-gradient")};
    band.exists = band.low < band.high && isfinite(band.high);
    return band;
}

static void draw_variance(struct buffer *out, const struct subject *subject)
{
    const struct chart chart = {
        .id = "variance",
        .title = "Variance of the outputs by layer",
        .context = subject,
        .count = subject->report->layer_count,
        .name = layer_name,
        .noun = "layer",
        .series_count = 1,
        .series = {{"output", output_variance}},
    };
    html_chart(out, &chart);
}

static void draw_gradient_norms(struct buffer *out, const struct subject *subject)
{
    struct buffer label = {0};
    buffer_append_text(&label, "acceptable: ");
    phrase_number(&label, subject->band.low);
    buffer_append_text(&label, " to ");
    phrase_number(&label, subject->band.high);
    const struct chart_band band = {subject->band.low, subject->band.high, "band", label.data};
    const struct chart chart = {
        .id = "gradient-norm",
        .title = "Gradient norm by layer",
        .context = subject,
        .count = subject->report->layer_count,
        .name = layer_name,
        .noun = "layer",
        .series_count = 2,
        .series = {{"gradient of the output", output_gradient},
                   {"gradient of the parameters", parameter_gradient}},
        .band_count = subject->band.exists && !label.failed,
        .bands = &band,
        .outside = subject->band.exists ? is_outside : NULL,
        .low = subject->band.exists ? band.low : 0,
        .high = subject->band.exists ? band.high : 0,
    };
    html_chart(out, &chart);
    out->failed = out->failed || label.failed;
    buffer_free(&label);
}

void html_charts_by_layer(struct buffer *out, const struct stability_report *report)
{
    const struct subject subject = {report, find_band(report)};
    draw_variance(out, &subject);
    draw_gradient_norms(out, &subject);
}
