/* What outlives a request: jobs and saved reports, in SQLite or in PostgreSQL. Functions may be called from
 * several threads at once, and wait for the database; with PostgreSQL several processes share one store.
 *
 * Every function here that can fail does so with STORE_UNAVAILABLE where the database does not answer (trying
 * again helps), with STORE_FULL where it has no room, with OUT_OF_MEMORY, or with INTERNAL. */
#ifndef SERVER_STORE_STORE_H
#define SERVER_STORE_STORE_H

#include "server/buffer.h"

#include <stability/error.h>

#include <stdint.h>

#define STORE_ID_SIZE 33     /* 32 hexadecimal digits and a NUL */
#define STORE_DIGEST_SIZE 65 /* SHA-256 in hexadecimal, and a NUL */
#define STORE_CLIENT_SIZE 65 /* of the name of a client, and a NUL */
#define STORE_TEXT_SIZE 513  /* of names, in bytes: 128 characters of four, and a NUL */
#define STORE_STAGE_SIZE 65  /* of the name of a stage of the work */

/* Jobs and reports belong to a client: the name of a token, or "" where none is needed. Whoever asks for one
 * of another client learns no more than if it were not there. */
struct store;

/* Opens what `url` names and brings its tables up to date: "sqlite:PATH", "sqlite::memory:" (which may take
 * `memory_limit` bytes) or "postgresql://…". NULL on error. */
struct store *store_open(const char *url, int64_t memory_limit, struct stability_error *error);
/* NULL is fine. */
void store_close(struct store *store);

/* Whether the database answered when it was asked last; does not wait. */
bool store_is_healthy(const struct store *store);

/* Fills in an id that nobody else has and nobody guesses. */
void store_make_id(char id[STORE_ID_SIZE]);
/* Whether `text` has the form of an id. */
bool store_is_id(const char *text);

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_SUCCEEDED, JOB_FAILED, JOB_CANCELLED };
const char *job_state_name(enum job_state state);

/* How far the work is: `done` of `total` steps of a stage; all empty before it has begun. */
struct job_progress {
    char stage[STORE_STAGE_SIZE];
    int64_t done;
    int64_t total;
};

/* A job that comes in; all borrowed. */
struct job_request {
    const char *id;
    const char *client;
    const char *target;   /* path and query, as sent */
    const char *boundary; /* of a multipart body, else empty */
    int encoding;         /* enum encoding, of the body */
    const char *body;
    size_t length;
    const char *key;    /* Idempotency-Key, one of its client's; NULL: none */
    const char *digest; /* over all of the above but id, client and key */
};

enum job_added {
    JOB_ADDED_NOT,       /* the error is filled in */
    JOB_ADDED,           /* it is queued */
    JOB_ADDED_BEFORE,    /* there is a job with this key and digest: its id is filled in */
    JOB_ADDED_OTHERWISE, /* there is a job with this key, and another digest */
    JOB_ADDED_FULL       /* as many as may be are queued */
};

/* Queues a job unless `capacity` are queued. `id` gets the id of the job that there now is. */
enum job_added store_add_job(struct store *store, const struct job_request *request, int64_t capacity,
                             char id[STORE_ID_SIZE], struct stability_error *error);

/* A job as its client sees it. Times are seconds since 1970; 0: not yet. */
struct job_view {
    char id[STORE_ID_SIZE];
    enum job_state state;
    char route[STORE_TEXT_SIZE]; /* the target without its query */
    int64_t attempt;             /* that runs or ran; 0: none yet */
    struct job_progress progress;
    double created;
    double started;
    double finished;
    int status; /* of a failed job */
    bool saved; /* there is a report with the same id */
};

/* *found tells whether the client (NULL: anyone) has such a job. */
bool store_find_job(struct store *store, const char *client, const char *id, struct job_view *view,
                    bool *found, struct stability_error *error);

/* The same, with what has come of it: `result` (owned by the caller) gets the packed report of a job that
 * succeeded, the problem document of one that failed, else nothing; `target` its path and query. */
