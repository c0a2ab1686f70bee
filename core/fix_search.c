#include "core/fix_search.h"

#include "core/diagnose.h"
#include "core/fix.h"
#include "core/fix_outcome.h"

#include <stability/stability.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define FIX(identifier, name) extern const struct fix_ops fix_##identifier;
#include "core/fixes.def"
#undef FIX

static const struct fix_ops *const kinds[] = {
#define FIX(identifier, name) &fix_##identifier,
#include "core/fixes.def"
#undef FIX
};
enum { KIND_COUNT = sizeof(kinds) / sizeof(kinds[0]), ROUNDS = 3, MOST_LAYERS = 1000 };

size_t stability_fix_type_count(void)
{
    return KIND_COUNT;
}

const struct stability_fix_type *stability_fix_type_at(size_t index)
{
    return &kinds[index]->type;
}

struct fix_search {
    struct analysis_context *analysis;
    struct arena arena;
    const struct fix_search_limits *limits;
    int64_t runs;
    int64_t last_run; /* of this round */
    size_t count;
    size_t capacity;
    struct fix_trial *trials;
    int kind;            /* that proposes now */
    int first_kind;      /* of the change that this round goes on from; -1: none */
    const char *summary; /* likewise; NULL: none */
    bool failed;         /* memory ran out */
    bool stopped;        /* the work was told to stop */
};

/* ---- one run ---- */

struct fix_run {
    struct stability_plan *plan;
    struct stability_report *report;
    struct observations observations;
};

static void close_run(struct fix_run *run)
{
    stability_report_free(run->report);
    stability_plan_free(run->plan);
}

double fix_search_bytes(const struct stability_plan *plan)
{
    enum { STATISTICS_OF_A_LAYER = 32 << 10 };
    return 2 * (double)plan->run.memory.total + STATISTICS_OF_A_LAYER * ((double)plan->graph.node_count + 32);
}

static int64_t memory_limit(const struct fix_search *search)
{
    const struct stability_plan *plan = search->analysis->plan;
    int64_t limit = plan->graph.request->options.limits.bytes;
    double bytes = fix_search_bytes(plan);
    return limit > 0 && (double)limit < bytes ? limit : (int64_t)fmin(bytes, 9e18);
}

/* Analyses that rules do not speak of are left out. False where memory ran out. */
static bool keep_measuring(struct fix_search *search, struct stability_options *options)
{
    struct stability_analysis *kept = arena_array(&search->arena, options->analysis_count, sizeof(*kept));
    size_t count = 0;
    for (size_t i = 0; kept && i < options->analysis_count; i++)
        if (analysis_measures(options->analyses[i].name))
            kept[count++] = options->analyses[i];
    options->analyses = kept;
    options->analysis_count = count;
    search->failed |= !kept;
    return kept != NULL;
}

/* False where the changed request cannot run: then it is no fix. */
static bool open_run(struct fix_search *search, struct stability_request *request, struct fix_run *run)
{
    struct stability_error error = {0};
    *run = (struct fix_run){0};
    if (search->failed || search->stopped || search->runs >= search->last_run)
        return false;
    search->runs++;
    if (!keep_measuring(search, &request->options))
        return false;
    request->options.limits.bytes = memory_limit(search);
    run->plan = stability_plan_new(request, &error);
    if (run->plan)
        run->report = diagnose_plainly(run->plan, &run->observations, &error);
    if (error.code == STABILITY_ERROR_CANCELLED) {
        *search->analysis->error = error;
        search->stopped = true;
    }
    if (!run->report)
        close_run(run);
    return run->report != NULL;
}

/* ---- trials ---- */

/* The same operations in the same order. */
static bool was_tried(const struct fix_search *search, uint64_t hash)
{
    for (size_t i = 0; i < search->count; i++)
        if (search->trials[i].hash == hash)
            return true;
    return false;
}

static struct fix_trial *new_trial(struct fix_search *search)
{
    if (search->count == search->capacity) {
        size_t capacity = search->capacity ? 2 * search->capacity : 32;
        struct fix_trial *grown = arena_array(&search->arena, capacity, sizeof(*grown));
        if (!grown)
            return NULL;
        if (search->count)
            memcpy(grown, search->trials, search->count * sizeof(*grown));
        search->trials = grown;
        search->capacity = capacity;
    }
    struct fix_trial *trial = &search->trials[search->count];
    trial->outcomes =
        arena_array(&search->arena, search->analysis->report->finding_count, sizeof(*trial->outcomes));
    return trial->outcomes ? trial : NULL;
}

static void try_revision(struct fix_search *search, const struct revision *revision, const char *summary)
{
    uint64_t hash = fix_hash(revision);
    struct fix_run run;
    struct stability_request request = revision->request;
    if (was_tried(search, hash) || !open_run(search, &request, &run))
        return;
    struct fix_trial *trial = new_trial(search);
    search->failed |= !trial || !summary;
    if (!search->failed) {
        trial->revision = *revision;
        trial->hash = hash;
        trial->kind = search->first_kind >= 0 ? search->first_kind : search->kind;
        trial->summary =
            search->summary ? arena_format(&search->arena, "%s; then %s", search->summary, summary) : summary;
        trial->verdict = run.report->verdict;
        trial->loss = run.report->loss;
        trial->gradient_norm = run.report->gradient_norm;
        trial->state = fix_state_of(run.report);
        const struct fix_measured measured = {run.report, &run.plan->graph, &run.observations,
                                              run.plan->thresholds};
        search->failed |=
            !trial->summary || !fix_outcomes(trial, search->analysis->report, &measured, &search->arena);
        search->count++;
    }
    close_run(&run);
}

