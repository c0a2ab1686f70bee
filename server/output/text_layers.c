#include "server/output/text_layers.h"

#include "server/output/phrases.h"
#include "server/output/references.h"
#include "server/output/terminal.h"

#include <stdio.h>
#include <string.h>

#define COLUMN_GAP ((size_t)2)
#define FLAGS_WIDTH 11
#define ROOM_FOR_NAMES 20 /* columns; what names need, if that is less */

struct row {
    size_t prefix; /* bytes of all names that are the same, and left out: 0, or up to a dot or slash */
    const struct stability_report *report;
    const struct stability_layer_report *layer;
    const struct reference *references;
    size_t reference_count;
};

static void cell_name(const struct row *row, struct buffer *cell)
{
    buffer_append_text(cell, row->prefix > 0 ? "..." : "");
    terminal_escape(cell, row->layer->name + row->prefix);
}

static void cell_type(const struct row *row, struct buffer *cell)
{
    terminal_escape(cell, row->layer->type);
}

static void cell_shape(const struct row *row, struct buffer *cell)
{
    phrase_shape(cell, &row->layer->outputs[0].shape);
}

static void append_number(struct buffer *cell, double number)
{
    char text[TERMINAL_NUMBER];
    buffer_append_text(cell, terminal_aligned_number(number, text));
}

static void cell_mean(const struct row *row, struct buffer *cell)
{
    const struct stability_statistics *value = row->layer->outputs[0].value;
    if (value != NULL) {
        append_number(cell, value->all.mean);
    }
}

static void cell_std(const struct row *row, struct buffer *cell)
{
    const struct stability_statistics *value = row->layer->outputs[0].value;
    if (value != NULL) {
        append_number(cell, value->all.std);
    }
}

static void cell_output_gradient(const struct row *row, struct buffer *cell)
{
    const struct stability_statistics *gradient = row->layer->outputs[0].gradient;
    if (gradient != NULL) {
        append_number(cell, gradient->all.norm);
    }
}

static void cell_parameter_gradient(const struct row *row, struct buffer *cell)
{
    double norm;
    if (phrase_parameter_gradient(row->layer, &norm)) {
        append_number(cell, norm);
    }
}

/* As many labels as fit, then how many more there are: "E1 W2 +3". */
static void cell_flags(const struct row *row, struct buffer *cell)
{
    for (size_t i = 0; i < row->reference_count; i++) {
        size_t before = cell->length;
        size_t left = row->reference_count - i - 1;
        buffer_append_text(cell, i > 0 ? " " : "");
        reference_label(cell, row->report->findings, row->references[i].finding);
        size_t more_width = left > 0 ? (size_t)snprintf(NULL, 0, " +%zu", left) : 0;
        if (i > 0 && cell->length + more_width > FLAGS_WIDTH) {
            buffer_truncate(cell, before);
            buffer_format(cell, " +%zu", left + 1);
            return;
        }
    }
}

/* The widths besides the first column's and the gaps add up to 92: the first always has room. */
static const struct column {
    const char *headings[2];
    bool numeric;   /* aligned right; "-" where there is none */
    size_t maximum; /* columns of a terminal */
    int order;      /* in which columns are left out on a narrow terminal; 0: never */
    void (*cell)(const struct row *row, struct buffer *cell);
} columns[] = {
    {{"", "layer"}, false, 32, 0, cell_name},
    {{"", "type"}, false, 12, 3, cell_type},
    {{"output", "shape"}, false, 16, 2, cell_shape},
    {{"output", "mean"}, true, 10, 1, cell_mean},
    {{"output", "std"}, true, 9, 4, cell_std},
    {{"output", "|gradient|"}, true, 10, 0, cell_output_gradient},
    {{"parameter", "|gradient|"}, true, 10, 0, cell_parameter_gradient},
    {{"", "flags"}, false, FLAGS_WIDTH, 0, cell_flags},
};

enum { COLUMN_COUNT = sizeof columns / sizeof columns[0], LAST_ORDER = 4 };

struct table {
    struct buffer cell; /* the text of one cell at a time */
    struct references references;
    size_t widths[COLUMN_COUNT]; /* 0: left out */
    size_t prefix;               /* as in struct row */
};

static void make_cell(struct table *table, size_t column, const struct row *row)
{
    buffer_truncate(&table->cell, 0);
    columns[column].cell(row, &table->cell);
    if (columns[column].numeric && table->cell.length == 0) {
        buffer_append_text(&table->cell, "-");
    }
}

static struct row make_row(const struct table *table, const struct stability_report *report, size_t index)
{
    struct row row = {.prefix = table->prefix, .report = report, .layer = &report->layers[index]};
    row.references = references_of(&table->references, row.layer->name, &row.reference_count);
    return row;
}