bool store_find_result(struct store *store, const char *id, struct job_view *view, struct buffer *target,
                       struct buffer *result, bool *found, struct stability_error *error);

/* A job that this process has taken on. `attempt` is its fencing token: what is said about the job under an
 * older one has no effect. */
struct job_claim {
    char id[STORE_ID_SIZE];
    char client[STORE_CLIENT_SIZE];
    int64_t attempt;
    int64_t tries; /* how often it was begun, this time included, and neither ended nor handed back */
    int encoding;
    struct buffer target;
    struct buffer boundary;
    struct buffer body;
};

/* Takes the oldest job that is queued, or whose owner's lease has run out, for `lease` seconds. The claim is
 * released by job_claim_free, whatever is returned. Where OUT_OF_MEMORY is told of a job that was *found, the
 * store has it as taken. */
bool store_claim_job(struct store *store, const char *owner, double lease, struct job_claim *claim,
                     bool *found, struct stability_error *error);
void job_claim_free(struct job_claim *claim);

/* Extends the lease and notes the progress. *held is false where the job is no longer this claim's: it was
 * cancelled, or taken over. */
bool store_renew_job(struct store *store, const char *id, int64_t attempt, double lease,
                     const struct job_progress *progress, bool *held, struct stability_error *error);

/* Puts a job back into the queue. */
bool store_return_job(struct store *store, const char *id, int64_t attempt, struct stability_error *error);

/* A report to be kept; all borrowed. */
struct report_record {
    const char *id;
    const char *client;
    const char *name;
    const char *kind;  /* "diagnose", "gradcheck" */
    const char *model; /* NULL: it has no name */
    const char *verdict;
    const char *report; /* packed */
    size_t length;
    int64_t
        limit; /* reports that its client may then have: those go that were saved, or used, before others */
};

/* How a job ends; all borrowed. */
struct job_end {
    const char *id;
    int64_t attempt;
    int status; /* 200: it succeeded, and `result` is a packed report; else a problem document */
    const char *result;
    size_t length;
    const struct job_progress *progress; /* the last */
    const struct report_record
        *record; /* saved in the same transaction, under the id of the job; NULL: none */
};

/* Ends a job. *held as above; where it is false, nothing has changed. */
bool store_finish_job(struct store *store, const struct job_end *end, bool *held,
                      struct stability_error *error);

/* Cancels a job that has not ended. */
bool store_cancel_job(struct store *store, const char *id, struct stability_error *error);

/* How many jobs are queued. */
bool store_count_queued(struct store *store, int64_t *count, struct stability_error *error);

/* Forgets jobs that ended more than `seconds` ago. */
bool store_sweep(struct store *store, double seconds, struct stability_error *error);

bool store_add_report(struct store *store, const struct report_record *record, struct stability_error *error);

/* The packed report, owned by the caller; *found tells whether the client has such a report. */
bool store_find_report(struct store *store, const char *client, const char *id, struct buffer *report,
                       bool *found, struct stability_error *error);

/* Notes that a report was a baseline just now: as if it had been saved just now, it stays with the others. */
bool store_use_report(struct store *store, const char *id, struct stability_error *error);

/* *found tells whether the client had such a report. */
bool store_delete_report(struct store *store, const char *client, const char *id, bool *found,
                         struct stability_error *error);

/* Forgets reports that were saved, and used last, more than `seconds` ago. */
bool store_sweep_reports(struct store *store, double seconds, struct stability_error *error);

struct report_view {
    const char *id;
    const char *name;
    const char *kind;
    const char *model; /* NULL: it has no name */
    const char *verdict;
    double created; /* seconds since 1970 */
};

/* Which reports to list, newest first. */
struct report_query {
    const char *client;
    const char *model; /* NULL: any */
    const char *name;  /* NULL: any */
    const char *after; /* the id of the last one of the page before; NULL: from the newest on */
    int64_t limit;
};

/* Calls `visit` for each; what it gets is valid during the call. */
bool store_list_reports(struct store *store, const struct report_query *query,
                        void (*visit)(void *context, const struct report_view *report), void *context,
                        struct stability_error *error);

#endif
