#include "server/json_writer.h"
#include "server/routes/routes.h"

static void answer(struct http_response *response, const char *status)
{
    struct json_writer json = {.buffer = &response->body};
    response->status = 200;
    response->media_type = "application/json";
    json_begin_object(&json);
    json_member_text(&json, "status", status);
    json_end_object(&json);
    buffer_append_text(&response->body, "\n");
}

void route_livez(const struct http_request *request, struct http_response *response)
{
    (void)request;
    answer(response, "live");
}

void route_readyz(const struct http_request *request, struct http_response *response)
{
    struct service *service = request->service;
    struct stability_error error = {0};
    if (atomic_load(&service->draining)) {
        stability_fail(&error, STABILITY_ERROR_DRAINING, NULL,
                       "the server is shutting down and accepts no new work");
    } else if (pool_is_full(service->pool)) {
        stability_fail(&error, STABILITY_ERROR_QUEUE_FULL, NULL, "the queue of requests is full");
    } else if (!store_is_healthy(service->store)) {
        stability_fail(&error, STABILITY_ERROR_STORE_UNAVAILABLE, NULL, "the store does not answer");
    } else {
        answer(response, "ready");
        return;
    }
    http_response_fail(response, &error, NULL, request->id);
}
