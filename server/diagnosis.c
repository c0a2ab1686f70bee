#include "server/diagnosis.h"

#include "server/clock.h"
#include "server/output/bundle.h"

#include <stability/stability.h>

#include <stdlib.h>

/* What else takes about as long as so many operations of a matrix product. */
#define FLOPS_OF_A_BYTE 8
#define FLOPS_OF_A_LAYER 200000

/* A request that is read, and planned where it is for a diagnosis. */
struct prepared {
    struct claim claim;
    struct input_request *input;
    struct stability_plan *plan; /* NULL: a gradient check */
    double started;              /* clock_seconds() from which options.timeout_s counts */
};

/* The error's code tells why the work stopped: the engine knows only that it was told to. */
struct progress {
    const struct diagnosis_call *call;
    double deadline;
    enum stability_code reason;
};

static bool check_progress(void *context, const char *stage, int64_t done, int64_t total)
{
    struct progress *progress = context;
    const struct diagnosis_call *call = progress->call;
    if (call->progress != NULL && stage != NULL) {
        call->progress(call->context, stage, done, total);
    }
    double waited = call->waited == NULL ? 0 : *call->waited;
    if (progress->deadline > 0 && clock_seconds() - waited > progress->deadline) {
        progress->reason = STABILITY_ERROR_DEADLINE;
    } else if (call->wanted != NULL && !call->wanted(call->context)) {
        progress->reason = STABILITY_ERROR_CANCELLED;
    }
    return progress->reason == STABILITY_OK;
}

static bool fail_stopped(const struct progress *progress, struct stability_error *error)
{
    *error = (struct stability_error){0};
    return stability_fail(
        error, progress->reason, NULL,
        progress->reason == STABILITY_ERROR_DEADLINE
            ? "the deadline passed before the work was done; it was stopped"
            : "the work was stopped: nobody waits for it any more, or the server shuts down");
}

static bool keep_report(const struct report_choice *choice, const struct stability_report *report,
                        struct diagnosis *diagnosis)
{
    bool written = true;
    for (size_t i = 0; written && i < format_count(); i++) {
        struct buffer body = {0};
        written = report_format(format_at(i), report, choice->baseline, &body);
        bundle_add(&diagnosis->bundle, format_at(i)->name, &body);
        buffer_free(&body);
    }
    diagnosis->verdict = stability_verdict_name(report->verdict);
    if (report->model != NULL) {
        buffer_append_text(&diagnosis->model, report->model);
    }
    return written && !diagnosis->bundle.failed && !diagnosis->model.failed;
}

static bool format_report(const struct diagnosis_call *call, const struct stability_report *report,
                          struct diagnosis *diagnosis)
{
    double started = clock_seconds();
    bool written = report_format(call->choice.format, report, call->choice.baseline, &diagnosis->body) &&
                   (!call->keep || keep_report(&call->choice, report, diagnosis));
    diagnosis->format_seconds = clock_seconds() - started;
    diagnosis->fails = report_fails(&call->choice, report);
    return written || stability_fail(&diagnosis->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                                     "there is no memory to write the report");
}

static bool run_diagnose(const struct diagnosis_call *call, struct prepared *prepared,
                         struct diagnosis *diagnosis)
{
    int64_t bytes = stability_plan_bytes(prepared->plan);
    if (!claim_take(&prepared->claim, bytes, &diagnosis->error)) {
        return false;
    }
    double started = clock_seconds();
    struct stability_report *report = stability_diagnose(prepared->plan, &diagnosis->error);
    diagnosis->compute_seconds += clock_seconds() - started;
    if (report != NULL) {
        metrics_count_report(call->metrics, report, diagnosis->compute_seconds);
    }
    bool done = report != NULL && format_report(call, report, diagnosis);
    stability_report_free(report);
    claim_return(&prepared->claim, bytes);
    return done;
}

static bool keep_gradcheck(const struct stability_gradcheck_report *report, struct diagnosis *diagnosis)
{
    bool written = true;
    for (size_t i = 0; written && i < format_count(); i++) {
        struct buffer body = {0};
        written = gradcheck_format(format_at(i), report, &body);
        bundle_add(&diagnosis->bundle, format_at(i)->name, &body);
        buffer_free(&body);
    }
    diagnosis->verdict = report->failed ? "fail" : "pass";
    if (report->model != NULL) {
        buffer_append_text(&diagnosis->model, report->model);
    }
    return written && !diagnosis->bundle.failed && !diagnosis->model.failed;
}

static bool format_gradcheck(const struct diagnosis_call *call,
                             const struct stability_gradcheck_report *report, struct diagnosis *diagnosis)
{
    double started = clock_seconds();
    bool written = gradcheck_format(call->choice.format, report, &diagnosis->body) &&
                   (!call->keep || keep_gradcheck(report, diagnosis));
    diagnosis->format_seconds = clock_seconds() - started;
    diagnosis->fails = call->choice.gated && report->failed;
    return written || stability_fail(&diagnosis->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                                     "there is no memory to write the report");
}

