#include "server/http/body.h"

#include <stdlib.h>

#define SMALLEST_CAPACITY 65536
#define DECODED_PIECE 65536

static bool fail_without_memory(struct exchange *exchange)
{
    return stability_fail(&exchange->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                          "other requests leave no memory for the body");
}

/* Makes room for `count` further bytes of body: doubling, up to the `most` that it can have; -1: unknown. */
static bool grow_body(struct exchange *exchange, size_t count, int64_t most)
{
    struct buffer *body = &exchange->body;
    size_t needed = body->length + count;
    if (needed < body->capacity) {
        return true;
    }
    size_t capacity = body->capacity * 2 > SMALLEST_CAPACITY ? body->capacity * 2 : SMALLEST_CAPACITY;
    if (most >= 0 && capacity > (size_t)most) {
        capacity = (size_t)most;
    }
    capacity = capacity > needed ? capacity : needed;
    int64_t missing = (int64_t)capacity - exchange->reserved;
    if (!budget_reserve(&exchange->request.service->memory, missing)) {
        return false;
    }
    exchange->reserved += missing;
    return buffer_reserve(body, capacity - body->length);
}

void body_release(struct exchange *exchange)
{
    buffer_free(&exchange->body);
    budget_release(&exchange->request.service->memory, exchange->reserved);
    exchange->reserved = 0;
}

bool body_take(struct exchange *exchange, const char *bytes, size_t count)
{
    int64_t limit = exchange->request.service->config->max_body;
    exchange->received += (int64_t)count;
    if (exchange->received > limit) {
        return stability_fail(&exchange->error, STABILITY_ERROR_BODY_TOO_LARGE, NULL,
                              "the body has at least %lld bytes, and the limit is %lld",
                              (long long)exchange->received, (long long)limit);
    }
    if (!(exchange->route->traits & ROUTE_BODY)) {
        return true;
    }
    if (!grow_body(exchange, count, exchange->body_length)) {
        return fail_without_memory(exchange);
    }
    buffer_append(&exchange->body, bytes, count);
    return true;
}

/* Gives back what the body has more than it needs. */
static void trim_body(struct exchange *exchange)
{
    struct buffer *body = &exchange->body;
    char *data = realloc(body->data, body->length + 1);
    if (data == NULL) {
        return;
    }
    body->data = data;
    body->capacity = body->length + 1;
    budget_release(&exchange->request.service->memory, exchange->reserved - (int64_t)body->capacity);
    exchange->reserved = (int64_t)body->capacity;
}

static bool decode_all(struct exchange *exchange, struct decoder *decoder)
{
    struct buffer *body = &exchange->body;
    size_t count = 1;
    while (count > 0) {
        if (!grow_body(exchange, DECODED_PIECE, -1)) {
            return fail_without_memory(exchange);
        }
        if (!decoder_read(decoder, body->data + body->length, DECODED_PIECE, &count, &exchange->error)) {
            return false;
        }
        body->length += count;
    }
    trim_body(exchange);
    return true;
}

bool body_decode(struct exchange *exchange)
{
    if (exchange->encoding == ENCODING_IDENTITY) {
        return true;
    }
    struct service *service = exchange->request.service;
    struct buffer encoded = exchange->body;
    int64_t reserved = exchange->reserved;
    exchange->body = (struct buffer){0};
    exchange->reserved = 0;
    struct decoder *decoder = decoder_new(exchange->encoding, encoded.data == NULL ? "" : encoded.data,
                                          encoded.length, service->config->max_body, &exchange->error);
    bool done = decoder != NULL && decode_all(exchange, decoder);
    decoder_free(decoder);
    buffer_free(&encoded);
    budget_release(&service->memory, reserved);
    return done;
}
