#include "server/store/columns.h"

#include <stdio.h>

void column_bytes(const struct store_value *column, struct buffer *target)
{
    buffer_truncate(target, 0);
    if (column->kind != STORE_NULL) {
        buffer_append(target, column->bytes, column->length);
    }
}

void column_text(const struct store_value *column, char *target, size_t size)
{
    snprintf(target, size, "%s", column->kind == STORE_NULL ? "" : column->bytes);
}

void row_note(void *context, const struct store_value *columns)
{
    (void)columns;
    *(bool *)context = true;
}

bool columns_complete(const struct buffer *buffer, struct stability_error *error)
{
    return !buffer->failed || stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                                             "there is no memory for what the store holds");
}
