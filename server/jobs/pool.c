#include "server/clock.h"
#include "server/jobs/pool_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Takes the job that `link` leads to off the queue. The pool is locked. */
static struct job *unlink_job(struct pool *pool, struct job **link)
{
    struct job *job = *link;
    *link = job->next;
    if (pool->last == &job->next) {
        pool->last = link;
    }
    pool->waiting--;
    return job;
}

int pool_count_idle(const struct pool *pool)
{
    return pool->thread_count - pool->running - pool->helpers - pool->guests;
}

void pool_tell(struct pool *pool)
{
    if (pool->first != NULL) {
        pthread_cond_broadcast(&pool->changed);
    }
    pthread_cond_broadcast(&pool->room);
}

/* Whether a thread may start a job. The pool is locked. */
static bool may_start(const struct pool *pool)
{
    return pool->first != NULL && pool_count_idle(pool) > pool_count_kept(pool);
}

/* Takes the next job off the queue; NULL where the pool stops and nothing waits. */
static struct job *next_job(struct pool *pool)
{
    struct job *job = NULL;
    pthread_mutex_lock(&pool->mutex);
    while (!may_start(pool) && (pool->first != NULL || !pool->stopping)) {
        pthread_cond_wait(&pool->changed, &pool->mutex);
    }
    if (pool->first != NULL) {
        job = unlink_job(pool, &pool->first);
        pool->running++;
    }
    pthread_mutex_unlock(&pool->mutex);
    return job;
}

static void end_job(struct pool *pool, double seconds)
{
    pthread_mutex_lock(&pool->mutex);
    pool->running--;
    pthread_cond_broadcast(&pool->room);
    pool->run_seconds += (seconds - pool->run_seconds) / 8;
    if (pool->stopping) {
        pthread_cond_broadcast(&pool->changed);
    }
    pthread_mutex_unlock(&pool->mutex);
}

static void *work(void *argument)
{
    struct pool *pool = argument;
    struct job *job;
    while ((job = next_job(pool)) != NULL) {
        double started = clock_seconds();
        job->run(job);
        end_job(pool, clock_seconds() - started);
    }
    return NULL;
}

/* The threads wait until all of them are there. */
static bool start(struct pool *pool, int threads, struct stability_error *error)
{
    int failure = 0;
    pthread_mutex_lock(&pool->mutex);
    while (pool->thread_count < threads && failure == 0) {
        failure = pthread_create(&pool->threads[pool->thread_count], NULL, work, pool);
        pool->thread_count += failure == 0;
    }
    int count = pool->thread_count;
    pthread_mutex_unlock(&pool->mutex);
    return failure == 0 ||
           stability_fail(error, STABILITY_ERROR_INTERNAL, NULL, "thread %d of %d cannot be started: %s",
                          count + 1, threads, strerror(failure));
}

/* Its waits end at moments of clock_seconds(). */
static void init_room(struct pool *pool)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->room, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct pool *pool_new(int threads, int capacity, struct stability_error *error)
{
    struct pool *pool = calloc(1, sizeof(*pool) + (size_t)threads * sizeof(pool->threads[0]));
    if (pool == NULL) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory for %d threads",
                       threads);
        return NULL;
    }
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->changed, NULL);
    init_room(pool);
    pool->last = &pool->first;
    pool->capacity = capacity;
    pool->submitted = -INFINITY;
    if (!start(pool, threads, error)) {
        pool_free(pool);
        return NULL;
    }
    return pool;
}

bool pool_submit(struct pool *pool, struct job *job)
{
    pthread_mutex_lock(&pool->mutex);
    bool fits = pool->waiting < pool->capacity;
    if (fits) {
        job->next = NULL;
        *pool->last = job;
        pool->last = &job->next;
        pool->waiting++;
        pool->submitted = clock_seconds();
        if (pool->overdue > 0) { /* fewer places may be kept for guests now */
            pthread_cond_broadcast(&pool->changed);
        } else {
            pthread_cond_signal(&pool->changed);
        }
    }
    pthread_mutex_unlock(&pool->mutex);
    return fits;
}

bool pool_withdraw(struct pool *pool, struct job *job)
{
    pthread_mutex_lock(&pool->mutex);
    struct job **link = &pool->first;
    while (*link != NULL && *link != job) {
        link = &(*link)->next;
    }
    bool found = *link != NULL;
    if (found) {
        unlink_job(pool, link);
    }
    pthread_mutex_unlock(&pool->mutex);
    return found;
}

int pool_idle(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    int idle = pool_count_idle(pool) - pool->waiting;
    pthread_mutex_unlock(&pool->mutex);
    return idle > 0 ? idle : 0;
}

int pool_threads(const struct pool *pool)
{
    return pool->thread_count;
}

int pool_capacity(const struct pool *pool)
{
    return pool->capacity;
}

int pool_waiting(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    int waiting = pool->waiting;
    pthread_mutex_unlock(&pool->mutex);
    return waiting;
}

int pool_running(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    int running = pool->running;
    pthread_mutex_unlock(&pool->mutex);
    return running;
}

bool pool_is_full(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    bool full = pool->waiting >= pool->capacity;
    pthread_mutex_unlock(&pool->mutex);
    return full;
}

int pool_retry_after(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    double seconds = ceil(pool->run_seconds);
    pthread_mutex_unlock(&pool->mutex);
    return seconds < 1 ? 1 : seconds > 60 ? 60 : (int)seconds;
}

void pool_free(struct pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 0; i < pool->thread_count; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    pthread_cond_destroy(&pool->room);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}
