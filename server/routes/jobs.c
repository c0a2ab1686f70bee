#include "server/jobs/jobs.h"

#include "server/jobs/view.h"
#include "server/routes/kept.h"
#include "server/routes/routes.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool find_job(const struct http_request *request, struct job_view *view, struct stability_error *error)
{
    bool found = false;
    struct service *service = request->service;
    *view = (struct job_view){0};
    if (store_is_id(request->resource) &&
        !store_find_job(service->store, request->client, request->resource, view, &found, error)) {
        return false;
    }
    if (found && view->state == JOB_RUNNING) {
        jobs_progress(service->jobs, view->id, &view->progress);
    }
    return found || stability_fail(error, STABILITY_ERROR_NOT_FOUND, NULL,
                                   "there is no job '%s'; one that has ended is kept for %g seconds",
                                   request->resource, service->config->job_keep);
}

static void answer_view(const struct job_view *view, const struct buffer *problem, int status,
                        struct http_response *response)
{
    struct json_writer json = {.buffer = &response->body};
    response->status = status;
    response->media_type = "application/json";
    job_view_write(&json, view, problem);
    buffer_append_text(&response->body, "\n");
}

/* SHA-256 of everything that makes two jobs the same. */
static bool digest_request(const struct http_request *request, char digest[STORE_DIGEST_SIZE],
                           struct stability_error *error)
{
    unsigned char bytes[32];
    gnutls_hash_hd_t hash;
    const char *boundary = request->boundary == NULL ? "" : request->boundary;
    const unsigned char encoding = (unsigned char)request->encoding;
    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) != 0) {
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory for a digest");
    }
    bool done = gnutls_hash(hash, request->target, strlen(request->target) + 1) == 0 &&
                gnutls_hash(hash, boundary, strlen(boundary) + 1) == 0 &&
                gnutls_hash(hash, &encoding, 1) == 0 &&
                gnutls_hash(hash, request->body, request->body_length) == 0;
    gnutls_hash_deinit(hash, bytes);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        snprintf(digest + 2 * i, 3, "%02x", bytes[i]);
    }
    return done || stability_fail(error, STABILITY_ERROR_INTERNAL, NULL, "the digest cannot be computed");
}

static bool fail_addition(const struct http_request *request, enum job_added added,
                          struct stability_error *error)
{
    switch (added) {
    case JOB_ADDED_OTHERWISE:
        return stability_fail(
            error, STABILITY_ERROR_KEY_REUSED, NULL,
            "another request came with the Idempotency-Key '%s'; each key is for one request", request->key);
    case JOB_ADDED_FULL:
        return stability_fail(error, STABILITY_ERROR_QUEUE_FULL, NULL,
                              "%lld jobs are queued, and no more may be",
                              (long long)request->service->config->job_queue);
    default:
        return false;
    }
}

/* Puts the request into the queue; `id` gets the id of its job. */
static bool add_job(const struct http_request *request, char id[STORE_ID_SIZE], struct stability_error *error)
{
    char fresh[STORE_ID_SIZE];
    char digest[STORE_DIGEST_SIZE];
    const struct job_request job = {
        .id = fresh,
        .client = request->client,
        .target = request->target,
        .boundary = request->boundary == NULL ? "" : request->boundary,
        .encoding = (int)request->encoding,
        .body = request->body,
        .length = request->body_length,
        .key = request->key,
        .digest = digest,
    };
    store_make_id(fresh);
    if (!digest_request(request, digest, error)) {
        return false;
    }
    enum job_added added =
        store_add_job(request->service->store, &job, request->service->config->job_queue, id, error);
    return added == JOB_ADDED || added == JOB_ADDED_BEFORE || fail_addition(request, added, error);
}

/* A baseline that does not exist is told at once, not by the job's failure. */
static bool check_baseline(const struct http_request *request, struct stability_error *error)
{
    struct report_findings findings = {0};
    struct report_choice choice = {0};
    bool known = kept_baseline(request, &findings, &choice, error);
    report_findings_free(&findings);
    return known;
}

void route_submit(const struct http_request *request, struct http_response *response)
{
    struct stability_error error = {0};
    struct job_view view;
    char id[STORE_ID_SIZE];
    bool found = false;
    if (!check_baseline(request, &error) || !add_job(request, id, &error) ||
        !store_find_job(request->service->store, request->client, id, &view, &found, &error)) {
        kept_fail(request, &error, response);
        return;
    }
    if (!found) { /* cancelled, and swept away already */
        view = (struct job_view){.state = JOB_CANCELLED};
        snprintf(view.id, sizeof(view.id), "%s", id);
    }
    jobs_wake(request->service->jobs);
    http_response_header(response, "Location", "/v1/jobs/%s", id);
    http_response_header(response, "Preference-Applied", "respond-async");
    answer_view(&view, NULL, 202, response);
}

