/* GitHub-flavoured Markdown, fit for a job's summary: GitHub refuses one of more than 1 MiB, so what would
 * exceed that is left out, and said to be. */
#include "server/output/escape.h"
#include "server/output/fixes.h"
#include "server/output/format.h"
#include "server/output/markdown_results.h"
#include "server/output/phrases.h"
#include "server/output/references.h"
#include "server/output/terminal.h"

#include <stability/stability.h>

#include <inttypes.h>

#define LISTED_LAYERS 8
#define LISTED_OPERATIONS 100

/* No finding starts after the first of these bytes, no line of an analysis and no layer's row after the
 * others. */
#define FINDINGS_END ((size_t)500 * 1024)
#define RESULTS_END ((size_t)700 * 1024)
#define LAYERS_END ((size_t)900 * 1024)

static void append_escaped(struct buffer *out, const char *text)
{
    escape_text(out, ESCAPE_MARKDOWN, text);
}

static void append_code(struct buffer *out, const char *text)
{
    buffer_append_text(out, "<code>");
    append_escaped(out, text);
    buffer_append_text(out, "</code>");
}

static void write_summary(struct buffer *out, const struct stability_report *report)
{
    static const char *const symbols[] = {
        [STABILITY_STABLE] = "✅", [STABILITY_WARN] = "⚠️", [STABILITY_UNSTABLE] = "❌"};
    buffer_format(out, "## %s ", symbols[report->verdict]);
    append_escaped(out, report->model != NULL ? report->model : "Model");
    buffer_format(out, ": %s\n\n", stability_verdict_name(report->verdict));

    size_t start = out->length;
    phrase_findings(out, report);
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

/* An item of a list: its label, then visible text up to end_item. */
static size_t begin_item(struct buffer *out, const char *label)
{
    buffer_format(out, "- **%s:** ", label);
    return out->length;
}

static void end_item(struct buffer *out, size_t start)
{
    escape_tail(out, ESCAPE_MARKDOWN, start);
    buffer_append_text(out, "\n");
}

static void write_finding_layers(struct buffer *out, const struct stability_finding *finding)
{
    buffer_append_text(out, "- **Layers:** ");
    for (size_t i = 0; i < finding->layer_count && i < LISTED_LAYERS; i++) {
        buffer_append_text(out, i == 0 ? "" : ", ");
        append_code(out, finding->layers[i]);
    }
    if (finding->layer_count > LISTED_LAYERS) {
        buffer_format(out, " and %zu more", finding->layer_count - LISTED_LAYERS);
    }
    buffer_append_text(out, "\n");
}

/* A paragraph, and the patch folded under it. */
static void write_fix(struct buffer *out, const struct stability_fix *fix)
{
    size_t start = begin_item(out, "Fix");
    phrase_fix(out, fix);
    end_item(out, start);
    struct buffer patch = {0};
    struct json_writer json = {.buffer = &patch};
    fix_write_patch(&json, fix, LISTED_OPERATIONS);
    buffer_append_text(out, "  <details><summary>JSON Patch, ");
    phrase_count(out, (int64_t)fix->operation_count, "operation");
    buffer_append_text(out, fix->operation_count > LISTED_OPERATIONS ? ", the first of them</summary> "
                                                                     : "</summary> ");
    buffer_append_text(out, "<code>");
    size_t text = out->length;
    terminal_escape(out, patch.length > 0 ? patch.data : "");
    escape_tail(out, ESCAPE_MARKDOWN, text);
    buffer_append_text(out, "</code></details>\n");
    out->failed = out->failed || patch.failed;
    buffer_free(&patch);
}

static void write_finding(struct buffer *out, const struct stability_report *report, size_t index)
{
    const struct stability_finding *finding = &report->findings[index];
    buffer_append_text(out, "\n#### ");
    reference_label(out, report, index);
    buffer_format(out, " %s: %s\n\n", stability_severity_name(finding->severity), finding->rule);
    size_t start = out->length;
    phrase_sentence(out, finding->message);
    escape_tail(out, ESCAPE_MARKDOWN, start);
    buffer_append_text(out, "\n\n");
    if (finding->layer_count > 0) {
        write_finding_layers(out, finding);
    }
    if (finding->cause != NULL) {
        start = begin_item(out, "Cause");
        phrase_sentence(out, finding->cause);
        end_item(out, start);
    }
    if (finding->evidence_count > 0) {
        start = begin_item(out, "Evidence");
        phrase_evidence(out, finding);
        end_item(out, start);
    }
    for (size_t i = 0; i < finding->fix_count; i++) {
        write_fix(out, &finding->fixes[i]);
    }
}

static void write_findings(struct buffer *out, const struct stability_report *report)
{
    if (report->finding_count > 0) {
        buffer_append_text(out, "\n### Findings\n");
    }
    size_t listed = 0;
    for (; listed < report->finding_count && out->length < FINDINGS_END; listed++) {
        write_finding(out, report, listed);
    }
    if (listed < report->finding_count) {
        buffer_format(out, "\n%zu further findings are left out here.\n", report->finding_count - listed);
    }
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
    append_code(out, layer->name);
    buffer_append_text(out, " | ");
    append_escaped(out, layer->type);
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
        reference_label(out, report, named[i].finding);
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

void report_markdown(const struct stability_report *report, struct buffer *buffer)
{
    write_summary(buffer, report);
    write_findings(buffer, report);
    markdown_results(buffer, report, RESULTS_END);
    write_layers(buffer, report);
}
