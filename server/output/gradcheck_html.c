#include "server/output/escape.h"
#include "server/output/format.h"
#include "server/output/gradcheck.h"
#include "server/output/gradcheck_findings.h"
#include "server/output/html_chart.h"
#include "server/output/html_findings.h"
#include "server/output/html_page.h"
#include "server/output/phrases.h"
#include "server/output/terminal.h"

#include <inttypes.h>

/* What the axis of the chart shows in any case. No relative error exceeds 1. */
#define LEAST_ERROR 1e-9
#define GREATEST_ERROR 1.0

static void write_summary(struct buffer *out, const struct stability_gradcheck_report *report)
{
    html_header(out, report->model, report->failed ? "unstable" : "stable", report->failed ? "✕" : "✓",
                report->failed ? "fail" : "pass");
    buffer_format(out, "gradients are %s</p>\n", stability_gradcheck_level_name(report->level));
    if (report->suspect_count > 0) {
        buffer_append_text(out, "<p>Look first at: ");
        size_t start = out->length;
        gradcheck_phrase_suspects(out, report);
        escape_tail(out, ESCAPE_MARKUP, start);
        buffer_append_text(out, "</p>\n");
    }
    buffer_append_text(out, "<dl class=\"facts\">\n");
    html_fact(out, "Loss");
    phrase_number(out, report->loss);
    html_fact_end(out);
    html_fact(out, "Parameters");
    buffer_format(out, "%zu", report->parameter_count);
    html_fact_end(out);
    html_fact(out, "Mode");
    buffer_append_text(out, gradcheck_mode_name(report->mode));
    html_fact_end(out);
    html_fact(out, "Engine's own gradients");
    buffer_append_text(out, stability_gradcheck_level_name(report->engine_level));
    html_fact_end(out);
    buffer_append_text(out, "</dl>\n</header>\n");
}

static const struct stability_gradcheck_parameter *parameter_at(const void *context, size_t index)
{
    const struct stability_gradcheck_report *report = context;
    return &report->parameters[index];
}

static const char *parameter_name(const void *context, size_t index)
{
    return parameter_at(context, index)->name;
}

static bool parameter_error(const void *context, size_t index, double *number)
{
    *number = parameter_at(context, index)->relative_error;
    return parameter_at(context, index)->checked > 0;
}

/* The level says: errors within the uncertainty of the numerical gradient do not count there. */
static bool is_outside(const void *context, size_t index, double number)
{
    (void)number;
    return parameter_at(context, index)->level >= STABILITY_GRADCHECK_SUSPICIOUS;
}

static void write_chart(struct buffer *out, const struct stability_gradcheck_report *report)
{
    static const char *const classes[] = {[STABILITY_GRADCHECK_CORRECT] = "band",
                                          [STABILITY_GRADCHECK_ACCEPTABLE] = "faint",
                                          [STABILITY_GRADCHECK_SUSPICIOUS] = "doubtful",
                                          [STABILITY_GRADCHECK_WRONG] = "bad"};
    struct chart_band bands[sizeof classes / sizeof classes[0]];
    double low = 0;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        enum stability_gradcheck_level level = (enum stability_gradcheck_level)i;
        bands[i] = (struct chart_band){low, stability_gradcheck_level_bound(level), classes[i],
                                       stability_gradcheck_level_name(level)};
        low = bands[i].high;
    }
    const struct chart chart = {
        .id = "levels",
        .title = "Relative error by parameter",
        .context = report,
        .count = report->parameter_count,
        .name = parameter_name,
        .noun = "parameter",
        .series_count = 1,
        .series = {{"relative error", parameter_error}},
        .band_count = sizeof bands / sizeof bands[0],
        .bands = bands,
        .outside = is_outside,
        .low = LEAST_ERROR,
        .high = GREATEST_ERROR,
    };
    buffer_append_text(out, "<section>\n<h2>Parameter by parameter</h2>\n<div class=\"charts\">\n");
    html_chart(out, &chart);
    buffer_append_text(out, "</div>\n</section>\n");
}

static void write_row(struct buffer *out, const struct stability_gradcheck_parameter *parameter,
                      size_t number)
{
    char relative[TERMINAL_NUMBER], greatest[TERMINAL_NUMBER];
    buffer_format(out, "<tr><td class=\"n\">%zu</td><th scope=\"row\">", number);
    html_code(out, parameter->name);
    buffer_append_text(out, "</th><td>");
    phrase_shape(out, &parameter->shape);
    buffer_format(out,
                  "</td><td>%s</td><td class=\"n\">%" PRId64 "</td><td class=\"n\">%" PRId64
                  "</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td%s>%s</td></tr>\n",
                  gradcheck_source_name(parameter), parameter->checked, parameter->skipped_at_kink,
                  terminal_aligned_number(parameter->relative_error, relative),
                  terminal_aligned_number(parameter->max_relative_error, greatest),
                  parameter->level >= STABILITY_GRADCHECK_SUSPICIOUS ? " class=\"strange\"" : "",
                  stability_gradcheck_level_name(parameter->level));
}

static void write_table(struct buffer *out, const struct stability_gradcheck_report *report)
{
    buffer_append_text(
        out, "<section>\n<h2 id=\"parameters\">Parameters</h2>\n"
             "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"parameters\">\n"
             "<table>\n<thead>\n<tr><th scope=\"col\" class=\"n\">#</th><th scope=\"col\">Parameter</th>"
             "<th scope=\"col\">Shape</th><th scope=\"col\">Source</th><th scope=\"col\" "
             "class=\"n\">Checked</th><th scope=\"col\" class=\"n\">Skipped at kinks</th>"
             "<th scope=\"col\" class=\"n\">Relative error</th><th scope=\"col\" class=\"n\">Greatest of an "
             "element</th><th scope=\"col\">Level</th></tr>\n"
             "</thead>\n<tbody>\n");
    for (size_t i = 0; i < report->parameter_count; i++) {
        write_row(out, &report->parameters[i], i + 1);
    }
    buffer_append_text(out, "</tbody>\n</table>\n</div>\n</section>\n");
}

static void phrase_footer(struct buffer *out, const void *report)
{
    gradcheck_phrase_engine(out, report);
}

void gradcheck_html(const struct stability_gradcheck_report *report, struct buffer *buffer)
{
    struct gradcheck_findings findings = {0};
    if (!gradcheck_findings_make(&findings, report)) {
        buffer->failed = true;
        return;
    }
    html_page_begin(buffer, report->model, report->failed ? "fail" : "pass");
    write_summary(buffer, report);
    html_findings(buffer, &findings.list);
    if (report->parameter_count > 0) {
        write_chart(buffer, report);
        write_table(buffer, report);
    }
    html_further_findings(buffer, &findings.list);
    html_rules(buffer, &findings.list);
    html_page_end(buffer, phrase_footer, report);
    gradcheck_findings_free(&findings);
}
