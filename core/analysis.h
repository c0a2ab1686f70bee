/* What an analysis is: from a run to a tree of results. One const struct each, in a file of its own under
 * analyses/, listed in analyses.def. */
#ifndef CORE_ANALYSIS_H
#define CORE_ANALYSIS_H

#include "core/arena.h"
#include "core/plan.h"
#include "core/rule.h"

#include <stability/registry.h>

struct analysis_context {
    const struct stability_plan *plan;
    const struct stability_report *report; /* complete but for the analyses */
    const struct observations *observations;
    const void *settings; /* the analysis's private struct */
    struct arena *arena;  /* the report's */
    struct stability_error *error;
    bool failed; /* memory ran out while the result was made */
};

struct analysis_ops {
    struct stability_analysis_type type;
    size_t settings_size;
    /* Checks what the rows cannot: one setting against another. `pointer` is that of the settings' object.
     * NULL: nothing is left to check. */
    bool (*check)(const void *settings, const char *pointer, struct stability_error *error);
    /* Bytes that it takes while it runs: a trial's (core/trial.h), a result whose size follows a setting.
     * Asked before anything is computed: a request that it cannot be done on is refused here, with a negative
     * number and the error. NULL: next to none. */
    double (*bytes)(const struct stability_plan *plan, const void *settings, struct stability_error *error);
    /* Takes what rules read too: runs before them, and leaves it in the observations, in the arena. NULL:
     * nothing.
     */
    bool (*measure)(const struct stability_plan *plan, const void *settings,
                    struct observations *observations, struct arena *arena, struct stability_error *error);
    /* Fills in the result, an object. False with the error, or with `failed` set, where it could not. */
    bool (*run)(struct analysis_context *context, struct stability_result *result);
};

#define ANALYSIS_OPS(identifier) const struct analysis_ops analysis_##identifier

/* Each adds a value at the end of a list or an object (`name` is "" in a list) and returns it. Texts are
 * copied, names are not. Where memory ran out they set `failed` and return NULL; a NULL parent is ignored. */
struct stability_result *result_object(struct analysis_context *context, struct stability_result *parent,
                                       const char *name);
struct stability_result *result_list(struct analysis_context *context, struct stability_result *parent,
                                     const char *name);
void result_number(struct analysis_context *context, struct stability_result *parent, const char *name,
                   double number); /* NaN: null */
/* The same for what was measured, which may be no number: "NaN" in the report. */
void result_value(struct analysis_context *context, struct stability_result *parent, const char *name,
                  double number);
/* A list: where in a tensor of that shape the element with this flat index is. */
void result_position(struct analysis_context *context, struct stability_result *parent, const char *name,
                     const struct stability_shape *shape, int64_t element);
void result_integer(struct analysis_context *context, struct stability_result *parent, const char *name,
                    int64_t integer);
void result_boolean(struct analysis_context *context, struct stability_result *parent, const char *name,
                    bool boolean);
void result_text(struct analysis_context *context, struct stability_result *parent, const char *name,
                 const char *text); /* NULL: null */

/* Reads what a request asks for; names and settings are checked. */
bool analyses_read(struct analyses *analyses, const struct stability_options *options, struct arena *arena,
                   struct stability_error *error);
/* The most bytes that one of them takes while it runs, beside `kept` ones, which are part of it; -1 with the
 * error where one of them refuses, or takes more than options.limits.bytes. */
double analyses_bytes(const struct stability_plan *plan, double kept, struct stability_error *error);
/* Whether rules speak of what the analysis of that name measures. */
bool analysis_measures(const char *name);
/* Takes what their rules need, before these run. */
bool analyses_measure(const struct stability_plan *plan, struct observations *observations,
                      struct arena *arena, struct stability_error *error);
/* Runs them; the results end up in report->analyses. */
bool analyses_run(struct stability_report *report, const struct stability_plan *plan,
                  const struct observations *observations, struct arena *arena,
                  struct stability_error *error);

#endif
