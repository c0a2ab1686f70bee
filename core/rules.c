#include "core/fingerprint.h"
#include "core/rule.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULE(identifier, name) extern const struct rule_ops rule_##identifier;
#include "core/rules.def"
#undef RULE

static const struct rule_ops *const rules[] = {
#define RULE(identifier, name) &rule_##identifier,
#include "core/rules.def"
#undef RULE
};
enum { RULE_COUNT = sizeof(rules) / sizeof(rules[0]) };

size_t stability_rule_type_count(void)
{
    return RULE_COUNT;
}

const struct stability_rule_type *stability_rule_type_at(size_t index)
{
    return &rules[index]->type;
}

/* ---- thresholds ---- */

static size_t count_thresholds(const struct rule_ops *rule)
{
    size_t count = 0;
    while (rule->type.thresholds && rule->type.thresholds[count].name)
        count++;
    return count;
}

static bool unknown_name(const char *what, const char *name, const char *const *known, const char *pointer,
                         struct stability_error *error)
{
    const char *nearest = stability_nearest(name, known);
    return stability_fail(error, STABILITY_ERROR_UNKNOWN_MEMBER, pointer, "unknown %s '%s'%s%s%s", what, name,
                          nearest ? ": did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static int find_rule(const char *name, const char *pointer, struct stability_error *error)
{
    const char *known[RULE_COUNT + 1] = {0};
    for (int i = 0; i < RULE_COUNT; i++) {
        known[i] = rules[i]->type.name;
        if (strcmp(name, known[i]) == 0)
            return i;
    }
    unknown_name("rule", name, known, pointer, error);
    return -1;
}

/* The row that a member sets; "" is the first one. */
static int find_threshold(const struct rule_ops *rule, const char *name, const char *pointer,
                          struct stability_error *error)
{
    enum { MOST = 16 };
    const char *known[MOST + 1] = {0};
    size_t count = count_thresholds(rule);
    for (size_t i = 0; i < count && i < MOST; i++) {
        known[i] = rule->type.thresholds[i].name;
        if (name[0] == '\0' || strcmp(name, known[i]) == 0)
            return (int)i;
    }
    if (count == 0)
        stability_fail(error, STABILITY_ERROR_UNKNOWN_MEMBER, pointer, "rule '%s' has no thresholds",
                       rule->type.name);
    else
        unknown_name("threshold", name, known, pointer, error);
    return -1;
}

static bool set_thresholds(const struct stability_rule_thresholds *given, double **all,
                           struct stability_error *error)
{
    char pointer[384] = "/options/thresholds";
    stability_pointer_append(pointer, sizeof(pointer), given->rule);
    int rule = find_rule(given->rule, pointer, error);
    for (size_t i = 0; rule >= 0 && i < given->values.count; i++) {
        const struct stability_member *member = &given->values.items[i];
        char at[384];
        snprintf(at, sizeof(at), "%s", pointer);
        if (member->name[0])
            stability_pointer_append(at, sizeof(at), member->name);
        int row = find_threshold(rules[rule], member->name, at, error);
        if (row < 0)
            return false;
        if (member->value.kind == STABILITY_INTEGER)
            all[rule][row] = (double)member->value.integer;
        else if (member->value.kind == STABILITY_REAL)
            all[rule][row] = member->value.real;
        else
            return stability_fail(error, STABILITY_ERROR_INVALID_VALUE, at, "a threshold must be a number");
    }
    return rule >= 0;
}

double **rules_read_thresholds(const struct graph *graph, struct arena *arena, struct stability_error *error)
{
    double **all = arena_array(arena, RULE_COUNT, sizeof(*all));
    for (int i = 0; all && i < RULE_COUNT; i++) {
        size_t count = count_thresholds(rules[i]);
        all[i] = arena_array(arena, count, sizeof(**all));
        if (!all[i])
            all = NULL;
        for (size_t k = 0; all && k < count; k++)
            all[i][k] = rules[i]->type.thresholds[k].number;
    }
    if (!all) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for thresholds");
        return NULL;
    }
    const struct stability_options *options = &graph->request->options;
    for (size_t i = 0; i < options->threshold_count; i++)
        if (!set_thresholds(&options->thresholds[i], all, error))
            return NULL;
    return all;
}

/* ---- findings ---- */

const char *rule_text(struct rule_context *context, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return arena_string(context->arena, text);
}

static bool add_flag(struct rule_context *context, int node, const char *rule)
{
    struct finding_list *list = context->findings;
    size_t count = list->flag_counts[node];
    if (count > 0 && strcmp(list->flags[node][count - 1], rule) == 0)
        return true;
    if (!list->flags[node])
        list->flags[node] = arena_array(context->arena, RULE_COUNT, sizeof(**list->flags));
    if (!list->flags[node])
        return false;
    list->flags[node][list->flag_counts[node]++] = rule;
    return true;
}

static struct stability_finding *new_finding(struct rule_context *context)
{
    struct finding_list *list = context->findings;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 16;
        struct stability_finding *grown = arena_array(context->arena, capacity, sizeof(*grown));
        if (!grown)
            return NULL;
        if (list->count)
            memcpy(grown, list->items, list->count * sizeof(*grown));
        list->items = grown;
        list->capacity = capacity;
    }
    return &list->items[list->count];
}