/* Columns of the terminal that the others leave for the first, 0 where they need all. */
static size_t room_for_names(const struct table *table)
{
    size_t others = 0;
    for (size_t column = 1; column < COLUMN_COUNT; column++) {
        others += table->widths[column] > 0 ? table->widths[column] + COLUMN_GAP : 0;
    }
    return others < terminal_width() ? terminal_width() - others : 0;
}

static void leave_out(struct table *table, int order)
{
    for (size_t column = 0; column < COLUMN_COUNT; column++) {
        table->widths[column] = columns[column].order == order ? 0 : table->widths[column];
    }
}

/* What all names begin with, up to a dot or slash; 0 where that is no longer than what stands in its place.
 */
static size_t common_prefix(const struct stability_report *report)
{
    size_t length = strlen(report->layers[0].name);
    for (size_t i = 1; i < report->layer_count; i++) {
        size_t same = 0;
        while (same < length && report->layers[i].name[same] == report->layers[0].name[same]) {
            same++;
        }
        length = same;
    }
    while (length > 0 && strchr("./", report->layers[0].name[length - 1]) == NULL) {
        length--;
    }
    return report->layer_count > 1 && length > strlen("...") ? length : 0;
}

/* Makes a column as wide as its headings and cells, up to its maximum; returns what the widest asks for. */
static size_t measure_column(struct table *table, size_t column, const struct stability_report *report)
{
    size_t widest = 0;
    for (size_t line = 0; line < 2; line++) {
        size_t width = strlen(columns[column].headings[line]);
        widest = width > widest ? width : widest;
    }
    for (size_t i = 0; i < report->layer_count; i++) {
        struct row row = make_row(table, report, i);
        make_cell(table, column, &row);
        size_t width = terminal_columns(table->cell.data, table->cell.length);
        widest = width > widest ? width : widest;
    }
    table->widths[column] = widest < columns[column].maximum ? widest : columns[column].maximum;
    return widest;
}

static void measure(struct table *table, const struct stability_report *report)
{
    size_t longest = measure_column(table, 0, report);
    for (size_t column = 1; column < COLUMN_COUNT; column++) {
        measure_column(table, column, report);
    }
    size_t room = room_for_names(table);
    size_t wanted = table->widths[0] < ROOM_FOR_NAMES ? table->widths[0] : ROOM_FOR_NAMES;
    for (int order = 1; terminal_width() < TERMINAL_WIDTH && room < wanted && order <= LAST_ORDER; order++) {
        leave_out(table, order);
        room = room_for_names(table);
    }
    if (longest > columns[0].maximum || longest > room) {
        table->prefix = common_prefix(report);
        measure_column(table, 0, report);
    }
    table->widths[0] = table->widths[0] < room ? table->widths[0] : room;
}

static void print_cell(struct buffer *out, const struct table *table, size_t column, const char *text,
                       size_t length)
{
    size_t width = table->widths[column];
    size_t taken = terminal_columns(text, length);
    if (width == 0) {
        return;
    }
    if (columns[column].numeric && taken < width) {
        buffer_fill(out, ' ', width - taken);
    }
    taken = terminal_fit(out, text, length, width);
    if (!columns[column].numeric) {
        buffer_fill(out, ' ', width - taken);
    }
    buffer_fill(out, ' ', COLUMN_GAP);
}

/* Ends a line, without the blanks that its last cells were padded with. */
static void end_line(struct buffer *out)
{
    size_t length = out->length;
    while (length > 0 && out->data[length - 1] == ' ') {
        length--;
    }
    buffer_truncate(out, length);
    buffer_append(out, "\n", 1);
}

static void print_headings(struct buffer *out, const struct table *table)
{
    for (size_t line = 0; line < 2; line++) {
        for (size_t column = 0; column < COLUMN_COUNT; column++) {
            const char *heading = columns[column].headings[line];
            print_cell(out, table, column, heading, strlen(heading));
        }
        end_line(out);
    }
    for (size_t column = 0; column < COLUMN_COUNT; column++) {
        buffer_fill(out, '-', table->widths[column]);
        buffer_fill(out, ' ', table->widths[column] > 0 ? COLUMN_GAP : 0);
    }
    end_line(out);
}

static void print_row(struct buffer *out, struct table *table, const struct row *row)
{
    for (size_t column = 0; column < COLUMN_COUNT; column++) {
        make_cell(table, column, row);
        print_cell(out, table, column, table->cell.data, table->cell.length);
    }
    end_line(out);
}

void text_layers(struct buffer *buffer, const struct stability_report *report)
{
    struct table table = {0};
    references_collect(&table.references, report);
    measure(&table, report);
    print_headings(buffer, &table);
    for (size_t i = 0; i < report->layer_count; i++) {
        struct row row = make_row(&table, report, i);
        print_row(buffer, &table, &row);
    }
    buffer->failed = buffer->failed || table.cell.failed || table.references.storage.failed;
    buffer_free(&table.cell);
    buffer_free(&table.references.storage);
}
