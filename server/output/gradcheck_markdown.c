#include "server/output/escape.h"
#include "server/output/format.h"
#include "server/output/gradcheck.h"
#include "server/output/gradcheck_findings.h"
#include "server/output/markdown_findings.h"
#include "server/output/phrases.h"
#include "server/output/terminal.h"

#include <inttypes.h>

/* GitHub refuses a job's summary of more than 1 MiB: no finding and no row starts after these bytes. */
#define FINDINGS_END ((size_t)500 * 1024)
#define PARAMETERS_END ((size_t)900 * 1024)

static void write_summary(struct buffer *out, const struct stability_gradcheck_report *report)
{
    buffer_format(out, "## %s ", report->failed ? "❌" : "✅");
    markdown_text(out, report->model != NULL ? report->model : "Model");
    buffer_format(out, ": %s\n\nGradients are %s.", report->failed ? "fail" : "pass",
                  stability_gradcheck_level_name(report->level));
    if (report->suspect_count > 0) {
        buffer_append_text(out, " Look first at: ");
        size_t start = out->length;
        gradcheck_phrase_suspects(out, report);
        escape_tail(out, ESCAPE_MARKDOWN, start);
        buffer_append_text(out, ".");
    }
    buffer_append_text(out, "\n\n| Loss | Parameters | Engine |\n|---:|---:|---|\n| ");
    phrase_number(out, report->loss);
    buffer_format(out, " | %zu | ", report->parameter_count);
    gradcheck_phrase_engine(out, report);
    buffer_append_text(out, " |\n");
}

static void write_parameter(struct buffer *out, const struct stability_gradcheck_parameter *parameter)
{
    char relative[TERMINAL_NUMBER], greatest[TERMINAL_NUMBER];
    buffer_append_text(out, "| ");
    markdown_code(out, parameter->name);
    buffer_append_text(out, " | ");
    phrase_shape(out, &parameter->shape);
    buffer_format(out, " | %s | %" PRId64 " | %" PRId64 " | %s | %s | %s |\n",
                  gradcheck_source_name(parameter), parameter->checked, parameter->skipped_at_kink,
                  terminal_short_number(parameter->relative_error, relative),
                  terminal_short_number(parameter->max_relative_error, greatest),
                  stability_gradcheck_level_name(parameter->level));
}

static void write_parameters(struct buffer *out, const struct stability_gradcheck_report *report)
{
    buffer_append_text(out, "\n### Parameters\n\n"
                            "| Parameter | Shape | Source | Checked | Skipped at kinks | Relative error "
                            "| Greatest of an element | Level |\n"
                            "|---|---|---|---:|---:|---:|---:|---|\n");
    size_t listed = 0;
    for (; listed < report->parameter_count && out->length < PARAMETERS_END; listed++) {
        write_parameter(out, &report->parameters[listed]);
    }
    if (listed < report->parameter_count) {
        buffer_format(out, "\n%zu further parameters are left out here.\n", report->parameter_count - listed);
    }
}

static void write_findings(const struct findings *findings, struct buffer *out)
{
    markdown_findings(out, findings, FINDINGS_END);
}

void gradcheck_markdown(const struct stability_gradcheck_report *report, struct buffer *buffer)
{
    write_summary(buffer, report);
    gradcheck_findings_write(report, write_findings, buffer);
    if (report->parameter_count > 0) {
        write_parameters(buffer, report);
    }
}
