#include "server/output/results.h"

#include "server/output/phrases.h"
#include "server/output/terminal.h"

#include <inttypes.h>
#include <string.h>

#define FIRST_ITEMS 6
#define LAST_ITEMS 2

/* ---- values ---- */

static bool is_scalar(const struct stability_result *value)
{
    return value->kind != STABILITY_RESULT_LIST && value->kind != STABILITY_RESULT_OBJECT;
}

static size_t count_items(const struct stability_result *list)
{
    size_t count = 0;
    for (const struct stability_result *item = list->children; item != NULL; item = item->next) {
        count++;
    }
    return count;
}

bool result_is_table(const struct stability_result *value)
{
    return value->kind == STABILITY_RESULT_LIST && value->children != NULL &&
           value->children->kind == STABILITY_RESULT_OBJECT;
}

static void phrase_scalar(struct buffer *buffer, const struct stability_result *value)
{
    switch (value->kind) {
    case STABILITY_RESULT_NUMBER:
        phrase_number(buffer, value->number);
        break;
    case STABILITY_RESULT_INTEGER:
        buffer_format(buffer, "%" PRId64, value->integer);
        break;
    case STABILITY_RESULT_BOOLEAN:
        buffer_append_text(buffer, value->boolean ? "yes" : "no");
        break;
    case STABILITY_RESULT_TEXT:
        terminal_escape(buffer, value->text);
        break;
    default:
        buffer_append_text(buffer, "-");
        break;
    }
}

static void phrase_list(struct buffer *buffer, const struct stability_result *list)
{
    size_t count = count_items(list), index = 0;
    bool whole = count <= FIRST_ITEMS + LAST_ITEMS;
    for (const struct stability_result *item = list->children; item != NULL; item = item->next, index++) {
        if (!whole && index == FIRST_ITEMS) {
            buffer_append_text(buffer, ", ...");
        } else if (whole || index < FIRST_ITEMS || index >= count - LAST_ITEMS) {
            buffer_append_text(buffer, index == 0 ? "" : !whole && index == count - LAST_ITEMS ? " " : ", ");
            phrase_scalar(buffer, item);
        }
    }
    if (!whole) {
        buffer_format(buffer, " (%zu values)", count);
    }
}

void result_phrase(struct buffer *buffer, const struct stability_result *value)
{
    if (is_scalar(value)) {
        phrase_scalar(buffer, value);
    } else if (value->children == NULL) {
        buffer_append_text(buffer, "none");
    } else if (value->kind == STABILITY_RESULT_LIST && is_scalar(value->children)) {
        phrase_list(buffer, value);
    } else {
        phrase_count(buffer, (int64_t)count_items(value), "item");
    }
}

/* ---- members ---- */

struct path {
    struct buffer name;
    void (*visit)(void *context, const char *name, const struct stability_result *value);
    void *context;
};

/* Results are as deep as analyses make them: a handful of levels. */
static void visit_members(struct path *path, const struct stability_result *object)
{
    size_t start = path->name.length;
    for (const struct stability_result *member = object->children; member != NULL; member = member->next) {
        buffer_truncate(&path->name, start);
        buffer_append_text(&path->name, start > 0 ? "." : "");
        buffer_append_text(&path->name, member->name);
        if (member->kind == STABILITY_RESULT_OBJECT && member->children != NULL) {
            visit_members(path, member);
        } else if (!path->name.failed) {
            path->visit(path->context, path->name.data != NULL ? path->name.data : "", member);
        }
    }
    buffer_truncate(&path->name, start);
}

bool results_visit(const struct stability_result *object,
                   void (*visit)(void *context, const char *name, const struct stability_result *value),
                   void *context)
{
    struct path path = {.visit = visit, .context = context};
    visit_members(&path, object);
    bool done = !path.name.failed;
    buffer_free(&path.name);
    return done;
}

struct selection {
    bool tables;
    void (*visit)(void *context, const char *name, const struct stability_result *value);
    void *context;
};

static void visit_selected(void *context, const char *name, const struct stability_result *value)
{
    const struct selection *selection = context;
    if (result_is_table(value) == selection->tables) {
        selection->visit(selection->context, name, value);
    }
}

