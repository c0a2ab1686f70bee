#include "core/analysis.h"

#include <math.h>
#include <string.h>

#define ANALYSIS(identifier, name) extern const struct analysis_ops analysis_##identifier;
#include "core/analyses.def"
#undef ANALYSIS

static const struct analysis_ops *const analyses[] = {
#define ANALYSIS(identifier, name) &analysis_##identifier,
#include "core/analyses.def"
#undef ANALYSIS
};
enum { ANALYSIS_COUNT = sizeof(analyses) / sizeof(analyses[0]) };

size_t stability_analysis_type_count(void)
{
    return ANALYSIS_COUNT;
}

const struct stability_analysis_type *stability_analysis_type_at(size_t index)
{
    return &analyses[index]->type;
}

/* ---- what to run ---- */

static bool out_of_memory(struct stability_error *error)
{
    return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for the analyses");
}

static int find_analysis(const char *name, const char *pointer, struct stability_error *error)
{
    const char *known[ANALYSIS_COUNT + 1] = {0};
    for (int i = 0; i < ANALYSIS_COUNT; i++) {
        known[i] = analyses[i]->type.name;
        if (strcmp(name, known[i]) == 0)
            return i;
    }
    const char *nearest = stability_nearest(name, known);
    stability_fail(error, STABILITY_ERROR_UNKNOWN_MEMBER, pointer, "unknown analysis '%s'%s%s%s", name,
                   nearest ? ": did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return -1;
}

static void *read_settings(const struct analysis_ops *ops, const struct stability_members *given,
                           const char *pointer, struct arena *arena, struct stability_error *error)
{
    static const struct stability_attribute none[] = {{0}};
    const char *const owner[] = {"analysis '", ops->type.name, "'", NULL};
    struct attribute_scope scope = {.owner = arena_join(arena, owner), .pointer = pointer, .arena = arena};
    void *settings = arena_allocate(arena, ops->settings_size);
    if (!scope.owner || !settings) {
        out_of_memory(error);
        return NULL;
    }
    const struct stability_attribute *rows = ops->type.settings;
    if (!attributes_read(rows ? rows : none, given, settings, &scope, error) ||
        (ops->check && !ops->check(settings, pointer, error)))
        return NULL;
    return settings;
}

/* Finds what a request asks of each analysis: NULL where it is not asked for. */
static bool find_requested(const struct stability_analysis *requested[ANALYSIS_COUNT],
                           const struct stability_options *options, struct stability_error *error)
{
    for (size_t i = 0; i < options->analysis_count; i++) {
        char pointer[384] = "/options/analyses";
        stability_pointer_append(pointer, sizeof(pointer), options->analyses[i].name);
        int index = find_analysis(options->analyses[i].name, pointer, error);
        if (index < 0)
            return false;
        requested[index] = &options->analyses[i];
    }
    return true;
}

bool analyses_read(struct analyses *to_run, const struct stability_options *options, struct arena *arena,
                   struct stability_error *error)
{
    static const struct stability_members nothing = {0};
    const struct stability_analysis *requested[ANALYSIS_COUNT] = {0};
    *to_run = (struct analyses){.ops = arena_array(arena, ANALYSIS_COUNT, sizeof(*to_run->ops)),
                                .settings = arena_array(arena, ANALYSIS_COUNT, sizeof(*to_run->settings)),
                                .requested = arena_array(arena, ANALYSIS_COUNT, sizeof(*to_run->requested))};
    if (!to_run->ops || !to_run->settings || !to_run->requested)
        return out_of_memory(error);
    if (!find_requested(requested, options, error))
        return false;
    for (int i = 0; i < ANALYSIS_COUNT; i++) {
        if (!requested[i] && !analyses[i]->type.always)
            continue;
        char pointer[384] = "/options/analyses";
        stability_pointer_append(pointer, sizeof(pointer), analyses[i]->type.name);
        void *settings = read_settings(analyses[i], requested[i] ? &requested[i]->settings : &nothing,
                                       pointer, arena, error);
        if (!settings)
            return false;
        if (requested[i])
            to_run->requested[to_run->requested_count++] = analyses[i]->type.name;
        to_run->ops[to_run->count] = analyses[i];
        to_run->settings[to_run->count++] = settings;
    }
    return true;
}

double analyses_bytes(const struct stability_plan *plan, double kept, struct stability_error *error)
{
    int64_t limit = plan->graph.request->options.limits.bytes;
    double most = kept;
    for (size_t i = 0; i < plan->analyses.count; i++) {
        const struct analysis_ops *ops = plan->analyses.ops[i];
        double bytes = ops->bytes ? ops->bytes(plan, plan->analyses.settings[i], error) : 0;
        if (bytes < 0)
            return -1;
        most = kept + bytes > most ? kept + bytes : most;
        if (limit <= 0 || kept + bytes <= (double)limit)
            continue;
        char pointer[384] = "/options/analyses";
        stability_pointer_append(pointer, sizeof(pointer), ops->type.name);
        stability_fail(error, STABILITY_ERROR_MODEL_TOO_LARGE, pointer,
                       "the request needs %.0f bytes of memory for the analysis '%s', the limit is %lld",
                       kept + bytes, ops->type.name, (long long)limit);
        return -1;
    }
    return most;
}

bool analysis_measures(const char *name)
{
    for (int i = 0; i < ANALYSIS_COUNT; i++)
        if (strcmp(analyses[i]->type.name, name) == 0)
            return analyses[i]->measure != NULL;
    return false;
}

bool analyses_measure(const struct stability_plan *plan, struct observations *observations,
                      struct arena *arena, struct stability_error *error)
{
    for (size_t i = 0; i < plan->analyses.count; i++) {
        const struct analysis_ops *ops = plan->analyses.ops[i];
        if (ops->measure && !ops->measure(plan, plan->analyses.settings[i], observations, arena, error))
            return false;
    }
    return true;
}

/* The names, which are static, in the report's memory. */
static const char *const *keep_requested(const struct analyses *analyses, struct arena *arena)
{
    const char **names = arena_array(arena, analyses->requested_count, sizeof(*names));
    for (size_t i = 0; names && i < analyses->requested_count; i++)
        names[i] = analyses->requested[i];
    return names;
}

bool analyses_run(struct stability_report *report, const struct stability_plan *plan,
                  const struct observations *observations, struct arena *arena, struct stability_error *error)
{
    struct analysis_context context = {
        .plan = plan, .report = report, .observations = observations, .arena = arena, .error = error};
    struct stability_result *all = result_object(&context, NULL, "");
    for (size_t i = 0; all && i < plan->analyses.count; i++) {
        context.settings = plan->analyses.settings[i];
        const struct analysis_ops *ops = plan->analyses.ops[i];
        struct stability_result *result = result_object(&context, all, ops->type.name);
        if (!result || !ops->run(&context, result))
            return out_of_memory(error); /* or the error that is there already */
    }
    report->analyses = all;
    report->asked_count = plan->analyses.requested_count;
    report->asked = keep_requested(&plan->analyses, arena);
    return (!context.failed && report->asked) || out_of_memory(error);
}

/* ---- results ---- */

/* A result while it is made: the first member is what the report shows. */
struct growing {
    struct stability_result result;
    struct growing *last; /* child */
};

/* Zeroed but for its kind and name. */
static struct stability_result *add(struct analysis_context *context, struct stability_result *parent,
                                    const char *name, enum stability_result_kind kind)
{
    struct growing *added = arena_allocate(context->arena, sizeof(*added));
    if (!added) {
        context->failed = true;
        return NULL;
    }
    added->result.kind = kind;
    added->result.name = name;
    struct growing *to = (struct growing *)parent;
    if (to && to->last)
        to->last->result.next = &added->result;
    else if (to)
        to->result.children = &added->result;
    if (to)
        to->last = added;
    return &added->result;
}

struct stability_result *result_object(struct analysis_context *context, struct stability_result *parent,
                                       const char *name)
{
    return add(context, parent, name, STABILITY_RESULT_OBJECT);
}

struct stability_result *result_list(struct analysis_context *context, struct stability_result *parent,
                                     const char *name)
{
    return add(context, parent, name, STABILITY_RESULT_LIST);
}

void result_number(struct analysis_context *context, struct stability_result *parent, const char *name,
                   double number)
{
    if (isnan(number))
        add(context, parent, name, STABILITY_RESULT_NULL);
    else
        result_value(context, parent, name, number);
}

void result_value(struct analysis_context *context, struct stability_result *parent, const char *name,
                  double number)
{
    struct stability_result *result = add(context, parent, name, STABILITY_RESULT_NUMBER);
    if (result)
        result->number = number;
}

void result_position(struct analysis_context *context, struct stability_result *parent, const char *name,
                     const struct stability_shape *shape, int64_t element)
{
    int64_t position[STABILITY_MAX_RANK];
    for (int d = shape->rank - 1; d >= 0; d--) {
        position[d] = element % shape->sizes[d];
        element /= shape->sizes[d];
    }
    struct stability_result *list = result_list(context, parent, name);
    for (int d = 0; d < shape->rank; d++)
        result_integer(context, list, "", position[d]);
}

void result_integer(struct analysis_context *context, struct stability_result *parent, const char *name,
                    int64_t integer)
{
    struct stability_result *result = add(context, parent, name, STABILITY_RESULT_INTEGER);
    if (result)
        result->integer = integer;
}

void result_boolean(struct analysis_context *context, struct stability_result *parent, const char *name,
                    bool boolean)
{
    struct stability_result *result = add(context, parent, name, STABILITY_RESULT_BOOLEAN);
    if (result)
        result->boolean = boolean;
}

void result_text(struct analysis_context *context, struct stability_result *parent, const char *name,
                 const char *text)
{
    struct stability_result *result =
        add(context, parent, name, text ? STABILITY_RESULT_TEXT : STABILITY_RESULT_NULL);
    if (!result || !text)
        return;
    result->text = arena_string(context->arena, text);
    context->failed |= !result->text;
}
