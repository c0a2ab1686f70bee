#include "server/http/body.h"

#define SMALLEST_CAPACITY 65536

/* Makes room for `count` further bytes of body: doubling, up to what was announced. */
static bool grow_body(struct exchange *exchange, size_t count)
{
    struct buffer *body = &exchange->body;
    size_t needed = body->length + count;
    if (needed < body->capacity) {
        return true;
    }
    size_t capacity = body->capacity * 2 > SMALLEST_CAPACITY ? body->capacity * 2 : SMALLEST_CAPACITY;
    if (exchange->body_length >= 0 && capacity > (size_t)exchange->body_length) {
        capacity = (size_t)exchange->body_length;
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
    if (!grow_body(exchange, count)) {
        return stability_fail(&exchange->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                              "other requests leave no memory for the body");
    }
    buffer_append(&exchange->body, bytes, count);
    return true;
}
