#include "server/output/html_results.h"

#include "server/output/escape.h"
#include "server/output/html_page.h"
#include "server/output/results.h"

#include <string.h>

#define LISTED_ROWS 200
#define LONG_CELL 40 /* characters of a cell that is text, and may be wrapped */

struct page {
    struct buffer *out;
    bool begun;
    size_t table_count;
};

static void append_name(struct buffer *out, const char *name)
{
    size_t start = out->length;
    buffer_append_text(out, name);
    escape_tail(out, ESCAPE_MARKUP, start);
}

static void write_value(void *context, const char *name, const struct stability_result *value)
{
    struct page *page = context;
    buffer_append_text(page->out, "<div><dt>");
    html_text(page->out, name);
    buffer_append_text(page->out, "</dt><dd>");
    size_t start = page->out->length;
    result_phrase(page->out, value);
    escape_tail(page->out, ESCAPE_MARKUP, start);
    buffer_append_text(page->out, "</dd></div>\n");
}

static void write_row(struct buffer *out, const struct results_table *table, size_t row)
{
    buffer_append_text(out, "<tr>");
    for (size_t i = 0; i < table->column_count; i++) {
        const char *cell = results_table_cell(table, row, i);
        if (row == 0) {
            buffer_append_text(out, "<th scope=\"col\">");
        } else {
            buffer_append_text(out, strlen(cell) > LONG_CELL ? "<td class=\"text\">" : "<td>");
        }
        append_name(out, cell);
        buffer_append_text(out, row == 0 ? "</th>" : "</td>");
    }
    buffer_append_text(out, "</tr>\n");
}

static void write_table(void *context, const char *name, const struct stability_result *list)
{
    struct page *page = context;
    struct results_table table = {0};
    if (!results_table_make(&table, list, LISTED_ROWS)) {
        page->out->failed = true;
        return;
    }
    size_t number = ++page->table_count;
    buffer_format(page->out, "<h4 id=\"result-%zu\">", number);
    html_text(page->out, name);
    buffer_format(
        page->out,
        "</h4>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"result-%zu\">\n"
        "<table>\n<thead>\n",
        number);
    write_row(page->out, &table, 0);
    buffer_append_text(page->out, "</thead>\n<tbody>\n");
    for (size_t row = 1; row <= table.row_count; row++) {
        write_row(page->out, &table, row);
    }
    buffer_append_text(page->out, "</tbody>\n</table>\n</div>\n");
    if (table.left_out > 0) {
        buffer_format(page->out, "<p class=\"quiet\">and %zu more</p>\n", table.left_out);
    }
    results_table_free(&table);
}

static void write_analysis(void *context, const struct stability_result *analysis)
{
    struct page *page = context;
    if (!page->begun) {
        buffer_append_text(page->out, "<section>\n<h2>Analyses</h2>\n");
    }
    page->begun = true;
    buffer_append_text(page->out, "<h3>");
    html_text(page->out, analysis->name);
    buffer_append_text(page->out, "</h3>\n<dl class=\"evidence\">\n");
    bool listed = results_visit_kind(analysis, false, write_value, page);
    buffer_append_text(page->out, "</dl>\n");
    bool tabled = results_visit_kind(analysis, true, write_table, page);
    page->out->failed = page->out->failed || !listed || !tabled;
}

void html_results(struct buffer *out, const struct stability_report *report)
{
    struct page page = {.out = out};
    results_each(report, write_analysis, &page);
    if (page.begun) {
        buffer_append_text(out, "</section>\n");
    }
}
