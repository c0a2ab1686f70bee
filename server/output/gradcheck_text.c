#include "server/output/format.h"
#include "server/output/gradcheck.h"
#include "server/output/gradcheck_findings.h"
#include "server/output/phrases.h"
#include "server/output/terminal.h"

#include <inttypes.h>

#define NAME_WIDTH 32

/* `line` is one name or paragraph at a time, escaped. */
struct page {
    struct buffer *out;
    struct buffer line;
};

/* Prints what stands in `line`, wrapped, after `column` columns that are printed already. */
static void print_line(struct page *page, size_t column, size_t indent)
{
    terminal_wrap(page->out, page->line.length > 0 ? page->line.data : "", column, indent);
    buffer_truncate(&page->line, 0);
}

static void print_name(struct page *page, const char *name)
{
    terminal_escape(&page->line, name);
    size_t columns =
        terminal_fit(page->out, page->line.length > 0 ? page->line.data : "", page->line.length, NAME_WIDTH);
    buffer_fill(page->out, ' ', NAME_WIDTH + 2 - columns);
    buffer_truncate(&page->line, 0);
}

static void print_parameter(struct page *page, const struct stability_gradcheck_parameter *parameter)
{
    char relative[TERMINAL_NUMBER], greatest[TERMINAL_NUMBER];
    print_name(page, parameter->name);
    buffer_format(page->out, "%-6s  %9" PRId64 "  %7" PRId64 "  %9s  %9s  %s\n",
                  gradcheck_source_name(parameter), parameter->checked, parameter->skipped_at_kink,
                  terminal_short_number(parameter->relative_error, relative),
                  terminal_short_number(parameter->max_relative_error, greatest),
                  stability_gradcheck_level_name(parameter->level));
}

static void print_finding(struct page *page, const struct stability_finding *finding)
{
    buffer_append(page->out, "\n", 1);
    phrase_finding(&page->line, finding);
    print_line(page, 0, 2);
}

static void print_findings(struct page *page, const struct stability_gradcheck_report *report)
{
    struct gradcheck_findings findings = {0};
    if (!gradcheck_findings_make(&findings, report)) {
        page->line.failed = true;
        return;
    }
    for (size_t i = 0; i < findings.list.count; i++) {
        print_finding(page, &findings.list.items[i]);
    }
    gradcheck_findings_free(&findings);
}

static void print_suspects(struct page *page, const struct stability_gradcheck_report *report)
{
    buffer_append_text(&page->line, "Look first at: ");
    gradcheck_phrase_suspects(&page->line, report);
    buffer_append(page->out, "\n", 1);
    print_line(page, 0, 2);
}

void gradcheck_text(const struct stability_gradcheck_report *report, struct buffer *buffer)
{
    struct page page = {.out = buffer};
    buffer_format(buffer, "verdict        %s: gradients are %s\n", report->failed ? "FAIL" : "PASS",
                  stability_gradcheck_level_name(report->level));
    if (report->model != NULL) {
        buffer_append_text(buffer, "model          ");
        terminal_escape(&page.line, report->model);
        print_line(&page, 15, 15);
    }
    buffer_append_text(buffer, "loss           ");
    phrase_number(buffer, report->loss);
    buffer_format(buffer, "\nmode           %s\nengine         %s\n\n", gradcheck_mode_name(report->mode),
                  stability_gradcheck_level_name(report->engine_level));
    buffer_format(buffer, "%-*s  source    checked  skipped   relative   greatest  level\n", NAME_WIDTH,
                  "parameter");
    for (size_t i = 0; i < report->parameter_count; i++) {
        print_parameter(&page, &report->parameters[i]);
    }
    print_findings(&page, report);
    if (report->suspect_count > 0) {
        print_suspects(&page, report);
    }
    buffer->failed = buffer->failed || page.line.failed;
    buffer_free(&page.line);
}
