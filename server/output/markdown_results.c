#include "server/output/markdown_results.h"

#include "server/output/escape.h"
#include "server/output/markdown_findings.h"
#include "server/output/results.h"

#define LISTED_ROWS 50

struct page {
    struct buffer *out;
    size_t end;
    bool begun;
};

static void write_value(void *context, const char *name, const struct stability_result *value)
{
    struct page *page = context;
    if (page->out->length >= page->end) {
        return;
    }
    buffer_append_text(page->out, "- **");
    markdown_text(page->out, name);
    buffer_append_text(page->out, ":** ");
    size_t start = page->out->length;
    result_phrase(page->out, value);
    escape_tail(page->out, ESCAPE_MARKDOWN, start);
    buffer_append_text(page->out, "\n");
}

/* Cells are visible text already. */
static void write_row(struct buffer *out, const struct results_table *table, size_t row)
{
    for (size_t i = 0; i < table->column_count; i++) {
        buffer_append_text(out, "| ");
        size_t start = out->length;
        buffer_append_text(out, results_table_cell(table, row, i));
        escape_tail(out, ESCAPE_MARKDOWN, start);
        buffer_append_text(out, " ");
    }
    buffer_append_text(out, "|\n");
}

static void write_table(void *context, const char *name, const struct stability_result *list)
{
    struct page *page = context;
    struct results_table table = {0};
    if (page->out->length >= page->end) {
        return;
    }
    if (!results_table_make(&table, list, LISTED_ROWS)) {
        page->out->failed = true;
        return;
    }
    buffer_append_text(page->out, "\n**");
    markdown_text(page->out, name);
    buffer_append_text(page->out, "**\n\n");
    for (size_t row = 0; row <= table.row_count && page->out->length < page->end; row++) {
        write_row(page->out, &table, row);
        for (size_t i = 0; row == 0 && i < table.column_count; i++) {
            buffer_append_text(page->out, i + 1 < table.column_count ? "|---" : "|---|\n");
        }
    }
    if (table.left_out > 0) {
        buffer_format(page->out, "\nand %zu more\n", table.left_out);
    }
    results_table_free(&table);
}

static void write_analysis(void *context, const struct stability_result *analysis)
{
    struct page *page = context;
    if (page->out->length >= page->end) {
        return;
    }
    buffer_append_text(page->out, page->begun ? "\n#### " : "\n### Analyses\n\n#### ");
    page->begun = true;
    markdown_text(page->out, analysis->name);
    buffer_append_text(page->out, "\n\n");
    /* A list of lines must not be torn apart by tables. */
    bool listed = results_visit_kind(analysis, false, write_value, page);
    bool tabled = results_visit_kind(analysis, true, write_table, page);
    page->out->failed = page->out->failed || !listed || !tabled;
}

void markdown_results(struct buffer *out, const struct stability_report *report, size_t end)
{
    struct page page = {.out = out, .end = end};
    results_each(report, write_analysis, &page);
}
