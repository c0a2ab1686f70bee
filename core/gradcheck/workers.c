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
    bool selected; /* its evaluator has the parameter */
    bool started;
    _Atomic bool ended;
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

/* Takes the next piece of the work; returns the item behind it, 0 where there was none left. */
static int64_t take_block(struct worker *worker)
{
    struct shared *shared = worker->shared;
    int64_t first = atomic_load(&shared->stop) ? shared->job->count : atomic_fetch_add(&shared->next, BLOCK);
    int64_t last = first + BLOCK < shared->job->count ? first + BLOCK : shared->job->count;
    for (int64_t i = first; i < last; i++)
        take_item(worker, i);
    return first < last ? last : 0;
}

static void *help(void *context)
{
    struct worker *worker = context;
    const struct stability_helpers *helpers = worker->shared->workers->helpers;
    bool stays = true;
    while (stays && take_block(worker) > 0)
        stays = helpers == NULL || helpers->stay(helpers->context);
    if (stays && helpers != NULL)
        helpers->leave(helpers->context);
    atomic_store(&worker->ended, true);
    return NULL;
}

static bool start(struct worker *worker, int node, int parameter)
{
    const struct stability_helpers *helpers = worker->shared->workers->helpers;
    if (helpers != NULL && !helpers->enter(helpers->context))
        return false;
    if (!worker->selected)
        evaluator_select(worker->evaluator, node, parameter);
    worker->selected = true;
    atomic_store(&worker->ended, false);
    worker->started = pthread_create(&worker->thread, NULL, help, worker) == 0;
    if (!worker->started && helpers != NULL)
        helpers->leave(helpers->context);
    return worker->started;
}

/* Starts the threads that may compute now and do not yet; fewer do the same work. */
static void reinforce(struct worker *team, int node, int parameter)
{
    struct shared *shared = team[0].shared;
    int64_t left = shared->job->count - atomic_load(&shared->next);
    for (int i = 1; i < shared->workers->count && left > BLOCK * i; i++) {
        if (team[i].started && atomic_load(&team[i].ended)) {
            pthread_join(team[i].thread, NULL);
            team[i].started = false;
        }
        if (!team[i].started && !start(&team[i], node, parameter))
            return;
    }
}

/* The caller's own thread. Only it tells of progress. */
static void lead(struct worker *team, int node, int parameter)
{
    struct shared *shared = team[0].shared;
    const struct workers *workers = shared->workers;
    const struct stability_options *options = workers->options;
    int64_t last;
    do {
        reinforce(team, node, parameter);
        last = take_block(&team[0]);
        if (last > 0 && options->progress &&
            !options->progress(options->progress_context, "gradcheck", workers->done + last, workers->total))
            atomic_store(&shared->stop, true);
    } while (last > 0);
}

bool workers_run(struct workers *workers, int node, int parameter, const struct derivative_job *job,
                 struct stability_error *error)
{
    struct shared shared = {.workers = workers, .job = job};
    struct worker team[MOST_WORKERS];
    shared.parameter_count = workers->evaluators[0].parameter_count;
    team[0] = (struct worker){.shared = &shared, .evaluator = &workers->evaluators[0]};
    for (int i = 1; i < workers->count; i++)
        team[i] = (struct worker){.shared = &shared, .evaluator = &workers->evaluators[i]};
    lead(team, node, parameter);
    for (int i = 1; i < workers->count; i++) {
        if (team[i].started)
            pthread_join(team[i].thread, NULL);
    }
    workers->done += job->count;
    if (!atomic_load(&shared.stop))
        return true;
    return stability_fail(error, STABILITY_ERROR_CANCELLED, NULL,
                          "the gradient check was stopped after %lld of %lld derivatives",
                          (long long)workers->done, (long long)workers->total);
}
