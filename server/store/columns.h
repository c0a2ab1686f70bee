/* From columns of rows to what the store gives back. */
#ifndef SERVER_STORE_COLUMNS_H
#define SERVER_STORE_COLUMNS_H

#include "server/store/backend.h"

/* Puts a text or bytes in place of what the buffer holds; NULL leaves it empty. */
void column_bytes(const struct store_value *column, struct buffer *target);
/* Copies a text, cut off where it does not fit. */
void column_text(const struct store_value *column, char *target, size_t size);
/* For a statement whose `context` is a bool: there was a row. */
void row_note(void *context, const struct store_value *columns);
/* False with OUT_OF_MEMORY where the buffer could not take what it got. */
bool columns_complete(const struct buffer *buffer, struct stability_error *error);

/* Within work that has a session already. */
bool store_insert_report(struct store *store, struct store_session *session,
                         const struct report_record *record, struct stability_error *error);

#endif
