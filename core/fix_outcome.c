#include "core/fix_outcome.h"

#include <stability/registry.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- identity of a change ---- */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ byte[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return hash_bytes(hash, text, strlen(text) + 1);
}

static uint64_t hash_value(uint64_t hash, const struct stability_result *value)
{
    if (!value)
        return hash;
    hash = hash_text(hash_bytes(hash, &value->kind, sizeof(value->kind)), value->name ? value->name : "");
    switch (value->kind) {
    case STABILITY_RESULT_NULL:
        return hash;
    case STABILITY_RESULT_NUMBER:
        return hash_bytes(hash, &value->number, sizeof(value->number));
    case STABILITY_RESULT_INTEGER:
        return hash_bytes(hash, &value->integer, sizeof(value->integer));
    case STABILITY_RESULT_BOOLEAN:
        return hash_bytes(hash, &value->boolean, sizeof(value->boolean));
    case STABILITY_RESULT_TEXT:
        return hash_text(hash, value->text);
    case STABILITY_RESULT_LIST:
    case STABILITY_RESULT_OBJECT:
        for (const struct stability_result *child = value->children; child; child = child->next)
            hash = hash_value(hash, child);
        return hash_bytes(hash, "", 1);
    }
    return hash;
}

uint64_t fix_hash(const struct revision *revision)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < revision->operation_count; i++) {
        const struct stability_patch_operation *operation = &revision->operations[i];
        hash = hash_value(hash_text(hash_text(hash, operation->op), operation->path), operation->value);
    }
    return hash;
}

/* ---- does it help? ---- */

struct fix_state fix_state_of(const struct stability_report *report)
{
    struct fix_state state = {0};
    memcpy(state.findings, report->findings_by_severity, sizeof(state.findings));
    for (size_t i = 0; i < report->finding_count; i++)
        state.non_finite |= strcmp(report->findings[i].rule, "non-finite") == 0;
    return state;
}

int64_t fix_compare_states(const struct fix_state *a, const struct fix_state *b)
{
    if (a->non_finite != b->non_finite)
        return a->non_finite ? 1 : -1;
    int64_t errors = a->findings[STABILITY_ERROR_SEVERITY] - b->findings[STABILITY_ERROR_SEVERITY];
    return errors != 0 ? errors : a->findings[STABILITY_WARNING] - b->findings[STABILITY_WARNING];
}

static bool share_a_layer(const struct stability_finding *a, const struct stability_finding *b)
{
    for (size_t i = 0; i < a->layer_count; i++)
        for (size_t k = 0; k < b->layer_count; k++)
            if (strcmp(a->layers[i], b->layers[k]) == 0)
                return true;
    return a->layer_count == 0 || b->layer_count == 0;
}

/* What is left of a finding: one of the same rule that names one of its layers, and counts. */
static const struct stability_finding *what_is_left(const struct stability_finding *finding,
                                                    const struct stability_report *report)
{
    for (size_t i = 0; i < report->finding_count; i++) {
        const struct stability_finding *other = &report->findings[i];
        if (other->severity >= STABILITY_WARNING && strcmp(other->rule, finding->rule) == 0 &&
            share_a_layer(finding, other))
            return other;
    }
    return NULL;
}

/* An error of a rule that had none before. */
static bool has_new_error(const struct stability_report *report, const struct stability_report *before)
{
    for (size_t i = 0; i < report->finding_count; i++) {
        bool known = report->findings[i].severity != STABILITY_ERROR_SEVERITY;
        for (size_t k = 0; !known && k < before->finding_count; k++)
            known = before->findings[k].severity == STABILITY_ERROR_SEVERITY &&
                    strcmp(before->findings[k].rule, report->findings[i].rule) == 0;
        if (!known)
            return true;
    }
    return false;
}

static double evidence_of(const struct stability_finding *finding, const char *name)
{
    for (size_t i = 0; i < finding->evidence_count; i++)
        if (strcmp(finding->evidence[i].name, name) == 0)
            return finding->evidence[i].value;
    return (double)NAN;
}

/* Half of the way, in orders of magnitude, from where the evidence was to the threshold. */
static bool is_nearer(const struct stability_finding *finding, const struct fix_outcome *outcome)
{
    double threshold = evidence_of(finding, "threshold");
    if (outcome->evidence_count == 0 || isnan(threshold))
        return false;
    double before = outcome->before[0].value, after = outcome->after[0].value;
    if (before > threshold ? after <= threshold : after >= threshold)
        return true;
    if (threshold <= 0 || before <= 0)
        return after <= before / 2 && before > threshold;
    return fabs(log(after / threshold)) <= fabs(log(before / threshold)) / 2;
}