void route_job(const struct http_request *request, struct http_response *response)
{
    struct stability_error error = {0};
    struct job_view view;
    struct buffer target = {0};
    struct buffer problem = {0};
    bool found = true;
    bool done = find_job(request, &view, &error);
    if (done && view.state == JOB_FAILED) {
        done = store_find_result(request->service->store, view.id, &view, &target, &problem, &found, &error);
    }
    if (done) {
        answer_view(&view, &problem, 200, response);
    } else {
        kept_fail(request, &error, response);
    }
    buffer_free(&target);
    buffer_free(&problem);
}

void route_job_cancel(const struct http_request *request, struct http_response *response)
{
    struct stability_error error = {0};
    struct job_view view;
    if (find_job(request, &view, &error) && store_cancel_job(request->service->store, view.id, &error) &&
        find_job(request, &view, &error)) {
        jobs_cancel(request->service->jobs, view.id);
        if (view.state == JOB_CANCELLED) {
            response->status = 204;
        } else {
            answer_view(&view, NULL, 200, response);
        }
    } else {
        kept_fail(request, &error, response);
    }
}

void route_job_events(const struct http_request *request, struct http_response *response)
{
    struct stability_error error = {0};
    struct job_view view;
    if (!find_job(request, &view, &error)) {
        kept_fail(request, &error, response);
        return;
    }
    response->stream = http_stream_new();
    if (response->stream == NULL) {
        stability_fail(&error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory for events");
        kept_fail(request, &error, response);
        return;
    }
    if (!jobs_follow(request->service->jobs, view.id, response->stream, &error)) {
        http_stream_end(response->stream);
        http_stream_leave(response->stream);
        response->stream = NULL;
        kept_fail(request, &error, response);
        return;
    }
    response->status = 200;
    response->media_type = "text/event-stream";
    http_response_header(response, "Cache-Control", "no-store");
    http_response_header(response, "X-Accel-Buffering", "no");
}

/* What the query of the result leaves open, the query of the job's request decides. */
static bool complete_choice(const struct buffer *target_text, struct http_request *request,
                            struct http_target **target, struct stability_error *error)
{
    struct http_request original = {0};
    struct http_response unused = {0};
    *target = http_target_new(target_text->data, error);
    const struct route *route = *target == NULL ? NULL : route_find("POST", (*target)->path, &unused, error);
    if (route == NULL || !route_parameters(route, *target, &original, error)) {
        return false;
    }
    if (!request->format_named && original.choice.format != NULL) {
        request->choice.format = original.choice.format;
    }
    if (!request->choice.gated) {
        request->choice.gated = original.choice.gated;
        request->choice.fail_on = original.choice.fail_on;
    }
    /* The baseline of the job's own query may be gone by now; the report says what it had. */
    request->choice.compared = request->baseline == NULL && original.baseline != NULL;
    return true;
}

static void answer_report(const struct http_request *given, const struct job_view *view,
                          const struct buffer *target_text, const struct buffer *bundle,
                          struct http_response *response)
{
    struct http_request request = *given;
    struct stability_error error = {0};
    struct report_findings baseline = {0};
    struct http_target *target;
    if (complete_choice(target_text, &request, &target, &error) &&
        kept_baseline(&request, &baseline, &request.choice, &error)) {
        kept_answer(&request, &request.choice, bundle, response);
        if (view->saved) {
            http_response_header(response, "Location", "/v1/reports/%s", view->id);
        }
    } else {
        kept_fail(given, &error, response);
    }
    report_findings_free(&baseline);
    free(target);
}

static void fail_unfinished(const struct job_view *view, struct stability_error *error)
{
    if (view->state == JOB_CANCELLED) {
        stability_fail(error, STABILITY_ERROR_JOB_CANCELLED, NULL, "the job was cancelled: it has no result");
    } else {
        stability_fail(error, STABILITY_ERROR_JOB_NOT_FINISHED, NULL,
                       "the job is %s; its result is there when it has succeeded or failed",
                       job_state_name(view->state));
    }
}

void route_job_result(const struct http_request *request, struct http_response *response)
{
    struct stability_error error = {0};
    struct job_view view;
    struct buffer target = {0};
    struct buffer result = {0};
    bool found = false;
    bool done = find_job(request, &view, &error) &&
                store_find_result(request->service->store, view.id, &view, &target, &result, &found, &error);
    if (!done || view.state == JOB_CANCELLED || view.state < JOB_SUCCEEDED) {
        if (done) {
            fail_unfinished(&view, &error);
        }
        kept_fail(request, &error, response);
    } else if (view.state == JOB_FAILED) {
        response->status = view.status;
        response->media_type = "application/problem+json";
        response->body = result;
        result = (struct buffer){0};
    } else {
        answer_report(request, &view, &target, &result, response);
    }
    buffer_free(&target);
    buffer_free(&result);
}
