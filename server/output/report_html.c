/* One page that needs nothing else: style and charts are in it, there is no script and no network. It is
 * well-formed XML too, and obeys a Content-Security-Policy that allows nothing but its style element. */
#include "server/output/escape.h"
#include "server/output/fixes.h"
#include "server/output/format.h"
#include "server/output/html_charts.h"
#include "server/output/html_results.h"
#include "server/output/html_style.h"
#include "server/output/html_tables.h"
#include "server/output/phrases.h"
#include "server/output/references.h"

#include <stability/registry.h>

#include <inttypes.h>
#include <string.h>

/* Findings beyond these are rows of a table. */
#define CARDS 40

/* Layers that a finding names one by one: on its card, and in its row. */
#define CARD_LAYERS 40
#define ROW_LAYERS 4

static void append_visible(struct buffer *out, const char *text)
{
    escape_text(out, ESCAPE_MARKUP, text);
}

/* A message or a cause. */
static void append_sentence(struct buffer *out, const char *text)
{
    size_t start = out->length;
    phrase_sentence(out, text);
    escape_tail(out, ESCAPE_MARKUP, start);
}

static const char *model_name(const struct stability_report *report)
{
    return report->model != NULL ? report->model : "Model";
}

static void write_head(struct buffer *out, const struct stability_report *report)
{
    buffer_append_text(out,
                       "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                       "<meta http-equiv=\"Content-Security-Policy\" "
                       "content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n"
                       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>");
    append_visible(out, model_name(report));
    buffer_format(out, ": %s - stabilityd</title>\n<style>\n", stability_verdict_name(report->verdict));
    buffer_append_text(out, html_style);
    buffer_append_text(out, "</style>\n</head>\n");
}

static void begin_fact(struct buffer *out, const char *name)
{
    buffer_format(out, "<div><dt>%s</dt><dd>", name);
}

static void end_fact(struct buffer *out)
{
    buffer_append_text(out, "</dd></div>\n");
}

static void write_facts(struct buffer *out, const struct stability_report *report)
{
    buffer_append_text(out, "<dl class=\"facts\">\n");
    begin_fact(out, "Loss");
    phrase_number(out, report->loss);
    end_fact(out);
    begin_fact(out, "Gradient norm");
    phrase_number(out, report->gradient_norm);
    end_fact(out);
    begin_fact(out, "Layers");
    buffer_format(out, "%zu", report->layer_count);
    end_fact(out);
    begin_fact(out, "Parameters");
    buffer_format(out, "%" PRId64, report->parameter_count);
    end_fact(out);
    begin_fact(out, "Batch size");
    buffer_format(out, "%" PRId64, report->batch_size);
    end_fact(out);
    begin_fact(out, "Cost");
    phrase_cost(out, report);
    end_fact(out);
    buffer_append_text(out, "</dl>\n");
}

static void write_summary(struct buffer *out, const struct stability_report *report)
{
    static const struct {
        const char *class;
        const char *symbol;
    } looks[] = {[STABILITY_STABLE] = {"stable", "✓"},
                 [STABILITY_WARN] = {"warning", "!"},
                 [STABILITY_UNSTABLE] = {"unstable", "✕"}};
    buffer_append_text(out, "<header>\n<h1>");
    append_visible(out, model_name(report));
    buffer_format(out, "</h1>\n<p><strong class=\"verdict %s\">%s %s</strong> ", looks[report->verdict].class,
                  looks[report->verdict].symbol, stability_verdict_name(report->verdict));
    size_t start = out->length;
    phrase_findings(out, report);
    buffer_append_text(out, out->length == start ? "no findings</p>\n" : "</p>\n");
    write_facts(out, report);
    buffer_append_text(out, "</header>\n");
}

static void append_layers(struct buffer *out, const struct stability_finding *finding, size_t listed)
{
    for (size_t i = 0; i < finding->layer_count && i < listed; i++) {
        buffer_append_text(out, i == 0 ? "<code>" : " <code>");
        append_visible(out, finding->layers[i]);
        buffer_append_text(out, "</code>");
    }
    if (finding->layer_count > listed) {
        buffer_format(out, " and %zu more", finding->layer_count - listed);
    }
}

static void write_evidence(struct buffer *out, const struct stability_finding *finding)
{
    if (finding->evidence_count == 0) {
        return;
    }
    buffer_append_text(out, "<dl class=\"evidence\">\n");
    for (size_t i = 0; i < finding->evidence_count; i++) {
        buffer_append_text(out, "<div><dt>");
        append_visible(out, finding->evidence[i].name);
        buffer_append_text(out, "</dt><dd>");
        phrase_number(out, finding->evidence[i].value);
        buffer_append_text(out, "</dd></div>\n");
    }
    buffer_append_text(out, "</dl>\n");
}

/* What helps, and the patch folded under it. */
static void write_fixes(struct buffer *out, const struct stability_finding *finding)
{
    for (size_t i = 0; i < finding->fix_count; i++) {
        const struct stability_fix *fix = &finding->fixes[i];
        struct buffer text = {0};
        buffer_append_text(out, "<p><strong>Fix:</strong> ");
        size_t start = out->length;
        phrase_fix(out, fix);
        escape_tail(out, ESCAPE_MARKUP, start);
        buffer_append_text(out, "</p>\n<details><summary>JSON Patch, ");
        phrase_count(out, (int64_t)fix->operation_count, "operation");
        buffer_append_text(out, "</summary><pre>");
        struct json_writer json = {.buffer = &text};
        fix_write_patch(&json, fix, SIZE_MAX);
        append_visible(out, text.length > 0 ? text.data : "");
        buffer_append_text(out, "</pre></details>\n");
        out->failed = out->failed || text.failed;
        buffer_free(&text);
    }
}

static void write_card(struct buffer *out, const struct stability_report *report, size_t index)
{
    const struct stability_finding *finding = &report->findings[index];
    const char *severity = stability_severity_name(finding->severity);
    buffer_format(out, "<article class=\"%s\" id=\"finding-%zu\">\n<h3><span class=\"severity\">", severity,
                  index + 1);
    reference_label(out, report, index);
    buffer_format(out, " %s</span> ", severity);
    append_visible(out, finding->rule);
    buffer_append_text(out, "</h3>\n<p>");
    append_sentence(out, finding->message);
    buffer_append_text(out, "</p>\n");
    if (finding->cause != NULL) {
        buffer_append_text(out, "<p><strong>Cause:</strong> ");
        append_sentence(out, finding->cause);
        buffer_append_text(out, "</p>\n");
    }
    if (finding->layer_count > 0) {
        buffer_append_text(out, "<p class=\"names\">Layers: ");
        append_layers(out, finding, CARD_LAYERS);
        buffer_append_text(out, "</p>\n");
    }
    write_evidence(out, finding);
    write_fixes(out, finding);
    buffer_append_text(out, "</article>\n");
}

static bool has_finding(const struct stability_report *report, const char *rule)
{
    size_t i = 0;
    while (i < report->finding_count && strcmp(report->findings[i].rule, rule) != 0) {
        i++;
    }
    return i < report->finding_count;
}

/* What the rules mean that found something, once each. */
static void write_rules(struct buffer *out, const struct stability_report *report)
{
    buffer_append_text(out, "<section>\n<h2>The rules behind them</h2>\n<dl class=\"rules\">\n");
    for (size_t i = 0; i < stability_rule_type_count(); i++) {
        const struct stability_rule_type *rule = stability_rule_type_at(i);
        if (has_finding(report, rule->name)) {
            buffer_format(out, "<dt>%s</dt>\n<dd>", rule->name);
            append_sentence(out, rule->documentation);
            buffer_append_text(out, "<br/>Criterion: ");
            append_visible(out, rule->criterion);
            buffer_append_text(out, ".<br/><span class=\"quiet\">Source: ");
            append_visible(out, rule->source);
            buffer_append_text(out, "</span></dd>\n");
        }
    }
    buffer_append_text(out, "</dl>\n</section>\n");
}

static void write_findings(struct buffer *out, const struct stability_report *report)
{
    if (report->finding_count == 0) {
        return;
    }
    buffer_append_text(out, "<section>\n<h2>Findings</h2>\n");
    for (size_t i = 0; i < report->finding_count && i < CARDS; i++) {
        write_card(out, report, i);
    }
    if (report->finding_count > CARDS) {
        buffer_format(out, "<p><a href=\"#finding-%d\">%zu further findings</a></p>\n", CARDS + 1,
                      report->finding_count - CARDS);
    }
    buffer_append_text(out, "</section>\n");
}

static void write_finding_row(struct buffer *out, const struct stability_report *report, size_t index)
{
    const struct stability_finding *finding = &report->findings[index];
    const char *severity = stability_severity_name(finding->severity);
    buffer_format(out, "<tr id=\"finding-%zu\"><th scope=\"row\" class=\"%s\">", index + 1, severity);
    reference_label(out, report, index);
    buffer_format(out, " %s</th><td>", severity);
    append_visible(out, finding->rule);
    buffer_append_text(out, "</td><td class=\"text\">");
    append_layers(out, finding, ROW_LAYERS);
    buffer_append_text(out, "</td><td class=\"text\">");
    append_sentence(out, finding->message);
    buffer_append_text(out, "</td></tr>\n");
}

/* What has no card. */
static void write_further_findings(struct buffer *out, const struct stability_report *report)
{
    if (report->finding_count <= CARDS) {
        return;
    }
    buffer_append_text(
        out, "<section>\n<h2 id=\"further\">Further findings</h2>\n"
             "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"further\">\n"
             "<table>\n<thead>\n<tr><th scope=\"col\">Finding</th><th scope=\"col\">Rule</th>"
             "<th scope=\"col\">Layers</th><th scope=\"col\">Message</th></tr>\n</thead>\n<tbody>\n");
    for (size_t i = CARDS; i < report->finding_count; i++) {
        write_finding_row(out, report, i);
    }
    buffer_append_text(out, "</tbody>\n</table>\n</div>\n</section>\n");
}

static void append_legend(struct buffer *out, const char *class, const char *text)
{
    buffer_format(out, "<span class=\"legend\"><span class=\"swatch %s\"></span> %s</span> ", class, text);
}

static void write_charts(struct buffer *out, const struct stability_report *report)
{
    buffer_append_text(out, "<section>\n<h2>Layer by layer</h2>\n<div class=\"charts\">\n");
    html_charts_by_layer(out, report);
    buffer_append_text(
        out, "</div>\n</section>\n<section>\n<h2>Binary exponents</h2>\n"
             "<p class=\"quiet\">Each layer's numbers by their power of two, the commonest as wide as "
             "the column. Bands: ");
    append_legend(out, "band", "the range of float16");
    append_legend(out, "faint", "its subnormal numbers");
    buffer_append_text(out, "numbers: ");
    append_legend(out, "normal", "that it holds");
    append_legend(out, "subnormal", "with fewer digits");
    append_legend(out, "lost", "not at all");
    buffer_append_text(out, "</p>\n<div class=\"charts\">\n");
    html_charts_exponents(out, report);
    buffer_append_text(out, "</div>\n</section>\n");
}

void report_html(const struct stability_report *report, struct buffer *buffer)
{
    write_head(buffer, report);
    buffer_append_text(buffer, "<body>\n<main>\n");
    write_summary(buffer, report);
    write_findings(buffer, report);
    if (report->layer_count > 0) {
        write_charts(buffer, report);
        html_layer_table(buffer, report);
        html_parameter_table(buffer, report);
    }
    html_results(buffer, report);
    write_further_findings(buffer, report);
    if (report->finding_count > 0) {
        write_rules(buffer, report);
    }
    buffer_append_text(buffer, "<footer class=\"quiet\">");
    size_t start = buffer->length;
    phrase_engine(buffer, report);
    escape_tail(buffer, ESCAPE_MARKUP, start);
    buffer_append_text(buffer, "</footer>\n</main>\n</body>\n</html>\n");
}
