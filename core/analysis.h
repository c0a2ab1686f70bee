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
void result_integer(struct analysis_context *context, struct stability_result *parent, const char *name,
                    int64_t integer);
void result_boolean(struct analysis_context *context, struct stability_result *parent, const char *name,
                    bool boolean);
void result_text(struct analysis_context *context, struct stability_result *parent, const char *name,
                 const char *text); /* NULL: null */

/* Reads what a request asks for; names and settings are checked. */
bool analyses_read(struct analyses *analyses, const struct stability_options *options, struct arena *arena,
                   struct stability_error *error);
/* Runs them; the results end up in report->analyses. */
bool analyses_run(struct stability_report *report, const struct stability_plan *plan,
                  const struct observations *observations, struct arena *arena,
                  struct stability_error *error);

#endif
