#include "server/jobs/view.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

const char *time_text(double seconds, char text[TIME_TEXT_SIZE])
{
    double whole = floor(seconds);
    time_t time = (time_t)whole;
    struct tm parts;
    char date[TIME_TEXT_SIZE - 8];
    gmtime_r(&time, &parts);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, TIME_TEXT_SIZE, "%s.%03dZ", date, (int)((seconds - whole) * 1000) % 1000);
    return text;
}

static void member_time(struct json_writer *json, const char *key, double seconds)
{
    char text[TIME_TEXT_SIZE];
    json_member_text(json, key, seconds > 0 ? time_text(seconds, text) : NULL);
}

static void member_link(struct json_writer *json, const char *key, const char *format, const char *id)
{
    char link[64];
    snprintf(link, sizeof(link), format, id);
    json_member_text(json, key, link);
}

static void member_links(struct json_writer *json, const struct job_view *view)
{
    if (view->state == JOB_SUCCEEDED || view->state == JOB_FAILED) {
        member_link(json, "result", "/v1/jobs/%s/result", view->id);
    }
    if (view->saved) {
        member_link(json, "report", "/v1/reports/%s", view->id);
    }
}

static void member_problem(struct json_writer *json, const struct buffer *problem)
{
    size_t length = problem == NULL ? 0 : problem->length;
    while (length > 0 && problem->data[length - 1] == '\n') {
        length--;
    }
    if (length > 0) {
        json_key(json, "error");
        buffer_append(json->buffer, problem->data, length);
        json->separate = true;
    }
}

void job_view_write(struct json_writer *json, const struct job_view *view, const struct buffer *problem)
{
    json_begin_object(json);
    json_member_text(json, "id", view->id);
    json_member_text(json, "state", job_state_name(view->state));
    json_member_text(json, "route", view->route);
    json_key(json, "progress");
    json_begin_object(json);
    json_member_text(json, "stage", view->progress.stage);
    json_member_integer(json, "done", view->progress.done);
    json_member_integer(json, "total", view->progress.total);
    json_end_object(json);
    json_member_integer(json, "attempt", view->attempt);
    member_time(json, "created", view->created);
    member_time(json, "started", view->started);
    member_time(json, "finished", view->finished);
    member_links(json, view);
    if (view->state == JOB_FAILED) {
        json_member_integer(json, "status", view->status);
        member_problem(json, problem);
    }
    json_end_object(json);
}
