#include "server/output/fixes.h"
#include "server/output/format.h"
#include "server/output/phrases.h"
#include "server/output/references.h"
#include "server/output/terminal.h"
#include "server/output/text_layers.h"
#include "server/output/text_results.h"

#include <ctype.h>
#include <inttypes.h>

#define LABEL_WIDTH 15
#define LISTED_LAYERS 8
#define LISTED_OPERATIONS 3

/* `line` is the text of one paragraph at a time, escaped, before it is wrapped. */
struct page {
    struct buffer *out;
    struct buffer line;
    const struct report_findings *baseline; /* NULL: none */
};

/* Prints what stands in `line`, wrapped, after `column` columns that are printed already. */
static void print_line(struct page *page, size_t column, size_t indent)
{
    terminal_wrap(page->out, page->line.length > 0 ? page->line.data : "", column, indent);
    buffer_truncate(&page->line, 0);
}

/* Prints what stands in `line` beside a label. */
static void print_labelled(struct page *page, const char *label)
{
    buffer_format(page->out, "%-*s", LABEL_WIDTH, label);
    print_line(page, LABEL_WIDTH, LABEL_WIDTH);
}

static void print_verdict(struct page *page, const struct stability_report *report)
{
    for (const char *letter = stability_verdict_name(report->verdict); *letter != '\0'; letter++) {
        buffer_append(&page->line, (char[]){(char)toupper((unsigned char)*letter)}, 1);
    }
    size_t length = page->line.length;
    buffer_append_text(&page->line, ": ");
    size_t start = page->line.length;
    phrase_findings(&page->line, report, page->baseline);
    buffer_truncate(&page->line, page->line.length > start ? page->line.length : length);
    print_labelled(page, "verdict");
}

static void print_engine(struct page *page, const struct stability_report *report)
{
    phrase_cost(&page->line, report);
    print_labelled(page, "cost");
    phrase_engine(&page->line, report);
    print_labelled(page, "engine");
}

static void print_summary(struct page *page, const struct stability_report *report)
{
    print_verdict(page, report);
    if (report->model != NULL) {
        terminal_escape(&page->line, report->model);
        print_labelled(page, "model");
    }
    phrase_number(&page->line, report->loss);
    print_labelled(page, "loss");
    phrase_number(&page->line, report->gradient_norm);
    print_labelled(page, "gradient norm");
    buffer_format(&page->line, "%" PRId64, report->parameter_count);
    print_labelled(page, "parameters");
    buffer_format(&page->line, "%" PRId64, report->batch_size);
    print_labelled(page, "batch");
    print_engine(page, report);
}

static void append_layers(struct buffer *buffer, const struct stability_finding *finding)
{
    for (size_t i = 0; i < finding->layer_count && i < LISTED_LAYERS; i++) {
        buffer_append_text(buffer, i == 0 ? " in " : ", ");
        terminal_escape(buffer, finding->layers[i]);
    }
    if (finding->layer_count > LISTED_LAYERS) {
        buffer_format(buffer, " and %zu more", finding->layer_count - LISTED_LAYERS);
    }
}

/* The patch where it is short; a long one is for programs, which read JSON. */
static void print_fix(struct page *page, const struct stability_fix *fix, size_t number, size_t indent)
{
    buffer_fill(page->out, ' ', indent);
    buffer_format(&page->line, "fix %zu: ", number);
    phrase_fix(&page->line, fix);
    print_line(page, indent, indent);
    buffer_fill(page->out, ' ', indent);
    struct buffer patch = {0};
    struct json_writer json = {.buffer = &patch};
    fix_write_patch(&json, fix, LISTED_OPERATIONS);
    buffer_append_text(&page->line, "patch: ");
    terminal_escape(&page->line, patch.length > 0 ? patch.data : "");
    if (fix->operation_count > LISTED_OPERATIONS) {
        buffer_format(&page->line, " and %zu more operations, which --format json writes",
                      fix->operation_count - LISTED_OPERATIONS);
    }
    page->line.failed = page->line.failed || patch.failed;
    buffer_free(&patch);
    print_line(page, indent, indent);
}

static void print_finding(struct page *page, const struct stability_report *report, size_t index)
{
    const struct stability_finding *finding = &report->findings[index];
    size_t start = page->out->length;
    reference_label(page->out, report->findings, index);
    buffer_append(page->out, "  ", 2);
    size_t indent = page->out->length - start;

    bool known = !report_findings_lack(page->baseline, finding->fingerprint);
    buffer_format(&page->line, "%s%s: %s", known ? "known " : "", stability_severity_name(finding->severity),
                  finding->rule);
    append_layers(&page->line, finding);
    print_line(page, indent, indent);

    buffer_fill(page->out, ' ', indent);
    terminal_escape(&page->line, finding->message);
    print_line(page, indent, indent);

    if (finding->cause != NULL) {
        buffer_fill(page->out, ' ', indent);
        buffer_append_text(&page->line, "cause: ");
        terminal_escape(&page->line, finding->cause);
        print_line(page, indent, indent);
    }
    if (finding->evidence_count > 0) {
        buffer_fill(page->out, ' ', indent);
        buffer_append_text(&page->line, "evidence: ");
        phrase_evidence(&page->line, finding);
        print_line(page, indent, indent);
    }
    for (size_t i = 0; i < finding->fix_count; i++) {
        print_fix(page, &finding->fixes[i], i + 1, indent);
    }
}

void report_text(const struct stability_report *report, const struct report_findings *baseline,
                 struct buffer *buffer)
{
    struct page page = {.out = buffer, .baseline = baseline};
    print_summary(&page, report);
    buffer_append(buffer, "\n", 1);
    text_layers(buffer, report);
    for (size_t i = 0; i < report->finding_count; i++) {
        buffer_append(buffer, "\n", 1);
        print_finding(&page, report, i);
    }
    text_results(buffer, report);
    buffer->failed = buffer->failed || page.line.failed;
    buffer_free(&page.line);
}
