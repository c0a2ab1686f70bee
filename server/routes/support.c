#include "server/openapi/openapi.h"
#include "server/output/describe.h"
#include "server/routes/routes.h"

/* Gives the body that a description was written to, or tells that there was no memory for it. */
static void answer(const struct http_request *request, bool written, struct http_response *response)
{
    response->status = 200;
    response->media_type = "application/json";
    if (!written) {
        struct stability_error error = {0};
        stability_fail(&error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                       "there is no memory to write the description");
        http_response_fail(response, &error, NULL, request->id);
    }
}

void route_layers(const struct http_request *request, struct http_response *response)
{
    answer(request, describe_layers(&response->body), response);
}

void route_losses(const struct http_request *request, struct http_response *response)
{
    answer(request, describe_losses(&response->body), response);
}

void route_rules(const struct http_request *request, struct http_response *response)
{
    answer(request, describe_rules(&response->body), response);
}

void route_openapi(const struct http_request *request, struct http_response *response)
{
    answer(request, openapi_write(&response->body), response);
}

void route_limits(const struct http_request *request, struct http_response *response)
{
    const struct describe_limits limits = {
        .model = request->service->limits,
        .body_bytes = request->service->config->max_body,
        .body_seconds = request->service->config->timeout,
        .work_seconds = request->service->config->timeout,
    };
    answer(request, describe_limits(&limits, &response->body), response);
}
