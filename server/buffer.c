#include "server/buffer.h"

#include <stability/tensor.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST_CAPACITY 256
#define USUAL_LINE 128 /* bytes that are formatted at once */

static size_t grown_capacity(size_t capacity, size_t needed)
{
    size_t doubled = capacity > SIZE_MAX / 2 ? SIZE_MAX : capacity * 2;
    size_t grown = doubled > needed ? doubled : needed;
    return grown > SMALLEST_CAPACITY ? grown : SMALLEST_CAPACITY;
}

bool buffer_grow(struct buffer *buffer, size_t count)
{
    if (buffer->failed) {
        return false;
    }
    if (count >= SIZE_MAX - buffer->length) {
        buffer->failed = true;
        return false;
    }
    size_t capacity = grown_capacity(buffer->capacity, buffer->length + count + 1);
    char *data = realloc(buffer->data, capacity);
    if (data == NULL) {
        buffer->failed = true;
        return false;
    }
    stability_prefer_huge_pages(data, capacity);
    data[buffer->length] = '\0';
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t count)
{
    if (count == 0 || !buffer_reserve(buffer, count)) {
        return;
    }
    memcpy(buffer->data + buffer->length, bytes, count);
    buffer->length += count;
    buffer->data[buffer->length] = '\0';
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_fill(struct buffer *buffer, char byte, size_t count)
{
    if (count == 0 || !buffer_reserve(buffer, count)) {
        return;
    }
    memset(buffer->data + buffer->length, byte, count);
    buffer->length += count;
    buffer->data[buffer->length] = '\0';
}

void buffer_format_v(struct buffer *buffer, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    if (buffer_reserve(buffer, USUAL_LINE)) {
        size_t room = buffer->capacity - buffer->length;
        int count = vsnprintf(buffer->data + buffer->length, room, format, arguments);
        if (count < 0) {
            buffer->failed = true;
        } else if ((size_t)count < room) {
            buffer->length += (size_t)count;
        } else if (buffer_reserve(buffer, (size_t)count)) {
            vsnprintf(buffer->data + buffer->length, (size_t)count + 1, format, again);
            buffer->length += (size_t)count;
        }
    }
    va_end(again);
}

void buffer_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    buffer_format_v(buffer, format, arguments);
    va_end(arguments);
}

void buffer_truncate(struct buffer *buffer, size_t length)
{
    buffer->length = length;
    if (buffer->data != NULL) {
        buffer->data[length] = '\0';
    }
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}