static enum fix_effect effect_on(const struct stability_finding *finding, const struct fix_outcome *outcome,
                                 const struct stability_report *before, const struct fix_measured *measured)
{
    const struct stability_finding *left = what_is_left(finding, measured->report);
    struct fix_state was = fix_state_of(before), is = fix_state_of(measured->report);
    int64_t change = fix_compare_states(&is, &was);
    bool unmasked = was.non_finite && !is.non_finite;
    if (change > 0 || (!unmasked && has_new_error(measured->report, before)))
        return FIX_NONE;
    if (!left && change < 0)
        return FIX_CURED;
    bool milder = left && left->severity < finding->severity;
    return milder || is_nearer(finding, outcome) ? FIX_IMPROVED : FIX_NONE;
}

/* The finding's evidence before and after, but for thresholds, which are no measurements. */
static bool take_evidence(struct fix_outcome *outcome, const struct stability_finding *finding,
                          const struct fix_measured *measured, struct arena *arena)
{
    outcome->before = arena_array(arena, finding->evidence_count, sizeof(*outcome->before));
    outcome->after = arena_array(arena, finding->evidence_count, sizeof(*outcome->after));
    if (!outcome->before || !outcome->after)
        return false;
    const struct stability_finding *now = rules_measure(finding, measured->report, measured->graph,
                                                        measured->observations, measured->thresholds, arena);
    for (size_t i = 0; now && i < finding->evidence_count; i++) {
        const char *name = finding->evidence[i].name;
        double value = evidence_of(now, name);
        if (strcmp(name, "threshold") == 0 || isnan(value))
            continue;
        outcome->before[outcome->evidence_count] = finding->evidence[i];
        outcome->after[outcome->evidence_count++] = (struct stability_evidence){name, value};
    }
    return true;
}

bool fix_outcomes(struct fix_trial *trial, const struct stability_report *report,
                  const struct fix_measured *measured, struct arena *arena)
{
    for (size_t i = 0; i < report->finding_count; i++) {
        const struct stability_finding *finding = &report->findings[i];
        struct fix_outcome *outcome = &trial->outcomes[i];
        if (finding->severity < STABILITY_WARNING)
            continue;
        if (!take_evidence(outcome, finding, measured, arena))
            return false;
        outcome->effect = effect_on(finding, outcome, report, measured);
    }
    return true;
}

/* ---- the best ones ---- */

/* A layer more or less weighs twice as much as a member that changes. */
static int64_t size_of_change(const struct revision *revision)
{
    int64_t size = 0;
    for (size_t i = 0; i < revision->operation_count; i++) {
        const char *path = revision->operations[i].path;
        bool layer = strncmp(path, "/model/layers/", 14) == 0 && !strchr(path + 14, '/');
        size += layer ? 2 : 1;
    }
    return size;
}

/* Negative where `a` is to be told before `b`; kinds that are `told` already come after others that do as
 * much. */
static int64_t compare_trials(const struct fix_trial *a, const struct fix_trial *b, size_t finding,
                              const bool *told)
{
    const int64_t differences[] = {
        (int64_t)a->verdict - (int64_t)b->verdict,
        (int64_t)b->outcomes[finding].effect - (int64_t)a->outcomes[finding].effect,
        fix_compare_states(&a->state, &b->state),
        told[a->kind] - told[b->kind],
        size_of_change(&a->revision) - size_of_change(&b->revision),
        a->kind - b->kind,
    };
    for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++)
        if (differences[i] != 0)
            return differences[i];
    return 0;
}

/* A copy of a tree, and of its texts. NULL where memory ran out. */
static const struct stability_result *copy_value(const struct stability_result *value, struct arena *arena)
{
    struct stability_result *copy = arena_allocate(arena, sizeof(*copy));
    const char *name = arena_string(arena, value->name ? value->name : "");
    if (!copy || !name)
        return NULL;
    *copy = *value;
    copy->name = name;
    copy->next = NULL;
    if (value->kind == STABILITY_RESULT_TEXT)
        return (copy->text = arena_string(arena, value->text)) ? copy : NULL;
    if (value->kind != STABILITY_RESULT_LIST && value->kind != STABILITY_RESULT_OBJECT)
        return copy;
    const struct stability_result **last = &copy->children;
    for (const struct stability_result *child = value->children; child; child = child->next) {
        struct stability_result *made = (struct stability_result *)(uintptr_t)copy_value(child, arena);
        if (!made)
            return NULL;
        *last = made;
        last = &made->next;
    }
    return copy;
}

