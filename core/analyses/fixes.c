/* Fixes that were measured. */
#include "core/fix_search.h"

#include <stddef.h>

static const struct stability_attribute settings[] = {
    {.name = "per_finding",
     .kind = STABILITY_ATTRIBUTE_INTEGER,
     .offset = offsetof(struct fix_search_limits, per_finding),
     .minimum = 1,
     .maximum = 20,
     .number = 3,
     .documentation = "the greatest number of fixes for one finding"},
    {.name = "trials",
     .kind = STABILITY_ATTRIBUTE_INTEGER,
     .offset = offsetof(struct fix_search_limits, trials),
     .minimum = 1,
     .maximum = 1000,
     .number = 60,
     .documentation = "the greatest number of changed requests that are run"},
    {0},
};

static double bytes(const struct stability_plan *plan, const void *set, struct stability_error *error)
{
    (void)set;
    (void)error;
    return fix_search_bytes(plan);
}

static bool run(struct analysis_context *context, struct stability_result *result)
{
    struct fix_search_counts counts = {0};
    if (!fix_search_run(context, context->settings, &counts))
        return false;
    result_integer(context, result, "trials", counts.trials);
    result_integer(context, result, "helped", counts.helped);
    return true;
}

ANALYSIS_OPS(fixes) = {
    .type =
        {.name = "fixes",
         .documentation =
             "Tries changes of the request against each error and warning: every one is applied to a copy, "
             "run and diagnosed again. Those that help are the findings' `fixes`, the best first: the "
             "verdict becomes stable, then the finding is gone, then its evidence is nearer to what is "
             "accepted; of equals the smallest change. Result: trials (runs that were made), helped "
             "(changes of these that some finding is better with).",
         .source = "GET /v1/rules lists the kinds of change with their sources",
         .settings = settings},
    .settings_size = sizeof(struct fix_search_limits),
    .bytes = bytes,
    .run = run,
};
