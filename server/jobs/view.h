/* A job as GET /v1/jobs/{id} and its events show it. */
#ifndef SERVER_JOBS_VIEW_H
#define SERVER_JOBS_VIEW_H

#include "server/json_writer.h"
#include "server/store/store.h"

/* Writes the job as an object. `problem` (a problem document, of a job that failed) may be NULL. */
void job_view_write(struct json_writer *json, const struct job_view *view, const struct buffer *problem);

/* "2026-01-31T12:34:56.789Z"; `seconds` since 1970. */
#define TIME_TEXT_SIZE 32
const char *time_text(double seconds, char text[TIME_TEXT_SIZE]);

#endif
