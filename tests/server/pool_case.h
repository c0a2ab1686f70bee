/* What tests of the compute pool share. */
#ifndef TESTS_SERVER_POOL_CASE_H
#define TESTS_SERVER_POOL_CASE_H

#include "server/jobs/pool.h"

#include <semaphore.h>
#include <stdatomic.h>

/* A pool, and what its jobs wait for and tell. */
struct scene {
    struct pool *pool;
    sem_t started;   /* posted by each job that has begun */
    sem_t permitted; /* and by the test for each that may end */
    atomic_int order;
};

/* A job that notes when it ran. */
struct sample {
    struct job job; /* first */
    struct scene *scene;
    bool free; /* it neither tells of its beginning, nor waits for a permission */
    int place; /* -1: it has not ended */
};

/* Starts a pool; close_scene runs what is queued, and stops it. */
void open_scene(struct scene *scene, int threads, int capacity);
void close_scene(struct scene *scene);

/* Queues a job; false where the pool refuses it. */
bool submit(struct scene *scene, struct sample *sample, bool free);
/* Lets so many jobs end. */
void permit(struct scene *scene, int count);

#endif
