/* Jobs: requests that are worked on later, by this process or by another one with the same store. */
#ifndef SERVER_JOBS_JOBS_H
#define SERVER_JOBS_JOBS_H

#include "server/http/stream.h"
#include "server/service.h"

/* A piece of a job's work, as the function that does it sees it. */
struct job_task {
    struct job_claim *claim;       /* what is asked; may be changed, but id and attempt */
    double deadline;               /* clock_seconds(), but for: */
    const double *waited;          /* seconds that the work was made to wait, which grow */
    bool (*wanted)(void *context); /* false: the job was cancelled, or is done elsewhere */
    /* Told between steps, by one thread at a time; may make it wait. */
    void (*progress)(void *context, const char *stage, int64_t done, int64_t total);
    void *context;
};

/* What came of it; the texts are its own, released by job_outcome_free. */
struct job_outcome {
    int status;     /* 200: `result` is a packed report; else it is a problem document */
    bool stopped;   /* it was not wanted any more: there is nothing */
    bool postponed; /* there was no memory for it: later there may be */
    struct buffer result;
    bool save; /* the report is to be kept, as: */
    struct buffer name;
    struct buffer model; /* no data: it has none */
    const char *kind;    /* static */
    const char *verdict; /* static */
};
void job_outcome_free(struct job_outcome *outcome);

struct jobs;

/* Starts threads that take jobs from the service's store and have them done by `work`,
 * as guests of the service's pool. NULL on error. */
struct jobs *jobs_new(struct service *service,
                      void (*work)(struct service *service, struct job_task *task,
                                   struct job_outcome *outcome),
                      struct stability_error *error);

/* There is a new job. */
void jobs_wake(struct jobs *jobs);
/* A job was cancelled: whoever works on it here stops soon. */
void jobs_cancel(struct jobs *jobs, const char *id);
/* How far a job is that is worked on here: later news than the store's. Else leaves `progress` as it is. */
void jobs_progress(struct jobs *jobs, const char *id, struct job_progress *progress);
/* Sends a job's state and progress to a stream, as server-sent events, until the job ends. False with
 * QUEUE_FULL or OUT_OF_MEMORY, and nothing is taken. */
bool jobs_follow(struct jobs *jobs, const char *id, struct http_stream *stream,
                 struct stability_error *error);

/* How many jobs are worked on here, and how many were queued in the whole store a moment ago. */
int jobs_running(struct jobs *jobs);
int64_t jobs_queued(const struct jobs *jobs);

/* Takes no further jobs, stops the work and hands back the jobs that are under way, ends all streams. NULL is
 * fine, and a second time. */
void jobs_stop(struct jobs *jobs);
/* Stops them first where that was not done. NULL is fine. */
void jobs_free(struct jobs *jobs);

#endif
