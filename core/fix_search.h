/* The search for fixes: changes are proposed, applied to a copy of the request, run, and compared. */
#ifndef CORE_FIX_SEARCH_H
#define CORE_FIX_SEARCH_H

#include "core/analysis.h"

struct fix_search_limits {
    int64_t per_finding; /* fixes that a finding gets at most */
    int64_t trials;      /* runs of changed requests at most */
};

struct fix_search_counts {
    int64_t trials;
    int64_t helped; /* changes that some finding is better with */
};

/* Bytes that a changed request may take at most: more than the request itself, for layers that are inserted.
 */
double fix_search_bytes(const struct stability_plan *plan);
/* Fills in the fixes of the report's findings, in the context's memory. False with the error where the work
 * was stopped, or memory ran out. */
bool fix_search_run(struct analysis_context *context, const struct fix_search_limits *limits,
                    struct fix_search_counts *counts);

#endif
