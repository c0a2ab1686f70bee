#include "server/diagnosis.h"
#include "server/input/container.h"
#include "server/routes/routes.h"

static void answer(const struct http_request *request, enum input_purpose purpose,
                   struct http_response *response)
{
    struct diagnosis_call call = {
        .purpose = purpose,
        .threads = pool_threads(request->service->pool),
        .choice = request->choice,
        .limits = request->service->limits,
        .metrics = request->service->metrics,
        .memory = &request->service->memory,
        .deadline = request->deadline,
        .wanted = request->wanted,
        .context = request->context,
    };
    struct diagnosis diagnosis = {0};
    if (container_open(request->body, request->body_length, request->boundary, &call.body,
                       &diagnosis.error) &&
        diagnosis_run(&call, &diagnosis)) {
        response->status = diagnosis.fails ? 412 : 200;
        response->media_type = request->choice.format->media_type;
        response->body = diagnosis.body;
        diagnosis.body = (struct buffer){0};
    } else {
        http_response_fail(response, &diagnosis.error, &diagnosis.position, request->id);
    }
    http_response_timing(response, "parse", diagnosis.parse_seconds);
    http_response_timing(response, "compute", diagnosis.compute_seconds);
    http_response_timing(response, "format", diagnosis.format_seconds);
    diagnosis_free(&diagnosis);
}

void route_diagnose(const struct http_request *request, struct http_response *response)
{
    answer(request, INPUT_DIAGNOSE, response);
}

void route_gradcheck(const struct http_request *request, struct http_response *response)
{
    answer(request, INPUT_GRADCHECK, response);
}
