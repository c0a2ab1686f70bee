/* What an analysis found, laid out for people: a tree of values flattened to named lines and tables, the same
 * in every format. Names of nested members are joined by dots: "clipping.how". */
#ifndef SERVER_OUTPUT_RESULTS_H
#define SERVER_OUTPUT_RESULTS_H

#include "server/buffer.h"

#include <stability/report.h>

/* Calls with every member of an object that is no object itself, nested ones by their dotted names. False
 * where memory did not suffice. */
bool results_visit(const struct stability_result *object,
                   void (*visit)(void *context, const char *name, const struct stability_result *value),
                   void *context);

/* Whether it is a list of objects, which is shown as a table. */
bool result_is_table(const struct stability_result *value);
/* As results_visit, for those that are tables alone, or for all others: what is no table may come first. */
bool results_visit_kind(const struct stability_result *object, bool tables,
                        void (*visit)(void *context, const char *name, const struct stability_result *value),
                        void *context);

/* Appends anything else as visible text (see terminal_escape): numbers in short, "-" for null, lists as
 * "0.1481, 0.1393, ... 0.0774 (20 values)", "none" for an empty one, what is nested deeper as its length. */
void result_phrase(struct buffer *buffer, const struct stability_result *value);

/* A list of objects, the first rows of it: their members are the columns. Starts zeroed; results_table_free.
 */
struct results_table {
    struct buffer storage; /* texts, one after the other; `failed` tells that memory did not suffice */
    struct buffer offsets; /* of the columns' names, then of each row's cells */
    size_t column_count;
    size_t row_count;
    size_t left_out; /* rows */
    size_t width;    /* columns of a terminal that it takes, two between any two */
};

/* False, with nothing in it, where memory did not suffice. */
bool results_table_make(struct results_table *table, const struct stability_result *list, size_t most_rows);
/* Visible text. Row 0 holds the names of the columns, row_count is the last one. */
const char *results_table_cell(const struct results_table *table, size_t row, size_t column);
/* Columns of a terminal that a column takes. */
size_t results_table_width(const struct results_table *table, size_t column);
void results_table_free(struct results_table *table);

/* The results that the request asks for, one after the other. */
void results_each(const struct stability_report *report,
                  void (*visit)(void *context, const struct stability_result *analysis), void *context);

#endif
