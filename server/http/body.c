#include "server/http/body.h"

bool body_take(struct exchange *exchange, const char *bytes, size_t count)
{
    int64_t limit = exchange->request.service->config->max_body;
    exchange->received += (int64_t)count;
    if (exchange->received > limit) {
        return stability_fail(&exchange->error, STABILITY_ERROR_BODY_TOO_LARGE, NULL,
                              "the body has at least %lld bytes, and the limit is %lld",
                              (long long)exchange->received, (long long)limit);
    }
    return !(exchange->route->traits & ROUTE_BODY) ||
           held_append(&exchange->body, bytes, count, exchange->body_length, &exchange->error);
}
