#include "server/output/text_results.h"

#include "server/output/results.h"
#include "server/output/terminal.h"

#include <string.h>

#define INDENT 2
#define MOST_LABEL_WIDTH 40
#define LISTED_ROWS 20
#define LONGEST_CELL 44 /* of a column that stands beside others, where there is room for two of them */

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

/* Some columns of a table, side by side. */
struct block {
    size_t columns[TERMINAL_WIDTH];
    size_t count;
    size_t width;
};

static void print_cells(struct page *page, const struct results_table *table, const struct block *block,
                        size_t row)
{
    buffer_fill(page->out, ' ', 2 * INDENT);
    for (size_t i = 0; i < block->count; i++) {
        const char *cell = results_table_cell(table, row, block->columns[i]);
        buffer_append_text(page->out, cell);
        if (i + 1 < block->count) {
            size_t width = results_table_width(table, block->columns[i]);
            buffer_fill(page->out, ' ', width - terminal_columns(cell, strlen(cell)) + 2);
        }
    }
    buffer_append(page->out, "\n", 1);
}

static void print_block(struct page *page, const struct results_table *table, const struct block *block)
{
    for (size_t row = 0; row <= table->row_count; row++) {
        print_cells(page, table, block, row);
    }
}

static void add_column(struct block *block, const struct results_table *table, size_t column)
{
    block->width += results_table_width(table, column) + (block->count > 0 ? 2 : 0);
    block->columns[block->count++] = column;
}

/* Sentences, and what few rows have: it stands below the others, by rows. */
static size_t longest_cell(void)
{
    size_t half = (terminal_width() - (size_t)2 * INDENT - 2) / 2;
    return half < LONGEST_CELL ? half : LONGEST_CELL;
}

static bool stands_below(const struct results_table *table, size_t column)
{
    size_t filled = 0;
    for (size_t row = 1; row <= table->row_count; row++) {
        filled += strcmp(results_table_cell(table, row, column), "-") != 0;
    }
    return (filled > 0 && 4 * filled < table->row_count) ||
           results_table_width(table, column) > longest_cell();
}

/* The value that a column has wherever it has one, "-" if nowhere; NULL: values differ. */
static const char *common_cell(const struct results_table *table, size_t column)
{
    const char *common = "-";
    for (size_t row = 1; row <= table->row_count; row++) {
        const char *cell = results_table_cell(table, row, column);
        if (strcmp(common, "-") == 0) {
            common = cell;
        } else if (strcmp(cell, "-") != 0 && strcmp(cell, common) != 0) {
            return NULL;
        }
    }
    return common;
}

static bool has_gap(const struct results_table *table, size_t column)
{
    size_t row = 1;
    while (row <= table->row_count && strcmp(results_table_cell(table, row, column), "-") != 0) {
        row++;
    }
    return row <= table->row_count;
}

/* What is the same in every row is said once, and nothing of what is in none. */
static void print_alike(struct page *page, const struct results_table *table)
{
    const char *separator = "in each: ";
    for (size_t i = 1; i < table->column_count; i++) {
        const char *common = common_cell(table, i);
        if (common != NULL && strcmp(common, "-") != 0 && !stands_below(table, i)) {
            buffer_append_text(&page->line, separator);
            buffer_append_text(&page->line, results_table_cell(table, 0, i));
            buffer_append_text(&page->line, " ");
            buffer_append_text(&page->line, common);
            buffer_append_text(&page->line, has_gap(table, i) ? " or -" : "");
            separator = "; ";
        }
    }
    if (page->line.length > 0) {
        buffer_fill(page->out, ' ', 2 * INDENT);
        print_line(page, 2 * INDENT, 2 * INDENT);
    }
}

/* As many columns side by side as fit, the others below them; each block begins with the first column. */
static void print_blocks(struct page *page, const struct results_table *table)
{
    struct block block = {0};
    print_alike(page, table);
    add_column(&block, table, 0);
    for (size_t i = 1; i < table->column_count; i++) {
        if (common_cell(table, i) != NULL || stands_below(table, i)) {
            continue;
        }
        if (block.width + 2 + results_table_width(table, i) + (size_t)2 * INDENT > terminal_width()) {
            print_block(page, table, &block);
            block = (struct block){0};
            add_column(&block, table, 0);
        }
        add_column(&block, table, i);
    }
    print_block(page, table, &block);
}

static void print_table(struct page *page, const struct results_table *table)
{
    struct block block = {0};
    for (size_t i = 0; i < table->column_count; i++) {
        add_column(&block, table, i);
    }
    print_block(page, table, &block);
}

/* "- outcome diverged; step 4; message ...", with no word of what is not there; of a table that stands in
 * blocks what stands below them. */
static void print_paragraph(struct page *page, const struct results_table *table, size_t row, bool rest)
{
    const char *separator = "";
    bool any = !rest;
    for (size_t i = 0; i < table->column_count; i++) {
        const char *cell = results_table_cell(table, row, i);
        if (strcmp(cell, "-") == 0 || (rest && i > 0 && !stands_below(table, i))) {
            continue;
        }
        any = any || i > 0;
        buffer_append_text(&page->line, separator);
        buffer_append_text(&page->line, results_table_cell(table, 0, i));
        buffer_append_text(&page->line, " ");
        buffer_append_text(&page->line, cell);
        separator = "; ";
    }
    if (!any) {
        buffer_truncate(&page->line, 0);
        return;
    }
    buffer_fill(page->out, ' ', 2 * INDENT);
    buffer_append_text(page->out, "- ");
    print_line(page, 2 * INDENT + 2, 2 * INDENT + 2);
}

static void print_paragraphs(struct page *page, const struct results_table *table, bool rest)
{
    for (size_t row = 1; row <= table->row_count; row++) {
        print_paragraph(page, table, row, rest);
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
    if (table.width + (size_t)2 * INDENT <= terminal_width()) {
        print_table(page, &table);
    } else if (table.row_count > 1 && results_table_width(&table, 0) <= longest_cell()) {
        print_blocks(page, &table);
        print_paragraphs(page, &table, true);
    } else {
        print_paragraphs(page, &table, false);
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
