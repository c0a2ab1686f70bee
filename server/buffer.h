/* Growable bytes, the destination of everything that the server writes. */
#ifndef SERVER_BUFFER_H
#define SERVER_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* Starts as `struct buffer text = {0}`. A failed allocation sets `failed`: what was there stays, later
 * appends do nothing, so that a writer appends freely and its caller checks once at the end. Where `data` is
 * not NULL, data[length] is a NUL that `length` does not count. */
struct buffer {
    char *data; /* owned; released by buffer_free */
    size_t length;
    size_t capacity;
    bool failed;
};

/* Makes room for `count` further bytes and the NUL. False, with `failed` set, where memory does not suffice.
 */
static inline bool buffer_reserve(struct buffer *buffer, size_t count);
/* Appends `count` bytes, which may hold NULs and must not lie in the buffer itself. */
void buffer_append(struct buffer *buffer, const void *bytes, size_t count);
/* Appends a NUL-terminated text. */
void buffer_append_text(struct buffer *buffer, const char *text);
/* Appends `byte` `count` times. */
void buffer_fill(struct buffer *buffer, char byte, size_t count);
/* Appends what printf would print; fractions follow the process's locale: json_writer.h has doubles without.
 */
void buffer_format(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_format_v(struct buffer *buffer, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
/* Cuts the text down to `length` bytes, not more than there are, and keeps the memory; `failed` stays as it
 * is. */
void buffer_truncate(struct buffer *buffer, size_t length);
/* Releases the memory; the buffer is then empty, and new. */
void buffer_free(struct buffer *buffer);

/* What buffer_reserve does where there is no room yet. */
bool buffer_grow(struct buffer *buffer, size_t count);

static inline bool buffer_reserve(struct buffer *buffer, size_t count)
{
    return (!buffer->failed && count < buffer->capacity - buffer->length) || buffer_grow(buffer, count);
}

#endif
