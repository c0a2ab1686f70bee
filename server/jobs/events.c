#include "server/jobs/events.h"

#include "server/clock.h"
#include "server/jobs/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_FOLLOWERS 256
#define HEARTBEAT_SECONDS \
    10.0 /* so that proxies do not take the stream for dead, nor the server its client */

struct follower {
    struct follower *next;
    struct http_stream *stream;
    char id[STORE_ID_SIZE];
    bool told; /* `state` and `progress` were */
    enum job_state state;
    struct job_progress progress;
    double told_at; /* clock_seconds() */
};

static bool add_follower(struct jobs *jobs, struct follower *follower)
{
    pthread_mutex_lock(&jobs->mutex);
    bool fits = jobs->follower_count < MOST_FOLLOWERS && !atomic_load(&jobs->stopping);
    if (fits) {
        follower->next = jobs->followers;
        jobs->followers = follower;
        jobs->follower_count++;
        pthread_cond_signal(&jobs->ticked);
    }
    pthread_mutex_unlock(&jobs->mutex);
    return fits;
}

bool jobs_follow(struct jobs *jobs, const char *id, struct http_stream *stream, struct stability_error *error)
{
    struct follower *follower = calloc(1, sizeof(*follower));
    if (follower == NULL) {
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory for events");
    }
    follower->stream = stream;
    snprintf(follower->id, sizeof(follower->id), "%s", id);
    if (!add_follower(jobs, follower)) {
        free(follower);
        return stability_fail(error, STABILITY_ERROR_QUEUE_FULL, NULL,
                              "%d clients follow jobs already; GET the job instead", MOST_FOLLOWERS);
    }
    return true;
}

static bool is_final(enum job_state state)
{
    return state >= JOB_SUCCEEDED;
}

static bool has_news(const struct follower *follower, const struct job_view *view)
{
    return !follower->told || follower->state != view->state ||
           follower->progress.done != view->progress.done ||
           follower->progress.total != view->progress.total ||
           strcmp(follower->progress.stage, view->progress.stage) != 0;
}

/* event: state, where it changed; else event: progress. Either has the whole job as its data. */
static bool send_view(struct follower *follower, const struct job_view *view)
{
    struct buffer text = {0};
    struct json_writer json = {.buffer = &text};
    bool changed = !follower->told || follower->state != view->state;
    buffer_format(&text, "event: %s\ndata: ", changed ? "state" : "progress");
    job_view_write(&json, view, NULL);
    buffer_append_text(&text, "\n\n");
    bool sent = !text.failed && http_stream_send(follower->stream, text.data, text.length);
    buffer_free(&text);
    follower->told = true;
    follower->state = view->state;
    follower->progress = view->progress;
    follower->told_at = clock_seconds();
    return sent && !is_final(view->state);
}

static bool send_heartbeat(struct follower *follower)
{
    static const char comment[] = ": still here\n\n";
    if (clock_seconds() < follower->told_at + HEARTBEAT_SECONDS) {
        return true;
    }
    follower->told_at = clock_seconds();
    return http_stream_send(follower->stream, comment, sizeof(comment) - 1);
}

/* False where the stream is to end. While the store does not answer, the stream waits. */
static bool tell(struct jobs *jobs, struct follower *follower)
{
    struct job_view view;
    struct stability_error error = {0};
    bool found;
    if (!store_find_job(jobs->service->store, NULL, follower->id, &view, &found, &error)) {
        return send_heartbeat(follower);
    }
    if (!found) {
        return false;
    }
    if (view.state == JOB_RUNNING) {
        jobs_progress(jobs, follower->id, &view.progress);
    }
    return has_news(follower, &view) ? send_view(follower, &view) : send_heartbeat(follower);
}

/* The keeper alone takes followers away, and looks at what is in them. */
static struct follower *first_follower(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    struct follower *first = jobs->followers;
    pthread_mutex_unlock(&jobs->mutex);
    return first;
}

static void drop(struct jobs *jobs, struct follower *follower)
{
    pthread_mutex_lock(&jobs->mutex);
    struct follower **link = &jobs->followers;
    while (*link != follower) {
        link = &(*link)->next;
    }
    *link = follower->next;
    jobs->follower_count--;
    pthread_mutex_unlock(&jobs->mutex);
    http_stream_end(follower->stream);
    free(follower);
}

void events_tell(struct jobs *jobs)
{
    struct follower *next;
    for (struct follower *follower = first_follower(jobs); follower != NULL; follower = next) {
        next = follower->next;
        if (!tell(jobs, follower)) {
            drop(jobs, follower);
        }
    }
}

void events_end(struct jobs *jobs)
{
    struct follower *follower;
    while ((follower = first_follower(jobs)) != NULL) {
        drop(jobs, follower);
    }
}