bool rule_add(struct rule_context *context, const struct finding *finding)
{
    struct stability_finding *added = new_finding(context);
    const char **layers = arena_array(context->arena, finding->node_count, sizeof(*layers));
    struct stability_evidence *evidence =
        arena_array(context->arena, finding->evidence_count, sizeof(*evidence));
    bool complete = added && layers && evidence && finding->message && finding->cause;
    for (size_t i = 0; complete && i < finding->node_count; i++) {
        layers[i] = context->report->layers[finding->nodes[i]].name;
        complete = add_flag(context, finding->nodes[i], context->rule->type.name);
    }
    if (!complete)
        return stability_fail(context->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for findings");
    if (finding->evidence_count)
        memcpy(evidence, finding->evidence, finding->evidence_count * sizeof(*evidence));
    *added = (struct stability_finding){
        .rule = context->rule->type.name,
        .severity = finding->severity,
        .layer_count = finding->node_count,
        .layers = layers,
        .message = finding->message,
        .cause = finding->cause,
        .evidence_count = finding->evidence_count,
        .evidence = evidence,
    };
    fingerprint_write(added->fingerprint, added->rule, layers, added->layer_count);
    context->findings->count++;
    return true;
}

bool rule_add_measured(struct rule_context *context, int node, enum stability_severity severity,
                       const struct measured *measured, const char *message, const char *cause)
{
    struct stability_evidence evidence[] = {{measured->name, measured->value},
                                            {"threshold", measured->threshold}};
    struct finding finding = {
        .severity = severity,
        .nodes = &node,
        .node_count = 1,
        .message = message,
        .cause = cause,
        .evidence = evidence,
        .evidence_count = 2,
    };
    return rule_add(context, &finding);
}

/* Most severe first; within a severity in the order of rules.def, roots before consequences. */
static bool sort_by_severity(struct finding_list *list, struct arena *arena)
{
    struct stability_finding *sorted = arena_array(arena, list->count, sizeof(*sorted));
    if (!sorted)
        return false;
    size_t count = 0;
    for (int severity = STABILITY_ERROR_SEVERITY; severity >= STABILITY_INFO; severity--)
        for (size_t i = 0; i < list->count; i++)
            if ((int)list->items[i].severity == severity)
                sorted[count++] = list->items[i];
    list->items = sorted;
    return true;
}

static void take_findings(struct stability_report *report, struct stability_layer_report *layers,
                          const struct finding_list *list)
{
    report->findings = list->items;
    report->finding_count = list->count;
    for (size_t i = 0; i < list->count; i++)
        report->findings_by_severity[list->items[i].severity]++;
    for (size_t i = 0; i < report->layer_count; i++) {
        layers[i].flags = list->flags[i];
        layers[i].flag_count = list->flag_counts[i];
    }
    report->verdict = report->findings_by_severity[STABILITY_ERROR_SEVERITY] ? STABILITY_UNSTABLE
                      : report->findings_by_severity[STABILITY_WARNING]      ? STABILITY_WARN
                                                                             : STABILITY_STABLE;
}

static bool keep_thresholds(struct stability_report *report, double *const *thresholds, struct arena *arena)
{
    size_t count = 0;
    for (int i = 0; i < RULE_COUNT; i++)
        count += count_thresholds(rules[i]);
    struct stability_threshold_report *kept = arena_array(arena, count, sizeof(*kept));
    report->thresholds = kept;
    for (int i = 0; kept && i < RULE_COUNT; i++) {
        const struct stability_rule_type *type = &rules[i]->type;
        for (size_t k = 0; k < count_thresholds(rules[i]); k++)
            if (thresholds[i][k] != type->thresholds[k].number)
                kept[report->threshold_count++] = (struct stability_threshold_report){
                    type->name, type->thresholds[k].name, thresholds[i][k]};
    }
    return kept;
}

bool rules_run(struct stability_report *report, const struct graph *graph,
               const struct observations *observations, double *const *thresholds, struct arena *arena,
               struct stability_error *error)
{
    struct finding_list list = {
        .flag_counts = arena_array(arena, report->layer_count, sizeof(*list.flag_counts)),
        .flags = arena_array(arena, report->layer_count, sizeof(*list.flags)),
    };
    struct rule_context context = {
        .graph = graph,
        .report = report,
        .observations = observations,
        .arena = arena,
        .findings = &list,
        .error = error,
    };
    if (!list.flag_counts || !list.flags || !keep_thresholds(report, thresholds, arena))
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for findings");
    for (int i = 0; i < RULE_COUNT; i++) {
        context.rule = rules[i];
        context.thresholds = thresholds[i];
        if (!rules[i]->check(&context))
            return false;
    }
    if (!sort_by_severity(&list, arena))
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for findings");
    /* The report's layers are the arena's, and const only to its readers. */
    take_findings(report, (struct stability_layer_report *)(uintptr_t)report->layers, &list);
    return true;
}

/* ---- the same finding elsewhere ---- */

static double evidence_of(const struct stability_finding *finding, const char *name)
{
    for (size_t i = 0; i < finding->evidence_count; i++)
        if (strcmp(finding->evidence[i].name, name) == 0)
            return finding->evidence[i].value;
    return (double)NAN;
}

/* The rule's thresholds, with the one that the finding broke (and "rms" too where that is "rms_error") moved
 * to where it is always broken. NULL where the finding names none, or memory ran out. */
static double *loosened(const struct rule_ops *rule, const double *thresholds,
                        const struct stability_finding *finding, struct arena *arena)
{
    size_t count = count_thresholds(rule);
    double *loose = arena_array(arena, count, sizeof(*loose));
    double threshold = evidence_of(finding, "threshold");
    if (!loose || isnan(threshold))
        return NULL;
    for (size_t i = 0; i < count; i++)
        loose[i] = thresholds[i];
    for (size_t i = 0; i < count; i++) {
        const struct stability_threshold *row = &rule->type.thresholds[i];
        if (thresholds[i] != threshold)
            continue;
        for (size_t k = 0; k <= i; k++)
            if (strncmp(rule->type.thresholds[k].name, row->name, strlen(rule->type.thresholds[k].name)) == 0)
                loose[k] = rule->least >> i & 1 ? (double)INFINITY : -(double)INFINITY;
    }
    return loose;
}

static bool names_layer(const struct stability_finding *finding, const char *layer)
{
    for (size_t i = 0; i < finding->layer_count; i++)
        if (strcmp(finding->layers[i], layer) == 0)
            return true;
    return false;
}

/* How well a finding of the same rule fits: 2 with the first layer of `finding`, 1 with another one, 0 with
 * none, or where it tells of something else. */
static int likeness(const struct stability_finding *finding, const struct stability_finding *other)
{
    if (finding->evidence_count == 0 || other->evidence_count == 0 ||
        strcmp(finding->evidence[0].name, other->evidence[0].name) != 0)
        return 0;
    if (finding->layer_count == 0 || names_layer(other, finding->layers[0]))
        return 2;
    for (size_t i = 1; i < finding->layer_count; i++)
        if (names_layer(other, finding->layers[i]))
            return 1;
    return 0;
}

static const struct stability_finding *nearest_finding(const struct stability_finding *finding,
                                                       const struct finding_list *list)
{
    const struct stability_finding *nearest = NULL;
    int greatest = 0;
    for (size_t i = 0; i < list->count; i++) {
        int like = likeness(finding, &list->items[i]);
        if (like > greatest)
            nearest = &list->items[i];
        greatest = like > greatest ? like : greatest;
    }
    return nearest;
}

const struct stability_finding *rules_measure(const struct stability_finding *finding,
                                              const struct stability_report *report,
                                              const struct graph *graph,
                                              const struct observations *observations,
                                              double *const *thresholds, struct arena *arena)
{
    struct stability_error error = {0};
    int index = find_rule(finding->rule, "", &error);
    struct finding_list list = {
        .flag_counts = arena_array(arena, report->layer_count, sizeof(*list.flag_counts)),
        .flags = arena_array(arena, report->layer_count, sizeof(*list.flags)),
    };
    double *loose = index < 0 ? NULL : loosened(rules[index], thresholds[index], finding, arena);
    if (!list.flag_counts || !list.flags || !loose)
        return NULL;
    struct rule_context context = {
        .graph = graph,
        .report = report,
        .observations = observations,
        .thresholds = loose,
        .rule = rules[index],
        .arena = arena,
        .findings = &list,
        .error = &error,
    };
    return rules[index]->check(&context) ? nearest_finding(finding, &list) : NULL;
}
