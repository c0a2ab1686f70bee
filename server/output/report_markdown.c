/* GitHub-flavoured Markdown, fit for a job's summary: GitHub refuses one of more than 1 MiB, so what would
 * exceed that is left out, and said to be. */
#include "server/output/escape.h"
#include "server/output/format.h"
#include "server/output/markdown_findings.h"
#include "server/output/markdown_results.h"
#include "server/output/phrases.h"
#include "server/output/references.h"
#include "server/output/terminal.h"

#include <stability/stability.h>

#include <inttypes.h>

#define LISTED_LAYERS 8

/* No finding starts after the first of these bytes, no line of an analysis and no layer's row after the
 * others. */
#define FINDINGS_END ((size_t)500 * 1024)
#define RESULTS_END ((size_t)700 * 1024)
#define LAYERS_END ((size_t)900 * 1024)

static void write_summary(struct buffer *out, const struct stability_report *report,
                          const struct report_findings *baseline)
{
    static const char *const symbols[] = {
        [STABILITY_STABLE] = "✅", [STABILITY_WARN] = "⚠️", [STABILITY_UNSTABLE] = "❌"};
    buffer_format(out, "## %s ", symbols[report->verdict]);
    markdown_text(out, report->model != NULL ? report->model : "Model");
    buffer_format(out, ": %s\n\n", stability_verdict_name(report->verdict));

    size_t start = out->length;
    phrase_findings(out, report, baseline);
    buffer_append_text(out, out->length == start ? "No findings.\n\n" : ".\n\n");

    buffer_append_text(out, "| Loss | Gradient norm | Parameters | Batch | Cost | Engine |\n"
                            "|---:|---:|---:|---:|---:|---|\n| ");
    phrase_number(out, report->loss);
    buffer_append_text(out, " | ");
    phrase_number(out, report->gradient_norm);
    buffer_format(out, " | %" PRId64 " | %" PRId64 " | ", report->parameter_count, report->batch_size);
    phrase_cost(out, report);
    buffer_append_text(out, " | ");
    start = out->length;
    phrase_engine(out, report);
    escape_tail(out, ESCAPE_MARKDOWN, start);
    buffer_append_text(out, " |\n");
}

static void append_number_cell(struct buffer *out, bool exists, double number)
{
    char text[TERMINAL_NUMBER];
    buffer_append_text(out, " | ");
    buffer_append_text(out, exists ? terminal_aligned_number(number, text) : "-");
}

static void write_layer(struct buffer *out, const struct stability_report *report,
                        const struct references *references, size_t index)
{
    const struct stability_layer_report *layer = &report->layers[index];
    const struct stability_statistics *value = layer->outputs[0].value;
    const struct stability_statistics *gradient = layer->outputs[0].gradient;
    buffer_append_text(out, "| ");
    markdown_code(out, layer->name);
    buffer_append_text(out, " | ");
    markdown_text(out, layer->type);
    buffer_append_text(out, " | ");
    phrase_shape(out, &layer->outputs[0].shape);
    append_number_cell(out, value != NULL, value != NULL ? value->all.mean : 0);
    append_number_cell(out, value != NULL, value != NULL ? value->all.std : 0);
    append_number_cell(out, gradient != NULL, gradient != NULL ? gradient->all.norm : 0);
    double norm;
    bool found = phrase_parameter_gradient(layer, &norm);
    append_number_cell(out, found, norm);
    buffer_append_text(out, " |");
    size_t count;
    const struct reference *named = references_of(references, layer->name, &count);
    for (size_t i = 0; i < count && i < LISTED_LAYERS; i++) {
        buffer_append_text(out, " ");
        reference_label(out, report->findings, named[i].finding);
    }
    if (count > LISTED_LAYERS) {
        buffer_format(out, " +%zu", count - LISTED_LAYERS);
    }
    buffer_append_text(out, " |\n");
}

static void write_layers(struct buffer *out, const struct stability_report *report)
{
    struct references references = {0};
    references_collect(&references, report);
    buffer_append_text(out, "\n<details>\n<summary>");
    phrase_count(out, (int64_t)report->layer_count, "layer");
    buffer_append_text(out, "</summary>\n\n"
                            "| Layer | Type | Output shape | Output mean | Output std | Output gradient norm "
                            "| Parameter gradient norm | Findings |\n"
                            "|---|---|---|---:|---:|---:|---:|---|\n");
    size_t listed = 0;
    for (; listed < report->layer_count && out->length < LAYERS_END; listed++) {
        write_layer(out, report, &references, listed);
    }
    if (listed < report->layer_count) {
        buffer_format(out, "\n%zu further layers are left out here.\n", report->layer_count - listed);
    }
    buffer_append_text(out, "\n</details>\n");
    out->failed = out->failed || references.storage.failed;
    buffer_free(&references.storage);
}

void report_markdown(const struct stability_report *report, const struct report_findings *baseline,
                     struct buffer *buffer)
{
    write_summary(buffer, report, baseline);
    struct findings findings = findings_of(report, baseline);
    markdown_findings(buffer, &findings, FINDINGS_END);
    markdown_results(buffer, report, RESULTS_END);
    write_layers(buffer, report);
}