void fix_offer(const struct fix_context *context, const struct revision *revision, const char *summary, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, summary);
    vsnprintf(text, sizeof(text), summary, arguments);
    va_end(arguments);
    if (!revision->failed && revision->operation_count > context->revision->operation_count)
        try_revision(context->search, revision, arena_string(&context->search->arena, text));
}

struct revision fix_begin(const struct fix_context *context)
{
    struct revision revision;
    revision_continue(&revision, context->revision);
    return revision;
}

const double *fix_measure(const struct fix_context *context, const struct revision *revision)
{
    struct fix_run run;
    struct stability_request request = revision->request;
    if (revision->failed || !open_run(context->search, &request, &run))
        return NULL;
    double *rms = arena_array(&context->search->arena, run.report->layer_count, sizeof(*rms));
    for (size_t i = 0; rms && i < run.report->layer_count; i++) {
        const struct stability_statistics *output = run.report->layers[i].outputs[0].value;
        rms[i] = output ? output->all.rms : 0;
    }
    close_run(&run);
    return rms;
}

/* ---- rounds ---- */

static bool is_for(const struct fix_ops *ops, const char *rule)
{
    for (const char *const *name = ops->type.rules; *name; name++)
        if (strcmp(*name, rule) == 0)
            return true;
    return false;
}

static void propose_all(struct fix_search *search, struct fix_context *context)
{
    for (size_t i = 0; i < context->report->finding_count; i++) {
        context->finding = &context->report->findings[i];
        if (context->finding->severity < STABILITY_WARNING)
            continue;
        for (search->kind = 0; search->kind < KIND_COUNT; search->kind++)
            if (is_for(kinds[search->kind], context->finding->rule))
                kinds[search->kind]->propose(context);
    }
}

/* The trial that leaves least to be found, the first of equals by size; NULL: none is better than `report`.
 */
static const struct fix_trial *best_trial(const struct fix_search *search, size_t first,
                                          const struct stability_report *report)
{
    const struct fix_trial *best = NULL;
    struct fix_state state = fix_state_of(report);
    for (size_t i = first; i < search->count; i++) {
        const struct fix_trial *trial = &search->trials[i];
        int64_t change = fix_compare_states(&trial->state, best ? &best->state : &state);
        if (change < 0 ||
            (best && change == 0 && trial->revision.operation_count < best->revision.operation_count))
            best = trial;
    }
    return best;
}

static void search_on(struct fix_search *search, struct fix_context *context, int round)
{
    size_t first = search->count;
    /* Some runs are left for what the first change does not cure. */
    search->last_run = round + 1 < ROUNDS
                           ? search->runs + (2 * (search->limits->trials - search->runs) + 2) / 3
                           : search->limits->trials;
    propose_all(search, context);
    const struct fix_trial *best = best_trial(search, first, context->report);
    if (!best || best->verdict == STABILITY_STABLE || round + 1 == ROUNDS)
        return;
    struct fix_run run;
    struct stability_request request = best->revision.request;
    struct revision revision = best->revision;
    search->last_run = search->limits->trials;
    search->first_kind = best->kind;
    search->summary = best->summary;
    if (!open_run(search, &request, &run))
        return;
    struct fix_context next = {.graph = &run.plan->graph,
                               .report = run.report,
                               .observations = &run.observations,
                               .revision = &revision,
                               .arena = &search->arena,
                               .search = search};
    search_on(search, &next, round + 1);
    close_run(&run);
}

static void search_from_request(struct fix_search *search)
{
    struct analysis_context *analysis = search->analysis;
    const struct graph *graph = &analysis->plan->graph;
    struct revision revision;
    revision_begin(&revision, graph->request, &search->arena);
    struct fix_context context = {.graph = graph,
                                  .report = analysis->report,
                                  .observations = analysis->observations,
                                  .revision = &revision,
                                  .arena = &search->arena,
                                  .search = search};
    search->failed |= revision.failed;
    if (!search->failed)
        search_on(search, &context, 0);
}

bool fix_search_run(struct analysis_context *analysis, const struct fix_search_limits *limits,
                    struct fix_search_counts *counts)
{
    struct fix_search search = {.analysis = analysis, .limits = limits, .first_kind = -1};
    const struct stability_report *report = analysis->report;
    bool wanted = report->findings_by_severity[STABILITY_ERROR_SEVERITY] > 0 ||
                  report->findings_by_severity[STABILITY_WARNING] > 0;
    if (wanted && report->layer_count <= MOST_LAYERS)
        search_from_request(&search);
    const char *names[KIND_COUNT];
    for (int i = 0; i < KIND_COUNT; i++)
        names[i] = kinds[i]->type.name;
    counts->trials = search.runs;
    bool done = !search.failed && !search.stopped &&
                fix_keep_best(search.trials, search.count, report, names, limits->per_finding,
                              &counts->helped, analysis->arena);
    analysis->failed |= !done && !search.stopped;
    arena_free(&search.arena);
    return done;
}