bool results_visit_kind(const struct stability_result *object, bool tables,
                        void (*visit)(void *context, const char *name, const struct stability_result *value),
                        void *context)
{
    struct selection selection = {tables, visit, context};
    return results_visit(object, visit_selected, &selection);
}

/* ---- tables ---- */

static size_t *offset_at(const struct results_table *table, size_t row, size_t column)
{
    return (size_t *)(void *)table->offsets.data + row * table->column_count + column;
}

const char *results_table_cell(const struct results_table *table, size_t row, size_t column)
{
    return table->storage.data + *offset_at(table, row, column);
}

static void add_column(void *context, const char *name, const struct stability_result *value)
{
    struct results_table *table = context;
    (void)value;
    for (size_t i = 0; i < table->column_count && !table->offsets.failed; i++) {
        if (strcmp(results_table_cell(table, 0, i), name) == 0) {
            return;
        }
    }
    size_t offset = table->storage.length;
    buffer_append(&table->offsets, &offset, sizeof offset);
    buffer_append(&table->storage, name, strlen(name) + 1);
    table->column_count += !table->offsets.failed && !table->storage.failed;
}

struct row {
    struct results_table *table;
    size_t index;
};

static void fill_cell(void *context, const char *name, const struct stability_result *value)
{
    const struct row *row = context;
    struct results_table *table = row->table;
    for (size_t i = 0; i < table->column_count; i++) {
        if (strcmp(results_table_cell(table, 0, i), name) == 0) {
            *offset_at(table, row->index, i) = table->storage.length;
            result_phrase(&table->storage, value);
            buffer_append(&table->storage, "", 1);
            if (table->storage.failed) {
                *offset_at(table, row->index, i) = 0;
            }
        }
    }
}

/* A row of cells that all hold "-" so far. */
static bool add_row(struct results_table *table, size_t dash)
{
    for (size_t i = 0; i < table->column_count; i++) {
        buffer_append(&table->offsets, &dash, sizeof dash);
    }
    return !table->offsets.failed;
}

static bool fill_rows(struct results_table *table, const struct stability_result *list, size_t most_rows)
{
    size_t dash = table->storage.length;
    buffer_append(&table->storage, "-", 2);
    const struct stability_result *item = list->children;
    for (; item != NULL && table->row_count < most_rows; item = item->next) {
        if (table->storage.failed || !add_row(table, dash)) {
            return false;
        }
        struct row row = {table, ++table->row_count};
        if (!results_visit(item, fill_cell, &row)) {
            return false;
        }
    }
    for (; item != NULL; item = item->next) {
        table->left_out++;
    }
    return !table->storage.failed;
}

size_t results_table_width(const struct results_table *table, size_t column)
{
    size_t width = 0;
    for (size_t row = 0; row <= table->row_count; row++) {
        const char *cell = results_table_cell(table, row, column);
        size_t columns = terminal_columns(cell, strlen(cell));
        width = columns > width ? columns : width;
    }
    return width;
}

bool results_table_make(struct results_table *table, const struct stability_result *list, size_t most_rows)
{
    size_t seen = 0;
    for (const struct stability_result *item = list->children; item != NULL && seen < most_rows;
         item = item->next, seen++) {
        if (!results_visit(item, add_column, table)) {
            table->storage.failed = true;
        }
    }
    if (table->offsets.failed || table->storage.failed || !fill_rows(table, list, most_rows)) {
        results_table_free(table);
        return false;
    }
    for (size_t i = 0; i < table->column_count; i++) {
        table->width += results_table_width(table, i) + (i > 0 ? 2 : 0);
    }
    return true;
}

void results_table_free(struct results_table *table)
{
    buffer_free(&table->storage);
    buffer_free(&table->offsets);
    *table = (struct results_table){0};
}

/* ---- analyses ---- */

void results_each(const struct stability_report *report,
                  void (*visit)(void *context, const struct stability_result *analysis), void *context)
{
    for (size_t i = 0; i < report->asked_count; i++) {
        const struct stability_result *analysis = stability_result_member(report->analyses, report->asked[i]);
        if (analysis != NULL) {
            visit(context, analysis);
        }
    }
}
