#include "server/output/gradcheck.h"
#include "server/output/phrases.h"
#include "server/output/terminal.h"

#include <inttypes.h>

#define NAME_WIDTH 32

/* `line` is one name or paragraph at a time, escaped. */
struct page {
    struct buffer *out;
    struct buffer line;
};

static void print_name(struct page *page, const char *name)
{
    terminal_escape(&page->line, name);
    size_t columns = terminal_fit(page->out, page->line.data, page->line.length, NAME_WIDTH);
    buffer_fill(page->out, ' ', NAME_WIDTH + 2 - columns);
    buffer_truncate(&page->line, 0);
}

static void print_parameter(struct page *page, const struct stability_gradcheck_parameter *parameter)
{
    char relative[TERMINAL_NUMBER], greatest[TERMINAL_NUMBER];
    print_name(page, parameter->name);
    buffer_format(page->out, "%-6s  %9" PRId64 "  %7" PRId64 "  %9s  %9s  %s\n",
                  parameter->from_client ? "client" : "engine", parameter->checked,
                  parameter->skipped_at_kink, terminal_short_number(parameter->relative_error, relative),
                  terminal_short_number(parameter->max_relative_error, greatest),
                  stability_gradcheck_level_name(parameter->level));
}

static void append_index(struct buffer *line, const struct stability_gradcheck_parameter *parameter)
{
    for (int d = 0; d < parameter->shape.rank; d++) {
        buffer_format(line, "%s%" PRId64, d == 0 ? "[" : ", ", parameter->worst_index[d]);
    }
    buffer_append_text(line, parameter->shape.rank > 0 ? "]" : "");
}

/* What is wrong with one parameter. */
static void print_detail(struct page *page, const struct stability_gradcheck_parameter *parameter)
{
    struct buffer *line = &page->line;
    buffer_append(page->out, "\n", 1);
    terminal_escape(line, parameter->name);
    buffer_format(line, " is %s.", stability_gradcheck_level_name(parameter->level));
    if (parameter->has_worst) {
        buffer_append_text(line, " Worst at ");
        append_index(line, parameter);
        buffer_append_text(line, ": given ");
        phrase_number(line, parameter->worst_given);
        buffer_append_text(line, ", numerical ");
        phrase_number(line, parameter->worst_numerical);
        buffer_append_text(line, " +- ");
        phrase_number(line, parameter->worst_uncertainty);
        buffer_append_text(line, ".");
    }
    if (parameter->pattern != NULL) {
        buffer_format(line, " Looks %s: ", parameter->pattern);
        terminal_escape(line, parameter->pattern_text);
        buffer_append_text(line, ".");
    }
    if (parameter->mostly_skipped) {
        buffer_append_text(line, " More than a tenth of its elements lie at a kink and were skipped.");
    }
    terminal_wrap(page->out, line->length > 0 ? line->data : "", 0, 2);
    buffer_truncate(line, 0);
}

static void print_suspects(struct page *page, const struct stability_gradcheck_report *report)
{
    buffer_append_text(&page->line, "Look first at: ");
    for (size_t i = 0; i < report->suspect_count; i++) {
        buffer_append_text(&page->line, i == 0 ? "" : ", then ");
        terminal_escape(&page->line, report->suspect_layers[i]);
    }
    buffer_append(page->out, "\n", 1);
    terminal_wrap(page->out, page->line.length > 0 ? page->line.data : "", 0, 2);
    buffer_truncate(&page->line, 0);
}

void gradcheck_text(const struct stability_gradcheck_report *report, struct buffer *buffer)
{
    struct page page = {.out = buffer};
    buffer_format(buffer, "verdict        %s: gradients are %s\n", report->failed ? "FAIL" : "PASS",
                  stability_gradcheck_level_name(report->level));
    if (report->model != NULL) {
        buffer_append_text(buffer, "model          ");
        terminal_escape(&page.line, report->model);
        terminal_wrap(buffer, page.line.data, 15, 15);
        buffer_truncate(&page.line, 0);
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
    for (size_t i = 0; i < report->parameter_count; i++) {
        const struct stability_gradcheck_parameter *parameter = &report->parameters[i];
        if (parameter->level >= STABILITY_GRADCHECK_SUSPICIOUS || parameter->mostly_skipped) {
            print_detail(&page, parameter);
        }
    }
    if (report->suspect_count > 0) {
        print_suspects(&page, report);
    }
    buffer->failed = buffer->failed || page.line.failed;
    buffer_free(&page.line);
}
