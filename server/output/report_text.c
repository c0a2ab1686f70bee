#include "server/output/format.h"
#include "server/output/references.h"
#include "server/output/terminal.h"
#include "server/output/text_layers.h"

#include <stability/stability.h>

#include <ctype.h>
#include <inttypes.h>

#define LABEL_WIDTH 15
#define LISTED_LAYERS 8

/* `line` is the text of one paragraph at a time, escaped, before it is wrapped. */
struct page {
    struct buffer *out;
    struct buffer line;
};

static void append_short(struct buffer *buffer, double number)
{
    char text[TERMINAL_NUMBER];
    buffer_append_text(buffer, terminal_short_number(number, text));
}

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

static void append_count(struct buffer *buffer, int64_t count, const char *noun)
{
    buffer_format(buffer, "%" PRId64 " %s%s", count, noun, count == 1 ? "" : "s");
}

static void print_verdict(struct page *page, const struct stability_report *report)
{
    const char *separator = ": ";
    for (const char *letter = stability_verdict_name(report->verdict); *letter != '\0'; letter++) {
        buffer_append(&page->line, (char[]){(char)toupper((unsigned char)*letter)}, 1);
    }
    for (enum stability_severity severity = STABILITY_ERROR_SEVERITY + 1; severity-- > STABILITY_INFO;) {
        const char *noun = severity == STABILITY_INFO ? "note" : stability_severity_name(severity);
        if (report->findings_by_severity[severity] > 0) {
            buffer_append_text(&page->line, separator);
            append_count(&page->line, report->findings_by_severity[severity], noun);
            separator = ", ";
        }
    }
    print_labelled(page, "verdict");
}

/* Bytes or operations in the largest unit that leaves at least one. */
static void append_scaled(struct buffer *buffer, int64_t amount, double base, const char *const units[5])
{
    double scaled = (double)amount;
    size_t unit = 0;
    for (; scaled >= base && unit < 4; unit++) {
        scaled /= base;
    }
    append_short(buffer, scaled);
    buffer_format(buffer, " %s", units[unit]);
}

static void print_engine(struct page *page, const struct stability_report *report)
{
    static const char *const byte_units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    static const char *const operation_units[] = {"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP"};
    append_scaled(&page->line, report->flops, 1000, operation_units);
    buffer_append_text(&page->line, ", ");
    append_scaled(&page->line, report->planned_bytes, 1024, byte_units);
    print_labelled(page, "cost");
    buffer_format(&page->line, "stabilityd %s, %s, %s mode, seed %" PRIu64, STABILITY_VERSION,
                  report->precision == STABILITY_PRECISION_FLOAT64 ? "float64" : "float32",
                  report->evaluate ? "eval" : "train", report->seed);
    if (report->blas != NULL) {
        buffer_append_text(&page->line, ", ");
        terminal_escape(&page->line, report->blas);
    }
    print_labelled(page, "engine");
}

static void print_summary(struct page *page, const struct stability_report *report)
{
    print_verdict(page, report);
    if (report->model != NULL) {
        terminal_escape(&page->line, report->model);
        print_labelled(page, "model");
    }
    append_short(&page->line, report->loss);
    print_labelled(page, "loss");
    append_short(&page->line, report->gradient_norm);
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

static void append_evidence(struct buffer *buffer, const struct stability_finding *finding)
{
    buffer_append_text(buffer, "evidence:");
    for (size_t i = 0; i < finding->evidence_count; i++) {
        buffer_format(buffer, "%s %s = ", i == 0 ? "" : ",", finding->evidence[i].name);
        append_short(buffer, finding->evidence[i].value);
    }
}

static void print_finding(struct page *page, const struct stability_report *report, size_t index)
{
    const struct stability_finding *finding = &report->findings[index];
    size_t start = page->out->length;
    reference_label(page->out, report, index);
    buffer_append(page->out, "  ", 2);
    size_t indent = page->out->length - start;

    buffer_format(&page->line, "%s: %s", stability_severity_name(finding->severity), finding->rule);
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
        append_evidence(&page->line, finding);
        print_line(page, indent, indent);
    }
}

void report_text(const struct stability_report *report, struct buffer *buffer)
{
    struct page page = {.out = buffer};
    print_summary(&page, report);
    buffer_append(buffer, "\n", 1);
    text_layers(buffer, report);
    for (size_t i = 0; i < report->finding_count; i++) {
        buffer_append(buffer, "\n", 1);
        print_finding(&page, report, i);
    }
    buffer->failed = buffer->failed || page.line.failed;
    buffer_free(&page.line);
}
