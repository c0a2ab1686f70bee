#include "server/http/body.h"

#include "server/input/arrival.h"

/* JSON that a handler of this process will parse, as it is and of a length that is known, can be read as it
 * comes: its memory does not move. */
static bool is_read_on_arrival(const struct exchange *exchange)
{
    return exchange->body_length > 0 && (exchange->route->traits & ROUTE_HEAVY) &&
           exchange->encoding == ENCODING_IDENTITY && exchange->boundary[0] == '\0' &&
           !exchange->request.async;
}

static void read_on(struct exchange *exchange, bool first)
{
    const struct buffer *buffer = &exchange->body.buffer;
    const struct service *service = exchange->request.service;
    if (first && is_read_on_arrival(exchange)) {
        exchange->arrival = input_arrival_new(buffer->data, (size_t)exchange->body_length, &service->limits,
                                              exchange->body.memory);
    }
    if (exchange->arrival != NULL) {
        input_arrival_read(exchange->arrival, buffer->length);
    }
}

static void forget_arrival(struct exchange *exchange)
{
    input_arrival_free(exchange->arrival);
    exchange->arrival = NULL;
}

/* Where memory is short, what was read ahead makes room for the bytes. */
static bool hold(struct exchange *exchange, const char *bytes, size_t count)
{
    if (exchange->arrival != NULL) {
        struct stability_error first = {0};
        if (held_append(&exchange->body, bytes, count, exchange->body_length, &first)) {
            return true;
        }
        forget_arrival(exchange);
    }
    return held_append(&exchange->body, bytes, count, exchange->body_length, &exchange->error);
}

bool body_take(struct exchange *exchange, const char *bytes, size_t count)
{
    int64_t limit = exchange->request.service->config->max_body;
    bool first = exchange->received == 0;
    exchange->received += (int64_t)count;
    if (exchange->received > limit) {
        return stability_fail(&exchange->error, STABILITY_ERROR_BODY_TOO_LARGE, NULL,
                              "the body has at least %lld bytes, and the limit is %lld",
                              (long long)exchange->received, (long long)limit);
    }
    if (!(exchange->route->traits & ROUTE_BODY)) {
        return true;
    }
    if (!hold(exchange, bytes, count)) {
        return false;
    }
    read_on(exchange, first);
    return true;
}

void body_release(struct exchange *exchange)
{
    forget_arrival(exchange);
    held_release(&exchange->body);
}
