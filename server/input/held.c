#include "server/input/held.h"

#include <stability/tensor.h>

#include <stdlib.h>

#define SMALLEST_CAPACITY 65536
#define DECODED_PIECE 65536

/* Takes memory for `bytes` in all from the budget, twice as much as last time, up to the `most` that there
 * can be. */
static bool reserve(struct held_bytes *held, size_t bytes, int64_t most, struct stability_error *error)
{
    struct claim claim = {.budget = held->memory, .bytes = held->reserved};
    int64_t needed = (int64_t)bytes;
    int64_t wanted = held->reserved * 2 > SMALLEST_CAPACITY ? held->reserved * 2 : SMALLEST_CAPACITY;
    if (needed <= held->reserved) {
        return true;
    }
    if (most >= 0 && wanted > most + 1) {
        wanted = most + 1;
    }
    wanted = wanted > needed ? wanted : needed;
    if (!claim_take(&claim, wanted - held->reserved, error)) {
        return false;
    }
    held->reserved = wanted;
    return true;
}

/* Makes room for `count` further bytes and a NUL. Where it is known how many will come in all, the memory is
 * where it stays from the beginning: it is not there before it is written to. */
static bool grow(struct held_bytes *held, size_t count, int64_t most, struct stability_error *error)
{
    struct buffer *buffer = &held->buffer;
    size_t needed = buffer->length + count + 1;
    if (!reserve(held, needed, most, error)) {
        return false;
    }
    if (needed <= buffer->capacity) {
        return true;
    }
    size_t capacity = most >= 0 && (size_t)most + 1 > needed ? (size_t)most + 1 : (size_t)held->reserved;
    char *data = realloc(buffer->data, capacity);
    if (data == NULL) {
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory for the body");
    }
    stability_prefer_huge_pages(data, capacity);
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

bool held_append(struct held_bytes *held, const char *bytes, size_t count, int64_t most,
                 struct stability_error *error)
{
    if (!grow(held, count, most, error)) {
        return false;
    }
    buffer_append(&held->buffer, bytes, count);
    return true;
}

void held_release(struct held_bytes *held)
{
    buffer_free(&held->buffer);
    budget_release(held->memory, held->reserved);
    held->reserved = 0;
}

/* Gives back what is there beyond the bytes. */
static void trim(struct held_bytes *held)
{
    struct buffer *buffer = &held->buffer;
    char *data = realloc(buffer->data, buffer->length + 1);
    if (data == NULL) {
        return;
    }
    buffer->data = data;
    buffer->capacity = buffer->length + 1;
    budget_release(held->memory, held->reserved - (int64_t)buffer->capacity);
    held->reserved = (int64_t)buffer->capacity;
}

static bool decode_all(struct held_bytes *held, struct decoder *decoder, struct stability_error *error)
{
    struct buffer *buffer = &held->buffer;
    size_t count = 1;
    while (count > 0) {
        if (!grow(held, DECODED_PIECE, -1, error) ||
            !decoder_read(decoder, buffer->data + buffer->length, DECODED_PIECE, &count, error)) {
            return false;
        }
        buffer->length += count;
    }
    trim(held);
    return true;
}

bool held_decode(struct held_bytes *held, enum encoding encoding, int64_t limit,
                 struct stability_error *error)
{
    if (encoding == ENCODING_IDENTITY) {
        return true;
    }
    struct held_bytes encoded = *held;
    *held = (struct held_bytes){.memory = encoded.memory};
    struct decoder *decoder = decoder_new(encoding, encoded.buffer.data == NULL ? "" : encoded.buffer.data,
                                          encoded.buffer.length, limit, error);
    bool done = decoder != NULL && decode_all(held, decoder, error);
    decoder_free(decoder);
    held_release(&encoded);
    return done;
}
