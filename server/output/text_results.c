#include "server/output/text_results.h"

#include "server/output/results.h"
#include "server/output/terminal.h"

#include <string.h>

#define INDENT 2
#define MOST_LABEL_WIDTH 40
#define LISTED_ROWS 20

struct page {
    struct buffer *out;
    struct buffer line; /* visible text of a paragraph before it is wrapped */
    size_t label_width; /* of the longest name, indented, and two spaces */
};

static void print_line(struct page *page, size_t column, size_t indent)
{
    terminal_wrap(page->out, page->line.length > 0 ? page->line.data : "", column, indent);
    buffer_truncate(&page->line, 0);
}

static void print_value(struct page *page, const char *name, const struct stability_result *value)
{
    size_t start = page->out->length;
    buffer_fill(page->out, ' ', INDENT);
    terminal_escape(page->out, name);
    size_t used = page->out->length - start;
    size_t spaces = used + 2 < page->label_width ? page->label_width - used : 2;
    buffer_fill(page->out, ' ', spaces);
    result_phrase(&page->line, value);
    print_line(page, used + spaces, page->label_width);
}

static void print_cells(struct page *page, const struct results_table *table, const size_t *widths,
                        size_t row)
{
    buffer_fill(page->out, ' ', 2 * INDENT);
    for (size_t i = 0; i < table->column_count; i++) {
        const char *cell = results_table_cell(table, row, i);
        buffer_append_text(page->out, cell);
        if (i + 1 < table->column_count) {
            buffer_fill(page->out, ' ', widths[i] - terminal_columns(cell, strlen(cell)) + 2);
        }
    }
    buffer_append(page->out, "\n", 1);
}

/* Fewer columns than a line has characters. */
static void print_table(struct page *page, const struct results_table *table)
{
    size_t widths[TERMINAL_WIDTH];
    for (size_t i = 0; i < table->column_count; i++) {
        widths[i] = results_table_width(table, i);
    }
    for (size_t row = 0; row <= table->row_count; row++) {
        print_cells(page, table, widths, row);
    }
}

/* "- outcome diverged; step 4; message ...", with no word of what is not there. */
static void print_paragraphs(struct page *page, const struct results_table *table)
{
    for (size_t row = 1; row <= table->row_count; row++) {
        buffer_fill(page->out, ' ', 2 * INDENT);
        buffer_append_text(page->out, "- ");
        const char *separator = "";
        for (size_t i = 0; i < table->column_count; i++) {
            const char *cell = results_table_cell(table, row, i);
            if (strcmp(cell, "-") == 0) {
                continue;
            }
            buffer_append_text(&page->line, separator);
            buffer_append_text(&page->line, results_table_cell(table, 0, i));
            buffer_append_text(&page->line, " ");
            buffer_append_text(&page->line, cell);
            separator = "; ";
        }
        print_line(page, 2 * INDENT + 2, 2 * INDENT + 2);
    }
}

static void print_list(struct page *page, const char *name, const struct stability_result *list)
{
    struct results_table table = {0};
    buffer_fill(page->out, ' ', INDENT);
    terminal_escape(page->out, name);
    buffer_append(page->out, "\n", 1);
    if (!results_table_make(&table, list, LISTED_ROWS)) {
        page->line.failed = true;
        return;
    }
    if (table.width + (size_t)2 * INDENT <= TERMINAL_WIDTH) {
        print_table(page, &table);
    } else {
        print_paragraphs(page, &table);
    }
    if (table.left_out > 0) {
        buffer_fill(page->out, ' ', 2 * INDENT);
        buffer_format(page->out, "and %zu more\n", table.left_out);
    }
    results_table_free(&table);
}

static void print_member(void *context, const char *name, const struct stability_result *value)
{
    if (result_is_table(value)) {
        print_list(context, name, value);
    } else {
        print_value(context, name, value);
    }
}

static void measure_label(void *context, const char *name, const struct stability_result *value)
{
    struct page *page = context;
    size_t width = INDENT + strlen(name) + 2;
    if (!result_is_table(value) && width > page->label_width && width <= MOST_LABEL_WIDTH) {
        page->label_width = width;
    }
}

static void print_analysis(void *context, const struct stability_result *analysis)
{
    struct page *page = context;
    buffer_append_text(page->out, "\nanalysis: ");
    buffer_append_text(page->out, analysis->name);
    buffer_append(page->out, "\n", 1);
    page->label_width = 0;
    bool measured = results_visit(analysis, measure_label, page);
    bool printed = results_visit(analysis, print_member, page);
    page->line.failed = page->line.failed || !measured || !printed;
}

void text_results(struct buffer *buffer, const struct stability_report *report)
{
    struct page page = {.out = buffer};
    results_each(report, print_analysis, &page);
    buffer->failed = buffer->failed || page.line.failed;
    buffer_free(&page.line);
}
