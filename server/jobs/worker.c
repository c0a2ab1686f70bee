#define _GNU_SOURCE /* gettid */

#include "server/jobs/worker.h"

#include "server/clock.h"
#include "server/log.h"
#include "server/problem.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define NICENESS 10        /* requests that somebody waits for come first */
#define MOST_ATTEMPTS 1000 /* a job that then still finds no memory fails */
#define MOST_TRIES 5       /* a job that ended its process that often is not begun again */
#define RETRY_SECONDS 0.5  /* between attempts at telling the store what came of a job */

static bool goes_on(void *context)
{
    struct worker *worker = context;
    return !atomic_load(&worker->jobs->stopping);
}

static bool is_wanted(void *context)
{
    struct worker *worker = context;
    return !atomic_load(&worker->unwanted) && !atomic_load(&worker->jobs->stopping);
}

static void note_progress(void *context, const char *stage, int64_t done, int64_t total)
{
    struct worker *worker = context;
    struct job_progress progress = {.done = done, .total = total};
    snprintf(progress.stage, sizeof(progress.stage), "%s", stage);
    pthread_mutex_lock(&worker->jobs->mutex);
    worker->progress = progress;
    pthread_mutex_unlock(&worker->jobs->mutex);
    pool_yield(&worker->guest);
}

static void begin(struct worker *worker, const struct job_claim *claim)
{
    atomic_store(&worker->unwanted, false);
    pthread_mutex_lock(&worker->jobs->mutex);
    worker->busy = true;
    worker->attempt = claim->attempt;
    worker->progress = (struct job_progress){0};
    snprintf(worker->id, sizeof(worker->id), "%s", claim->id);
    pthread_mutex_unlock(&worker->jobs->mutex);
}

static void end(struct worker *worker)
{
    pthread_mutex_lock(&worker->jobs->mutex);
    worker->busy = false;
    pthread_mutex_unlock(&worker->jobs->mutex);
}

void job_outcome_free(struct job_outcome *outcome)
{
    buffer_free(&outcome->result);
    buffer_free(&outcome->name);
    buffer_free(&outcome->model);
}

/* Makes the outcome a problem. */
static void fail(struct job_outcome *outcome, const struct stability_error *error)
{
    job_outcome_free(outcome);
    *outcome = (struct job_outcome){.status = stability_code_status(error->code)};
    problem_write(error, NULL, NULL, &outcome->result);
}

static bool tell_store(struct worker *worker, const struct job_claim *claim,
                       const struct job_outcome *outcome, bool *held, struct stability_error *error)
{
    const struct report_record record = {
        .id = claim->id,
        .client = claim->client,
        .name = outcome->name.data,
        .kind = outcome->kind,
        .model = outcome->model.data,
        .verdict = outcome->verdict,
        .report = outcome->result.data,
        .length = outcome->result.length,
        .limit = worker->jobs->service->config->report_limit,
    };
    struct job_progress progress = {0};
    const struct job_end end = {
        .id = claim->id,
        .attempt = claim->attempt,
        .status = outcome->status,
        .result = outcome->result.data,
        .length = outcome->result.length,
        .progress = &progress,
        .record = outcome->save ? &record : NULL,
    };
    jobs_progress(worker->jobs, claim->id, &progress);
    progress.done = outcome->status == 200 ? progress.total : progress.done;
    return store_finish_job(worker->jobs->service->store, &end, held, error);
}

/* Tells the store until it has understood, the job belongs to another process, or this one stops: then it is
 * done again. Where there is no room for the report, there may be some for saying so. */
static void finish(struct worker *worker, const struct job_claim *claim, struct job_outcome *outcome)
{
    bool held = false;
    struct stability_error error = {0};
    while (!tell_store(worker, claim, outcome, &held, &error)) {
        if (!is_wanted(worker)) {
            return;
        }
        if (error.code != STABILITY_ERROR_STORE_UNAVAILABLE && outcome->status == 200) {
            fail(outcome, &error);
        }
        error = (struct stability_error){0};
        jobs_pause(worker->jobs, RETRY_SECONDS);
    }
    log_message(LOG_info, "job %s: attempt %lld ended with %d%s", claim->id, (long long)claim->attempt,
                outcome->status, held ? "" : ", and another one before it");
}