static const struct stability_patch_operation *copy_operations(const struct revision *revision,
                                                               struct arena *arena)
{
    struct stability_patch_operation *copies = arena_array(arena, revision->operation_count, sizeof(*copies));
    for (size_t i = 0; copies && i < revision->operation_count; i++) {
        const struct stability_patch_operation *operation = &revision->operations[i];
        copies[i] =
            (struct stability_patch_operation){operation->op, arena_string(arena, operation->path),
                                               operation->value ? copy_value(operation->value, arena) : NULL};
        if (!copies[i].path || (operation->value && !copies[i].value))
            return NULL;
    }
    return copies;
}

/* The names of evidence are static: those of rules. */
static const struct stability_evidence *copy_evidence(const struct stability_evidence *evidence, size_t count,
                                                      struct arena *arena)
{
    struct stability_evidence *copy = arena_array(arena, count, sizeof(*copy));
    if (copy && count)
        memcpy(copy, evidence, count * sizeof(*copy));
    return copy;
}

static bool write_fix(struct stability_fix *fix, const struct fix_trial *trial, size_t finding,
                      const char *const *names, struct arena *arena)
{
    const struct fix_outcome *outcome = &trial->outcomes[finding];
    *fix = (struct stability_fix){
        .kind = names[trial->kind],
        .summary = arena_string(arena, trial->summary),
        .operation_count = trial->revision.operation_count,
        .operations = copy_operations(&trial->revision, arena),
        .cured = outcome->effect == FIX_CURED,
        .evidence_count = outcome->evidence_count,
        .before = copy_evidence(outcome->before, outcome->evidence_count, arena),
        .after = copy_evidence(outcome->after, outcome->evidence_count, arena),
        .verdict = trial->verdict,
        .loss = trial->loss,
        .gradient_norm = trial->gradient_norm,
    };
    memcpy(fix->findings_by_severity, trial->state.findings, sizeof(fix->findings_by_severity));
    return fix->summary && fix->operations && fix->before && fix->after;
}

/* The best trial that helps and is not taken yet. */
static const struct fix_trial *next_best(const struct fix_trial *trials, size_t count, size_t finding,
                                         const bool *taken, const bool *told)
{
    const struct fix_trial *best = NULL;
    for (size_t i = 0; i < count; i++)
        if (!taken[i] && trials[i].outcomes[finding].effect != FIX_NONE &&
            (!best || compare_trials(&trials[i], best, finding, told) < 0))
            best = &trials[i];
    return best;
}

static bool keep_for(struct stability_finding *finding, size_t index, const struct fix_trial *trials,
                     size_t count, const char *const *names, int64_t most, struct arena *arena)
{
    size_t kinds = stability_fix_type_count();
    bool *taken = arena_array(arena, count + kinds, sizeof(*taken));
    struct stability_fix *fixes = arena_array(arena, (size_t)most, sizeof(*fixes));
    if (!taken || !fixes)
        return false;
    bool *told = taken + count; /* by kind */
    const struct fix_trial *best;
    while ((int64_t)finding->fix_count < most &&
           (best = next_best(trials, count, index, taken, told)) != NULL) {
        taken[best - trials] = told[best->kind] = true;
        if (!write_fix(&fixes[finding->fix_count], best, index, names, arena))
            return false;
        finding->fix_count++;
    }
    finding->fixes = fixes;
    return true;
}

static bool helps_any(const struct fix_trial *trial, size_t finding_count)
{
    for (size_t i = 0; i < finding_count; i++)
        if (trial->outcomes[i].effect != FIX_NONE)
            return true;
    return false;
}

bool fix_keep_best(const struct fix_trial *trials, size_t count, const struct stability_report *report,
                   const char *const *names, int64_t most, int64_t *helped, struct arena *arena)
{
    *helped = 0;
    for (size_t i = 0; i < count; i++)
        *helped += helps_any(&trials[i], report->finding_count);
    /* The report's findings are the arena's, and const only to its readers. */
    struct stability_finding *findings = (struct stability_finding *)(uintptr_t)report->findings;
    for (size_t i = 0; i < report->finding_count; i++)
        if (!keep_for(&findings[i], i, trials, count, names, most, arena))
            return false;
    return true;
}
