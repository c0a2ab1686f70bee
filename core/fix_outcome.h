/* What a trial of a change came to, and which of them are worth telling. */
#ifndef CORE_FIX_OUTCOME_H
#define CORE_FIX_OUTCOME_H

#include "core/revision.h"
#include "core/rule.h"

enum fix_effect { FIX_NONE, FIX_IMPROVED, FIX_CURED };

/* For one finding of the request's report. */
struct fix_outcome {
    enum fix_effect effect;
    size_t evidence_count;
    struct stability_evidence *before;
    struct stability_evidence *after;
};

/* What is wrong with a request: by it changes are compared. A number that is not finite hides what else is
 * wrong, and weighs more than any number of errors. */
struct fix_state {
    bool non_finite;
    int64_t findings[3]; /* by severity */
};

struct fix_trial {
    struct revision revision;
    uint64_t hash; /* of its operations */
    int kind;
    const char *summary;
    enum stability_verdict verdict;
    double loss;
    double gradient_norm;
    struct fix_state state;
    struct fix_outcome *outcomes; /* by finding of the request's report */
};

/* A run of a changed request. */
struct fix_measured {
    const struct stability_report *report;
    const struct graph *graph;
    const struct observations *observations;
    double *const *thresholds;
};

/* Of all operations: FNV-1a. */
uint64_t fix_hash(const struct revision *revision);
struct fix_state fix_state_of(const struct stability_report *report);
/* Negative where `a` has less wrong with it than `b`, 0 where they have as much. */
int64_t fix_compare_states(const struct fix_state *a, const struct fix_state *b);
/* Fills in the outcomes for the findings of `report`. False where memory ran out. */
bool fix_outcomes(struct fix_trial *trial, const struct stability_report *report,
                  const struct fix_measured *measured, struct arena *arena);
/* Gives every finding of `report` the best trials that help it, at most `most`, copied into `arena`. `names`
 * are those of the kinds. False where memory ran out. */
bool fix_keep_best(const struct fix_trial *trials, size_t count, const struct stability_report *report,
                   const char *const *names, int64_t most, int64_t *helped, struct arena *arena);

#endif
