/* The gradient check from request to report. */
#include "core/gradcheck/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct stability_gradcheck_options stability_default_gradcheck_options = {.samples = 64, .threads = 1};

/* The report and all that it points to are in one arena, which is in the report. */
struct owned_report {
    struct stability_gradcheck_report report;
    struct arena arena;
};

void stability_gradcheck_report_free(struct stability_gradcheck_report *report)
{
    if (!report)
        return;
    struct arena arena = ((struct owned_report *)report)->arena;
    arena_free(&arena);
}

bool check_out_of_memory(const struct check *c)
{
    return stability_fail(c->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for a gradient check");
}

/* Runs forward and backward twice: what is not deterministic cannot be differentiated. */
static bool run_twice(struct check *c, bool *deterministic)
{
    struct run_observer silent = {0};
    struct run again;
    if (!trial_open(&c->trial, c->error) || !trial_execute(&c->trial, &silent, c->error))
        return false;
    bool done = run_open(&again, &c->trial.plan, c->error) && run_execute(&again, &silent, c->error);
    *deterministic = done && memcmp(&again.loss, &c->trial.run.loss, sizeof(double)) == 0;
    for (int i = 0; done && i < c->subject_count; i++) {
        int slot = graph_slot(&c->trial.graph, c->subjects[i].node, c->subjects[i].parameter);
        const struct tensor *first = &c->trial.run.parameter_gradients[slot],
                            *second = &again.parameter_gradients[slot];
        if (first->data && memcmp(first->data, second->data, (size_t)first->count * sizeof(double)) != 0)
            *deterministic = false;
    }
    run_close(&again);
    if (done && !isfinite(c->trial.run.loss))
        return stability_fail(
            c->error, STABILITY_ERROR_INVALID_VALUE, "/data",
            "the loss of this batch is %s, so it has no gradient to check: a diagnosis says where that "
            "arises",
            isnan(c->trial.run.loss) ? "NaN" : "infinite");
    return done;
}

static int threads_of(const struct stability_gradcheck_options *options)
{
    return options->threads < 1 ? 1 : options->threads > MOST_WORKERS ? MOST_WORKERS : options->threads;
}

/* Bytes of an element of a parameter: given and numerical gradient, uncertainty, status; for the largest one
 * the directions of all threads, or what it takes to recognise a permutation. */
static double memory_needed(const struct check *c)
{
    int threads = threads_of(c->options);
    double bytes = 2 * trial_bytes(&c->trial) + threads * (double)evaluator_bytes(&c->trial.plan);
    double most = 0;
    for (int i = 0; i < c->subject_count; i++) {
        double count = (double)c->subjects[i].description->count;
        bytes += 4 * sizeof(double) * count;
        most = fmax(most, count);
    }
    return bytes + sizeof(double) * most * (c->options->mode == STABILITY_GRADCHECK_FULL ? 5 : threads);
}

/* Checks the request, plans the run, and refuses what needs more memory than it may have; nothing is
 * computed. */
static bool plan_check(struct check *c)
{
    struct trial_options options = {
        .flags = RUN_NO_DROPS, .change_precision = true, .precision = STABILITY_PRECISION_FLOAT64};
    return trial_plan(&c->trial, c->request, &options, c->error) && subjects_list(c) &&
           trial_admit(&c->trial, "the gradient check", memory_needed(c) - trial_bytes(&c->trial), c->error);
}

static bool check_gradients(struct check *c, const struct stability_tensors *gradients,
                            struct stability_gradcheck_report *report)
{
    if (!plan_check(c))
        return false;
    for (size_t i = 0; i < gradients->count; i++)
        if (!subjects_read_gradient(c, &gradients->items[i]))
            return false;
    if (!run_twice(c, &report->deterministic) || !conclusion_frame(c, report) ||
        !workers_open(&c->workers, &c->trial.run, threads_of(c->options), c->error))
        return false;
    for (int i = 0; i < c->subject_count; i++) {
        if (!subject_prepare(c, &c->subjects[i]))
            return false;
        c->workers.total += c->subjects[i].items;
    }
    for (int i = 0; i < c->subject_count; i++)
        if (!subject_differentiate(c, &c->subjects[i]))
            return false;
    return conclusion_draw(c, report);
}

static struct check *open_check(const struct stability_request *request,
                                const struct stability_gradcheck_options *options,
                                struct stability_error *error)
{
    struct check *c = calloc(1, sizeof(*c));
    if (!c) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for a gradient check");
        return NULL;
    }
    c->request = request;
    c->options = options;
    c->error = error;
    c->workers.options = &request->options;
    c->workers.helpers = options->helpers;
    return c;
}

/* Everything but the report. */
static void close_check(struct check *c)
{
    workers_close(&c->workers);
    trial_close(&c->trial);
    arena_free(&c->scratch);
    free(c);
}

int64_t stability_gradcheck_bytes(const struct stability_request *request,
                                  const struct stability_gradcheck_options *options,
                                  struct stability_error *error)
{
    struct check *c = open_check(request, options, error);
    if (!c)
        return -1;
    double bytes = plan_check(c) ? memory_needed(c) : -1;
    close_check(c);
    return bytes < 9e18 ? (int64_t)bytes : INT64_MAX;
}

struct stability_gradcheck_report *stability_gradcheck(const struct stability_request *request,
                                                       const struct stability_tensors *gradients,
                                                       const struct stability_gradcheck_options *options,
                                                       struct stability_error *error)
{
    struct check *c = open_check(request, options, error);
    if (!c)
        return NULL;
    struct owned_report *owned = arena_allocate(&c->arena, sizeof(*owned));
    bool done = owned && check_gradients(c, gradients, &owned->report);
    if (!owned)
        check_out_of_memory(c);
    if (done)
        owned->arena = c->arena;
    else
        arena_free(&c->arena);
    close_check(c);
    return done ? &owned->report : NULL;
}