static void give_back(struct worker *worker, const struct job_claim *claim)
{
    struct stability_error error = {0};
    if (!store_return_job(worker->jobs->service->store, claim->id, claim->attempt, &error)) {
        log_message(LOG_warning, "job %s: it is begun again when its lease has run out: %s", claim->id,
                    error.message);
    }
}

static struct pool_guest guest_of(struct worker *worker, bool (*wanted)(void *context))
{
    return (struct pool_guest){
        .pool = worker->jobs->service->pool,
        .wanted = wanted,
        .context = worker,
    };
}

/* The work itself, at a place of the pool. */
static void compute(struct worker *worker, struct job_claim *claim, struct job_outcome *outcome)
{
    struct service *service = worker->jobs->service;
    worker->guest = guest_of(worker, is_wanted);
    outcome->stopped = !pool_enter(&worker->guest);
    if (outcome->stopped) {
        return;
    }
    worker->guest.waited = 0;
    struct job_task task = {
        .claim = claim,
        .deadline = clock_seconds() + service->config->job_timeout,
        .waited = &worker->guest.waited,
        .wanted = is_wanted,
        .progress = note_progress,
        .context = worker,
    };
    worker->jobs->work(service, &task, outcome);
    pool_leave(&worker->guest);
}

/* False where it is to be done later. */
static bool run_job(struct worker *worker, struct job_claim *claim)
{
    struct job_outcome outcome = {0};
    if (claim->tries > MOST_TRIES) {
        struct stability_error error = {0};
        stability_fail(&error, STABILITY_ERROR_INTERNAL, NULL,
                       "the work was begun %d times, and each time the process that did it ended",
                       MOST_TRIES);
        fail(&outcome, &error);
    } else {
        compute(worker, claim, &outcome);
    }
    bool postponed = outcome.postponed && claim->attempt < MOST_ATTEMPTS;
    if (postponed || (outcome.stopped && atomic_load(&worker->jobs->stopping))) {
        give_back(worker, claim);
    } else if (!outcome.stopped) {
        finish(worker, claim, &outcome);
    }
    job_outcome_free(&outcome);
    return !postponed;
}

/* Does what was claimed, where there is memory for it. */
static bool do_claimed(struct worker *worker, struct job_claim *claim)
{
    struct service *service = worker->jobs->service;
    int64_t bytes = (int64_t)claim->body.length;
    if (!budget_reserve(&service->memory, bytes)) {
        give_back(worker, claim);
        return false;
    }
    jobs_wake(worker->jobs); /* where there was one, there may be two */
    begin(worker, claim);
    bool done = run_job(worker, claim);
    end(worker);
    budget_release(&service->memory, bytes);
    return done;
}

/* Takes a job and does it; false where there is none to do now. */
static bool do_one(struct worker *worker)
{
    struct jobs *jobs = worker->jobs;
    const struct service *service = jobs->service;
    struct job_claim claim;
    struct stability_error error = {0};
    bool found;
    bool done = false;
    struct pool_guest guest = guest_of(worker, goes_on);
    if (!pool_await(&guest)) { /* what others may have time for is left to them */
        return false;
    }
    bool claimed =
        store_claim_job(service->store, jobs->owner, service->config->job_lease, &claim, &found, &error);
    if (claimed && found) {
        done = do_claimed(worker, &claim);
    } else if (found) { /* there was no memory to read it */
        give_back(worker, &claim);
    }
    job_claim_free(&claim);
    return done;
}

static bool wait_for_work(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    while (!jobs->look && !atomic_load(&jobs->stopping)) {
        pthread_cond_wait(&jobs->changed, &jobs->mutex);
    }
    jobs->look = false;
    pthread_mutex_unlock(&jobs->mutex);
    return !atomic_load(&jobs->stopping);
}

void *worker_run(void *argument)
{
    struct worker *worker = argument;
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    while (wait_for_work(worker->jobs)) {
        while (!atomic_load(&worker->jobs->stopping) && do_one(worker)) {
        }
    }
    return NULL;
}
