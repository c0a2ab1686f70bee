#include "server/routes/diagnose.h"

#include "server/input/container.h"
#include "server/routes/kept.h"
#include "server/routes/routes.h"

const char *diagnose_kind(enum input_purpose purpose)
{
    return purpose == INPUT_GRADCHECK ? "gradcheck" : "diagnose";
}

/* The threads of a gradient check are at places of the pool that nobody else wants. */
static bool enter(void *context)
{
    const struct http_request *request = context;
    return pool_help(request->service->pool, request->guest);
}

static bool stay(void *context)
{
    const struct http_request *request = context;
    return pool_help_on(request->service->pool, request->guest);
}

static void leave(void *context)
{
    const struct http_request *request = context;
    pool_help_no_more(request->service->pool, request->guest);
}

bool diagnose_request(const struct http_request *request, enum input_purpose purpose, bool keep,
                      struct diagnosis *diagnosis)
{
    struct http_request copy = *request;
    const struct stability_helpers helpers = {enter, stay, leave, &copy};
    struct diagnosis_call call = {
        .purpose = purpose,
        .threads = 1 + pool_idle(request->service->pool),
        .helpers = &helpers,
        .choice = request->choice,
        .keep = keep,
        .limits = request->service->limits,
        .metrics = request->service->metrics,
        .memory = &request->service->memory,
        .held = request->held,
        .started = request->received,
        .deadline = request->deadline,
        .most_flops = request->most_flops,
        .waited = request->waited,
        .wanted = request->wanted,
        .progress = request->progress,
        .context = request->context,
    };
    struct report_findings baseline = {0};
    bool done =
        kept_baseline(request, &baseline, &call.choice, &diagnosis->error) &&
        container_open(request->body, request->body_length, request->boundary, &call.body, &diagnosis->error);
    call.body.arrival = request->arrival;
    done = done && diagnosis_run(&call, diagnosis);
    report_findings_free(&baseline);
    return done;
}

/* Keeps the report where the request asks for it. */
static bool save(const struct http_request *request, enum input_purpose purpose,
                 const struct diagnosis *diagnosis, struct http_response *response,
                 struct stability_error *error)
{
    char id[STORE_ID_SIZE];
    const struct report_record record = {
        .id = id,
        .client = request->client,
        .name = request->save,
        .kind = diagnose_kind(purpose),
        .model = diagnosis->model.data,
        .verdict = diagnosis->verdict,
        .report = diagnosis->bundle.data,
        .length = diagnosis->bundle.length,
        .limit = request->service->config->report_limit,
    };
    if (request->save == NULL) {
        return true;
    }
    store_make_id(id);
    http_response_header(response, "Location", "/v1/reports/%s", id);
    return store_add_report(request->service->store, &record, error);
}

static void answer(const struct http_request *request, enum input_purpose purpose,
                   struct http_response *response)
{
    struct diagnosis *diagnosis = request->diagnosis;
    bool done = diagnose_request(request, purpose, request->save != NULL, diagnosis);
    if (diagnosis->prepared != NULL) {
        return;
    }
    if (done && save(request, purpose, diagnosis, response, &diagnosis->error)) {
        response->status = diagnosis->fails ? 412 : 200;
        response->media_type = request->choice.format->media_type;
        response->body = diagnosis->body;
        diagnosis->body = (struct buffer){0};
    } else {
        response->header_count = 0;
        http_response_fail(response, &diagnosis->error, &diagnosis->position, request->id);
    }
    http_response_timing(response, "parse", diagnosis->parse_seconds);
    http_response_timing(response, "compute", diagnosis->compute_seconds);
    http_response_timing(response, "format", diagnosis->format_seconds);
    diagnosis_free(diagnosis);
}

void route_diagnose(const struct http_request *request, struct http_response *response)
{
    answer(request, INPUT_DIAGNOSE, response);
}

void route_gradcheck(const struct http_request *request, struct http_response *response)
{
    answer(request, INPUT_GRADCHECK, response);
}
