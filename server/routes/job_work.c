#include "server/routes/job_work.h"

#include "server/input/held.h"
#include "server/problem.h"
#include "server/routes/diagnose.h"
#include "server/routes/routes.h"

#include <stdlib.h>

static void fail(struct job_outcome *outcome, const struct stability_error *error,
                 const struct input_position *position)
{
    outcome->status = stability_code_status(error->code);
    outcome->postponed = error->code == STABILITY_ERROR_OUT_OF_MEMORY;
    problem_write(error, position, NULL, &outcome->result);
}

/* Moves what the diagnosis made to the outcome. */
static void take_report(struct job_outcome *outcome, const struct http_request *request,
                        enum input_purpose purpose, struct diagnosis *diagnosis)
{
    outcome->status = 200;
    outcome->result = diagnosis->bundle;
    outcome->model = diagnosis->model;
    outcome->verdict = diagnosis->verdict;
    outcome->kind = diagnose_kind(purpose);
    outcome->save = request->save != NULL;
    if (outcome->save) {
        buffer_append_text(&outcome->name, request->save);
    }
    diagnosis->bundle = (struct buffer){0};
    diagnosis->model = (struct buffer){0};
}

static void run(const struct http_request *request, enum input_purpose purpose, struct job_outcome *outcome)
{
    struct diagnosis diagnosis = {0};
    if (diagnose_request(request, purpose, true, &diagnosis)) {
        take_report(outcome, request, purpose, &diagnosis);
    } else {
        outcome->stopped = diagnosis.error.code == STABILITY_ERROR_CANCELLED;
        fail(outcome, &diagnosis.error, &diagnosis.position);
    }
    diagnosis_free(&diagnosis);
}

/* The query was good when the job came in; another version of the program may see it differently now. */
static const struct route *read_target(const struct http_target *target, struct http_request *request,
                                       struct stability_error *error)
{
    struct http_response unused = {0};
    const struct route *route = route_find("POST", target->path, &unused, error);
    if (route == NULL || !route_parameters(route, target, request, error)) {
        return NULL;
    }
    if (request->choice.format == NULL) {
        request->choice.format = format_at(0);
    }
    return route;
}

/* Decoded bytes are taken from the budget; those that came are there already. */
static bool decode(struct service *service, struct job_claim *claim, struct held_bytes *held,
                   struct stability_error *error)
{
    held->buffer = claim->body;
    claim->body = (struct buffer){0};
    return held_decode(held, (enum encoding)claim->encoding, service->config->max_body, error);
}

void job_work(struct service *service, struct job_task *task, struct job_outcome *outcome)
{
    static char empty[1];
    struct job_claim *claim = task->claim;
    struct stability_error error = {0};
    struct held_bytes held = {.memory = &service->memory};
    struct http_request request = {
        .service = service,
        .client = claim->client,
        .boundary = claim->boundary.length > 0 ? claim->boundary.data : NULL,
        .deadline = task->deadline,
        .waited = task->waited,
        .guest = true,
        .wanted = task->wanted,
        .progress = task->progress,
        .context = task->context,
    };
    struct http_target *target = http_target_new(claim->target.data, &error);
    const struct route *route = target == NULL ? NULL : read_target(target, &request, &error);
    if (route != NULL && decode(service, claim, &held, &error)) {
        request.body = held.buffer.data == NULL ? empty : held.buffer.data;
        request.body_length = held.buffer.length;
        run(&request, route->handle == route_gradcheck ? INPUT_GRADCHECK : INPUT_DIAGNOSE, outcome);
    } else {
        fail(outcome, &error, NULL);
    }
    held_release(&held);
    free(target);
}
