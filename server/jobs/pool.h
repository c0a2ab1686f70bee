/* The compute pool: a fixed number of places to compute at, and a bounded queue of jobs before them. Its own
 * threads run the jobs; guests are work that nobody waits for, on threads of their own, which give way to
 * jobs. What has no place does not compute. */
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

/* Work that gives way to jobs. Starts as `struct pool_guest guest = {.pool = pool, .wanted = …}`; used by one
 * thread at a time. Guests have all places but one, and the last one too where no job came for a while. One
 * that waits for a second has the next place that is free, and then for a quarter of a second does not give
 * way: however many jobs come, guests go on. */
struct pool_guest {
    struct pool *pool;
    bool (*wanted)(void *context); /* false: it waits no more. Asked with the pool locked */
    void *context;
    bool placed;
    double until;  /* clock_seconds() before which it does not give way */
    double waited; /* seconds, of all waits but those of pool_await */
};

/* Waits until a guest could have a place, or would have waited for so long that it is its turn next; takes
 * none. False where it is not wanted. */
bool pool_await(struct pool_guest *guest);
/* Waits for a place. False, without one, where it is not wanted. */
bool pool_enter(struct pool_guest *guest);
/* Between two steps of the work: gives way where others wait, and waits for a place again. It is without one
 * afterwards where it is not wanted. */
void pool_yield(struct pool_guest *guest);
/* Gives the place back, if it has one. */
void pool_leave(struct pool_guest *guest);
/* Guests that wait ask again whether they are wanted. */
void pool_wake(struct pool *pool);

/* For work that could use several threads: the place of one that helps, where nobody waits for it. */
bool pool_help(struct pool *pool, bool guest);
/* Between two pieces of its work: false where others wait, and the place is given back. */
bool pool_help_on(struct pool *pool, bool guest);
/* Gives the place back. */
void pool_help_no_more(struct pool *pool, bool guest);

/* How many places it has, how many of them are free, how many jobs may wait, how many do, and how many are
 * running. */
int pool_threads(const struct pool *pool);
int pool_idle(struct pool *pool);
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
