/* One thread that works on jobs, and what others may know of it. */
#ifndef SERVER_JOBS_WORKER_H
#define SERVER_JOBS_WORKER_H

#include "server/jobs/jobs.h"

#include <pthread.h>

struct worker {
    struct jobs *jobs;
    pthread_t thread;
    atomic_bool unwanted; /* the job was cancelled, or belongs to another process now */
    struct pool_guest guest;
    /* Below: guarded by the jobs' mutex. */
    bool busy; /* it has the job `id` */
    char id[STORE_ID_SIZE];
    int64_t attempt;
    struct job_progress progress;
};

struct jobs {
    struct service *service;
    void (*work)(struct service *service, struct job_task *task, struct job_outcome *outcome);
    char owner[STORE_ID_SIZE]; /* this process, to the store */
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* for workers: there may be a job */
    pthread_cond_t ticked;  /* for the keeper: there is a follower, or it is to stop */
    pthread_cond_t stopped; /* for whoever waits for nothing but the time */
    bool look;              /* a worker should ask the store for a job */
    _Atomic int64_t queued; /* in the whole store, when it was asked last */
    atomic_bool stopping;
    bool keeper_started;
    pthread_t keeper;
    struct follower *followers; /* a list */
    int follower_count;
    int worker_count;
    struct worker workers[];
};

/* The thread's function; its argument is a struct worker. */
void *worker_run(void *argument);

/* Waits for up to `seconds`, less where the jobs stop. */
void jobs_pause(struct jobs *jobs, double seconds);

#endif
