#include "server/jobs/jobs.h"

#include "server/clock.h"
#include "server/jobs/events.h"
#include "server/log.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_SECONDS 1.0      /* between looks at the store: for jobs of others, and at one's own leases */
#define FOLLOWED_SECONDS 0.25 /* the same, while clients follow jobs */
#define SWEEP_SECONDS 60.0    /* between removals of jobs and reports that are kept no longer */

static struct timespec moment_in(double seconds)
{
    struct timespec moment;
    clock_gettime(CLOCK_REALTIME, &moment);
    double nanoseconds = (double)moment.tv_nsec + fmod(seconds, 1) * 1e9;
    moment.tv_sec += (time_t)seconds + (time_t)(nanoseconds / 1e9);
    moment.tv_nsec = (long)fmod(nanoseconds, 1e9);
    return moment;
}

void jobs_pause(struct jobs *jobs, double seconds)
{
    struct timespec until = moment_in(seconds);
    pthread_mutex_lock(&jobs->mutex);
    while (!atomic_load(&jobs->stopping) &&
           pthread_cond_timedwait(&jobs->stopped, &jobs->mutex, &until) != ETIMEDOUT) {
    }
    pthread_mutex_unlock(&jobs->mutex);
}

void jobs_wake(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    jobs->look = true;
    pthread_cond_signal(&jobs->changed);
    pthread_mutex_unlock(&jobs->mutex);
}

static struct worker *find_worker(struct jobs *jobs, const char *id)
{
    for (int i = 0; i < jobs->worker_count; i++) {
        if (jobs->workers[i].busy && strcmp(jobs->workers[i].id, id) == 0) {
            return &jobs->workers[i];
        }
    }
    return NULL;
}

void jobs_cancel(struct jobs *jobs, const char *id)
{
    pthread_mutex_lock(&jobs->mutex);
    struct worker *worker = find_worker(jobs, id);
    if (worker != NULL) {
        atomic_store(&worker->unwanted, true);
    }
    pthread_mutex_unlock(&jobs->mutex);
    pool_wake(jobs->service->pool);
}

void jobs_progress(struct jobs *jobs, const char *id, struct job_progress *progress)
{
    pthread_mutex_lock(&jobs->mutex);
    const struct worker *worker = find_worker(jobs, id);
    if (worker != NULL) {
        *progress = worker->progress;
    }
    pthread_mutex_unlock(&jobs->mutex);
}

int jobs_running(struct jobs *jobs)
{
    int count = 0;
    pthread_mutex_lock(&jobs->mutex);
    for (int i = 0; i < jobs->worker_count; i++) {
        count += jobs->workers[i].busy;
    }
    pthread_mutex_unlock(&jobs->mutex);
    return count;
}

int64_t jobs_queued(const struct jobs *jobs)
{
    return atomic_load(&jobs->queued);
}

/* What a worker has, copied, for the store is not asked with the mutex locked. */
static bool read_worker(struct worker *worker, struct worker *copy)
{
    pthread_mutex_lock(&worker->jobs->mutex);
    copy->busy = worker->busy;
    copy->attempt = worker->attempt;
    copy->progress = worker->progress;
    memcpy(copy->id, worker->id, sizeof(copy->id));
    pthread_mutex_unlock(&worker->jobs->mutex);
    return copy->busy;
}

static void renew(struct worker *worker)
{
    struct jobs *jobs = worker->jobs;
    struct service *service = jobs->service;
    struct worker copy;
    struct stability_error error = {0};
    bool held = true;
    if (!read_worker(worker, &copy)) {
        return;
    }
    bool asked = store_renew_job(service->store, copy.id, copy.attempt, service->config->job_lease,
                                 &copy.progress, &held, &error);
    if (!asked || held) {
        return;
    }
    /* The job may just have ended well, and the worker have the next one. */
    pthread_mutex_lock(&jobs->mutex);
    if (worker->busy && worker->attempt == copy.attempt && strcmp(worker->id, copy.id) == 0) {
        atomic_store(&worker->unwanted, true);
    }
    pthread_mutex_unlock(&jobs->mutex);
    pool_wake(service->pool);
}

/* When the keeper did what last; clock_seconds(). */
struct rounds {
    double renewed;
    double swept;
};

