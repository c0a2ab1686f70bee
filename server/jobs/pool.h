/* The compute pool: a fixed number of threads and a bounded queue before them. */
#ifndef SERVER_JOBS_POOL_H
#define SERVER_JOBS_POOL_H

#include <stability/error.h>

/* A piece of work, embedded in whatever it is about; it belongs to the pool from pool_submit until `run` is
 * called, and to `run` from then on. */
struct job {
    void (*run)(struct job *job);
    struct job *next; /* the pool's */
};

struct pool;

/* Starts `threads` threads before a queue of `capacity` jobs. NULL on error. */
struct pool *pool_new(int threads, int capacity, struct stability_error *error);

/* Queues a job; jobs start in the order they came. False, and nothing queued, where the queue is full. */
bool pool_submit(struct pool *pool, struct job *job);

/* Takes a job off the queue again, its `run` never called. False where it has started, or is not there. */
bool pool_withdraw(struct pool *pool, struct job *job);

/* For a job that could use several threads: takes up to `most` places of threads that have nothing to do, so
 * that no more threads compute than the pool has, and returns how many. While they are taken, as many of the
 * pool's threads start nothing. */
int pool_borrow(struct pool *pool, int most);
void pool_return(struct pool *pool, int count);

/* How many threads it has, how many jobs may wait, how many do, and how many are running. */
int pool_threads(const struct pool *pool);
int pool_capacity(const struct pool *pool);
int pool_waiting(struct pool *pool);
int pool_running(struct pool *pool);

/* Whether pool_submit would refuse a job now. */
bool pool_is_full(struct pool *pool);

/* Seconds after which a queue that is full now has probably moved on by a job for each thread: at least 1, at
 * most 60; what Retry-After says. */
int pool_retry_after(struct pool *pool);

/* Runs what is queued, then stops the threads and frees the pool. NULL is fine. */
void pool_free(struct pool *pool);

#endif
