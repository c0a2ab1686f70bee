/* What the two halves of the pool share: pool.c has the queue and its threads, guests.c those that give way.
 */
#ifndef SERVER_JOBS_POOL_STATE_H
#define SERVER_JOBS_POOL_STATE_H

#include "server/jobs/pool.h"

#include <pthread.h>

struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* for the pool's threads: a job may start, or the pool stops */
    pthread_cond_t room;    /* for guests: there may be a place, or they are not wanted */
    struct job *first;
    struct job **last; /* where the next job is hung in */
    int waiting;
    int running; /* places of the pool's own threads */
    int helpers; /* places of threads that help those */
    int guests;  /* places of guests, and of threads that help them */
    int overdue; /* guests that have waited so long that the next places are theirs */
    int capacity;
    double submitted; /* clock_seconds() when the last job came */
    bool stopping;
    double run_seconds; /* moving average of a job's run time */
    int thread_count;
    pthread_t threads[];
};

/* All with the pool locked. */

/* How many places are free. */
int pool_count_idle(const struct pool *pool);
/* How many of them jobs leave to guests that have waited for long. */
int pool_count_kept(const struct pool *pool);
/* A place may be free for somebody. */
void pool_tell(struct pool *pool);

#endif
