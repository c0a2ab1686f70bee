#include "server/jobs/pool.h"

#include "server/clock.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a job came, or the pool stops */
    struct job *first;
    struct job **last; /* where the next job is hung in */
    int waiting;
    int capacity;
    bool stopping;
    double run_seconds; /* moving average of a job's run time */
    int thread_count;
    pthread_t threads[];
};

/* Takes the next job off the queue; NULL where the pool stops. */
static struct job *next_job(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    while (pool->first == NULL && !pool->stopping) {
        pthread_cond_wait(&pool->changed, &pool->mutex);
    }
    struct job *job = pool->first;
    if (job != NULL) {
        pool->first = job->next;
        pool->last = pool->first == NULL ? &pool->first : pool->last;
        pool->waiting--;
    }
    pthread_mutex_unlock(&pool->mutex);
    return job;
}

static void note_run_time(struct pool *pool, double seconds)
{
    pthread_mutex_lock(&pool->mutex);
    pool->run_seconds += (seconds - pool->run_seconds) / 8;
    pthread_mutex_unlock(&pool->mutex);
}

static void *work(void *argument)
{
    struct pool *pool = argument;
    struct job *job;
    while ((job = next_job(pool)) != NULL) {
        double started = clock_seconds();
        job->run(job);
        note_run_time(pool, clock_seconds() - started);
    }
    return NULL;
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
    pool->last = &pool->first;
    pool->capacity = capacity;
    for (; pool->thread_count < threads; pool->thread_count++) {
        int failure = pthread_create(&pool->threads[pool->thread_count], NULL, work, pool);
        if (failure != 0) {
            stability_fail(error, STABILITY_ERROR_INTERNAL, NULL, "thread %d of %d cannot be started: %s",
                           pool->thread_count + 1, threads, strerror(failure));
            pool_free(pool);
            return NULL;
        }
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
        pthread_cond_signal(&pool->changed);
    }
    pthread_mutex_unlock(&pool->mutex);
    return fits;
}

int pool_threads(const struct pool *pool)
{
    return pool->thread_count;
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
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}
