#include "core/gradcheck/workers.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

enum { BLOCK = 32 };

struct shared {
    struct workers *workers;
    const struct derivative_job *job;
    int64_t parameter_count;
    _Atomic int64_t next;
    _Atomic bool stop;
};

struct worker {
    struct shared *shared;
    struct evaluator *evaluator;
    pthread_t thread;
};

bool workers_open(struct workers *workers, const struct run *base, int count, struct stability_error *error)
{
    for (int i = 0; i < count; i++) {
        workers->count = i + 1;
        if (!evaluator_open(&workers->evaluators[i], base, error))
            return false;
    }
    return true;
}

void workers_close(struct workers *workers)
{
    for (int i = 0; i < workers->count; i++)
        evaluator_close(&workers->evaluators[i]);
}

static void take_item(struct worker *worker, int64_t item)
{
    const struct derivative_job *job = worker->shared->job;
    double expected[] = {job->given[item], job->engine[item]};
    int64_t element = job->directions ? -1 : job->elements ? job->elements[item] : item;
    const double *direction =
        job->directions ? job->directions + item * worker->shared->parameter_count : NULL;
    struct derivative d = difference_take(worker->evaluator, job->scheme, element, direction, expected, 2);
    job->numerical[item] = d.value;
    job->uncertainty[item] = d.uncertainty;
    job->status[item] = d.at_kink ? AT_KINK : TAKEN;
    if (!d.at_kink)
        return;
    /* A subgradient lies between the one-sided derivatives; one that does not is told like any other error.
     */
    double low = fmin(d.left, d.right) - d.uncertainty, high = fmax(d.left, d.right) + d.uncertainty;
    if (job->given[item] < low || job->given[item] > high || isnan(job->given[item])) {
        job->status[item] = TAKEN;
        job->numerical[item] =
            fabs(job->given[item] - d.left) < fabs(job->given[item] - d.right) ? d.left : d.right;
    }
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct shared *shared = worker->shared;
    while (!atomic_load(&shared->stop)) {
        int64_t first = atomic_fetch_add(&shared->next, BLOCK);
        if (first >= shared->job->count)
            break;
        int64_t last = first + BLOCK < shared->job->count ? first + BLOCK : shared->job->count;
        for (int64_t i = first; i < last; i++)
            take_item(worker, i);
        const struct workers *workers = shared->workers;
        /* Only the caller's own thread tells of progress. */
        if (worker->evaluator == &workers->evaluators[0] && workers->options->progress &&
            !workers->options->progress(workers->options->progress_context, "gradcheck", workers->done + last,
                                        workers->total))
            atomic_store(&shared->stop, true);
    }
    return NULL;
}

bool workers_run(struct workers *workers, int node, int parameter, const struct derivative_job *job,
                 struct stability_error *error)
{
    struct shared shared = {.workers = workers, .job = job};
    struct worker team[MOST_WORKERS];
    int started = 1;
    shared.parameter_count = workers->evaluators[0].parameter_count;
    team[0] = (struct worker){.shared = &shared, .evaluator = &workers->evaluators[0]};
    for (; started < workers->count && job->count > BLOCK * started; started++) {
        struct worker *worker = &team[started];
        *worker = (struct worker){.shared = &shared, .evaluator = &workers->evaluators[started]};
        evaluator_select(worker->evaluator, node, parameter);
        if (pthread_create(&worker->thread, NULL, work, worker) != 0)
            break; /* fewer threads do the same work */
    }
    work(&team[0]);
    for (int i = 1; i < started; i++)
        pthread_join(team[i].thread, NULL);
    workers->done += job->count;
    if (!atomic_load(&shared.stop))
        return true;
    return stability_fail(error, STABILITY_ERROR_CANCELLED, NULL,
                          "the gradient check was stopped after %lld of %lld "
                          "derivatives",
                          (long long)workers->done, (long long)workers->total);
}
