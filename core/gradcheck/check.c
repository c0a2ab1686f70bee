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
    if (!run_open(&c->run, &c->plan, c->error) || !run_execute(&c->run, &silent, c->error))
        return false;
    bool done = run_open(&again, &c->plan, c->error) && run_execute(&again, &silent, c->error);
    *deterministic = done && memcmp(&again.loss, &c->run.loss, sizeof(double)) == 0;
    for (int i = 0; done && i < c->subject_count; i++) {
        int slot = graph_slot(&c->graph, c->subjects[i].node, c->subjects[i].parameter);
        const struct tensor *first = &c->run.parameter_gradients[slot],
                            *second = &again.parameter_gradients[slot];
        if (first->data && memcmp(first->data, second->data, (size_t)first->count * sizeof(double)) != 0)
            *deterministic = false;
    }
    run_close(&again);
    if (done && !isfinite(c->run.loss))
        return stability_fail(
            c->error, STABILITY_ERROR_INVALID_VALUE, "/data",
            "the loss of this batch is %s, so it has no gradient to check: a diagnosis says where that "
            "arises",
            isnan(c->run.loss) ? "NaN" : "infinite");
    return done;
}

/* Everything that is in memory at once, before any of it is taken. */
static bool check_memory(const struct check *c, int threads)
{
    int64_t limit = c->request.options.limits.bytes;
    double bytes = 2 * (double)c->plan.memory.total + threads * (double)evaluator_bytes(&c->plan);
    for (int i = 0; i < c->subject_count; i++) {
        double count = (double)c->subjects[i].description->count;
        bytes += count * (c->options->mode == STABILITY_GRADCHECK_FULL ? 4.0 * 8 : (2.0 + threads) * 8);
    }
    if (limit <= 0 || bytes <= (double)limit)
        return true;
    return stability_fail(c->error, STABILITY_ERROR_MODEL_TOO_LARGE, "/model",
                          "the gradient check needs %.0f bytes of memory, the limit is %lld", bytes,
                          (long long)limit);
}

static bool check_gradients(struct check *c, const struct stability_tensors *gradients,
                            struct stability_gradcheck_report *report)
{
    int threads = c->options->threads < 1              ? 1
                  : c->options->threads > MOST_WORKERS ? MOST_WORKERS
                                                       : c->options->threads;
    if (!graph_build(&c->graph, &c->request, c->error) ||
        !run_plan_make(&c->plan, &c->graph, RUN_KEEP | RUN_NO_DROPS, &c->graph.arena, c->error) ||
        !subjects_list(c) || !check_memory(c, threads))
        return false;
    for (size_t i = 0; i < gradients->count; i++)
        if (!subjects_read_gradient(c, &gradients->items[i]))
            return false;
    if (!run_twice(c, &report->deterministic) || !conclusion_frame(c, report) ||
        !workers_open(&c->workers, &c->run, threads, c->error))
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

struct stability_gradcheck_report *stability_gradcheck(const struct stability_request *request,
                                                       const struct stability_tensors *gradients,
                                                       const struct stability_gradcheck_options *options,
                                                       struct stability_error *error)
{
    struct check *c = calloc(1, sizeof(*c));
    if (!c) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for a gradient check");
        return NULL;
    }
    c->request = *request;
    c->request.options.precision = STABILITY_PRECISION_FLOAT64;
    c->options = options;
    c->error = error;
    c->workers.options = &c->request.options;
    struct owned_report *owned = arena_allocate(&c->arena, sizeof(*owned));
    bool done = owned ? check_gradients(c, gradients, &owned->report) : check_out_of_memory(c);
    workers_close(&c->workers);
    run_close(&c->run);
    graph_free(&c->graph);
    arena_free(&c->scratch);
    if (done)
        owned->arena = c->arena;
    else
        arena_free(&c->arena);
    free(c);
    return done ? &owned->report : NULL;
}