static void keep(struct jobs *jobs, struct rounds *rounds)
{
    struct service *service = jobs->service;
    struct stability_error ignored = {0}; /* the store has logged it, and its health shows it */
    int64_t queued;
    double now = clock_seconds();
    if (now >= rounds->renewed + fmin(TICK_SECONDS, service->config->job_lease / 3)) {
        rounds->renewed = now;
        if (store_count_queued(service->store, &queued, &ignored)) {
            atomic_store(&jobs->queued, queued);
        }
        for (int i = 0; i < jobs->worker_count; i++) {
            renew(&jobs->workers[i]);
        }
        jobs_wake(jobs);
    }
    double shortest = fmin(service->config->job_keep, service->config->report_keep);
    if (now >= rounds->swept + fmin(SWEEP_SECONDS, shortest / 2)) {
        rounds->swept = now;
        store_sweep(service->store, service->config->job_keep, &ignored);
        store_sweep_reports(service->store, service->config->report_keep, &ignored);
    }
    events_tell(jobs);
}

static void *run_keeper(void *argument)
{
    struct jobs *jobs = argument;
    struct rounds rounds = {0};
    while (!atomic_load(&jobs->stopping)) {
        keep(jobs, &rounds);
        pthread_mutex_lock(&jobs->mutex);
        double seconds = fmin(jobs->followers != NULL ? FOLLOWED_SECONDS : TICK_SECONDS,
                              jobs->service->config->job_lease / 3);
        struct timespec until = moment_in(seconds);
        if (!atomic_load(&jobs->stopping)) {
            pthread_cond_timedwait(&jobs->ticked, &jobs->mutex, &until);
        }
        pthread_mutex_unlock(&jobs->mutex);
    }
    events_end(jobs);
    return NULL;
}

static bool start(struct jobs *jobs, int workers, struct stability_error *error)
{
    int failure = 0;
    for (; failure == 0 && jobs->worker_count < workers; jobs->worker_count += failure == 0) {
        struct worker *worker = &jobs->workers[jobs->worker_count];
        worker->jobs = jobs;
        failure = pthread_create(&worker->thread, NULL, worker_run, worker);
    }
    if (failure == 0) {
        failure = pthread_create(&jobs->keeper, NULL, run_keeper, jobs);
        jobs->keeper_started = failure == 0;
    }
    return failure == 0 || stability_fail(error, STABILITY_ERROR_INTERNAL, NULL,
                                          "a thread for jobs cannot be started: %s", strerror(failure));
}

struct jobs *jobs_new(struct service *service,
                      void (*work)(struct service *service, struct job_task *task,
                                   struct job_outcome *outcome),
                      struct stability_error *error)
{
    int workers = (int)service->config->threads;
    struct jobs *jobs = calloc(1, sizeof(*jobs) + (size_t)workers * sizeof(jobs->workers[0]));
    if (jobs == NULL) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory for jobs");
        return NULL;
    }
    jobs->service = service;
    jobs->work = work;
    store_make_id(jobs->owner);
    pthread_mutex_init(&jobs->mutex, NULL);
    pthread_cond_init(&jobs->changed, NULL);
    pthread_cond_init(&jobs->ticked, NULL);
    pthread_cond_init(&jobs->stopped, NULL);
    if (!start(jobs, workers, error)) {
        jobs_free(jobs);
        return NULL;
    }
    return jobs;
}

void jobs_stop(struct jobs *jobs)
{
    if (jobs == NULL || atomic_load(&jobs->stopping)) {
        return;
    }
    pthread_mutex_lock(&jobs->mutex);
    atomic_store(&jobs->stopping, true);
    pthread_cond_broadcast(&jobs->changed);
    pthread_cond_broadcast(&jobs->ticked);
    pthread_cond_broadcast(&jobs->stopped);
    pthread_mutex_unlock(&jobs->mutex);
    pool_wake(jobs->service->pool);
    for (int i = 0; i < jobs->worker_count; i++) {
        pthread_join(jobs->workers[i].thread, NULL);
    }
    if (jobs->keeper_started) {
        pthread_join(jobs->keeper, NULL);
    }
}

void jobs_free(struct jobs *jobs)
{
    if (jobs == NULL) {
        return;
    }
    jobs_stop(jobs);
    pthread_cond_destroy(&jobs->stopped);
    pthread_cond_destroy(&jobs->ticked);
    pthread_cond_destroy(&jobs->changed);
    pthread_mutex_destroy(&jobs->mutex);
    free(jobs);
}