static bool run_gradcheck(const struct diagnosis_call *call, struct prepared *prepared,
                          struct diagnosis *diagnosis)
{
    const struct input_request *input = prepared->input;
    struct stability_gradcheck_options options = input->gradcheck;
    options.threads = call->threads;
    options.helpers = call->helpers;
    int64_t bytes = stability_gradcheck_bytes(&input->request, &options, &diagnosis->error);
    if (bytes < 0 || !claim_take(&prepared->claim, bytes, &diagnosis->error)) {
        return false;
    }
    double started = clock_seconds();
    struct stability_gradcheck_report *report =
        stability_gradcheck(&input->request, &input->gradients, &options, &diagnosis->error);
    diagnosis->compute_seconds = clock_seconds() - started;
    bool done = report != NULL && format_gradcheck(call, report, diagnosis);
    stability_gradcheck_report_free(report);
    claim_return(&prepared->claim, bytes);
    return done;
}

/* What the request itself allows counts from the same moment as the server's limit. */
static void shorten_deadline(struct progress *progress, double started, double timeout)
{
    double deadline = started + timeout;
    if (timeout > 0 && (progress->deadline == 0 || deadline < progress->deadline)) {
        progress->deadline = deadline;
    }
}

static bool plan(const struct diagnosis_call *call, struct prepared *prepared, struct diagnosis *diagnosis)
{
    double started = clock_seconds();
    prepared->input->request.options.limits = call->limits;
    if (call->purpose == INPUT_DIAGNOSE) {
        prepared->plan = stability_plan_new(&prepared->input->request, &diagnosis->error);
        diagnosis->compute_seconds = clock_seconds() - started;
        return prepared->plan != NULL;
    }
    return true;
}

static bool prepare(const struct diagnosis_call *call, struct diagnosis *diagnosis)
{
    double started = clock_seconds();
    struct prepared *prepared = calloc(1, sizeof(*prepared));
    diagnosis->prepared = prepared;
    if (prepared == NULL) {
        return stability_fail(&diagnosis->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                              "there is no memory to read the request");
    }
    prepared->claim = (struct claim){.budget = call->memory, .beside = call->held};
    prepared->started = call->started > 0 ? call->started : started;
    struct input_body body = call->body;
    body.claim = &prepared->claim;
    prepared->input =
        input_request_parse(&body, call->purpose, &call->limits, &diagnosis->position, &diagnosis->error);
    diagnosis->parse_seconds = clock_seconds() - started;
    return prepared->input != NULL && plan(call, prepared, diagnosis);
}

static void release(struct diagnosis *diagnosis)
{
    struct prepared *prepared = diagnosis->prepared;
    if (prepared != NULL) {
        stability_plan_free(prepared->plan);
        input_request_free(prepared->input);
        claim_release(&prepared->claim);
        free(prepared);
        diagnosis->prepared = NULL;
    }
}

static bool finish(const struct diagnosis_call *call, struct progress *progress, struct diagnosis *diagnosis)
{
    struct prepared *prepared = diagnosis->prepared;
    shorten_deadline(progress, prepared->started, prepared->input->timeout);
    prepared->input->request.options.progress = check_progress;
    prepared->input->request.options.progress_context = progress;
    return call->purpose == INPUT_GRADCHECK ? run_gradcheck(call, prepared, diagnosis)
                                            : run_diagnose(call, prepared, diagnosis);
}

/* Analyses take many passes; elementwise layers take more time than their operations tell, which their bytes
 * do, and narrow ones than either. */
static bool is_within(const struct prepared *prepared, int64_t most_flops)
{
    const struct stability_request *request = &prepared->input->request;
    return prepared->plan != NULL && request->options.analysis_count == 0 &&
           (double)stability_plan_flops(prepared->plan) +
                   FLOPS_OF_A_BYTE * (double)stability_plan_bytes(prepared->plan) +
                   FLOPS_OF_A_LAYER * (double)request->model.layer_count <=
               (double)most_flops;
}

bool diagnosis_run(const struct diagnosis_call *call, struct diagnosis *diagnosis)
{
    struct progress progress = {call, call->deadline, STABILITY_OK};
    bool ready =
        check_progress(&progress, NULL, 0, 0) && (diagnosis->prepared != NULL || prepare(call, diagnosis));
    if (ready && call->most_flops > 0 && !is_within(diagnosis->prepared, call->most_flops)) {
        return false;
    }
    bool done = ready && finish(call, &progress, diagnosis);
    release(diagnosis);
    return done || (progress.reason != STABILITY_OK ? fail_stopped(&progress, &diagnosis->error) : false);
}

void diagnosis_free(struct diagnosis *diagnosis)
{
    release(diagnosis);
    buffer_free(&diagnosis->body);
    buffer_free(&diagnosis->bundle);
    buffer_free(&diagnosis->model);
    *diagnosis = (struct diagnosis){0};
}
