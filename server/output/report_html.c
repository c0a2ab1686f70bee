#include "server/output/format.h"
#include "server/output/html_charts.h"
#include "server/output/html_findings.h"
#include "server/output/html_page.h"
#include "server/output/html_results.h"
#include "server/output/html_tables.h"
#include "server/output/phrases.h"

#include <inttypes.h>

static void write_facts(struct buffer *out, const struct stability_report *report)
{
    buffer_append_text(out, "<dl class=\"facts\">\n");
    html_fact(out, "Loss");
    phrase_number(out, report->loss);
    html_fact_end(out);
    html_fact(out, "Gradient norm");
    phrase_number(out, report->gradient_norm);
    html_fact_end(out);
    html_fact(out, "Layers");
    buffer_format(out, "%zu", report->layer_count);
    html_fact_end(out);
    html_fact(out, "Parameters");
    buffer_format(out, "%" PRId64, report->parameter_count);
    html_fact_end(out);
    html_fact(out, "Batch size");
    buffer_format(out, "%" PRId64, report->batch_size);
    html_fact_end(out);
    html_fact(out, "Cost");
    phrase_cost(out, report);
    html_fact_end(out);
    buffer_append_text(out, "</dl>\n");
}

static void write_summary(struct buffer *out, const struct stability_report *report,
                          const struct report_findings *baseline)
{
    static const struct {
        const char *class;
        const char *symbol;
    } looks[] = {[STABILITY_STABLE] = {"stable", "✓"},
                 [STABILITY_WARN] = {"warning", "!"},
                 [STABILITY_UNSTABLE] = {"unstable", "✕"}};
    html_header(out, report->model, looks[report->verdict].class, looks[report->verdict].symbol,
                stability_verdict_name(report->verdict));
    size_t start = out->length;
    phrase_findings(out, report, baseline);
    buffer_append_text(out, out->length == start ? "no findings</p>\n" : "</p>\n");
    write_facts(out, report);
    buffer_append_text(out, "</header>\n");
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

static void phrase_footer(struct buffer *out, const void *report)
{
    phrase_engine(out, report);
}

void report_html(const struct stability_report *report, const struct report_findings *baseline,
                 struct buffer *buffer)
{
    struct findings findings = findings_of(report, baseline);
    html_page_begin(buffer, report->model, stability_verdict_name(report->verdict));
    write_summary(buffer, report, baseline);
    html_findings(buffer, &findings);
    if (report->layer_count > 0) {
        write_charts(buffer, report);
        html_layer_table(buffer, report);
        html_parameter_table(buffer, report);
    }
    html_results(buffer, report);
    html_further_findings(buffer, &findings);
    html_rules(buffer, &findings);
    html_page_end(buffer, phrase_footer, report);
}
