#include "within_plan.h"

#include "support.h"
#include "support_allocation.h"

enum { KILO = 1024, TABLES = 1024 * KILO };

/* What is asked for in blocks, each twice as large as the one before it up to 1 MiB (core/arena.h). */
static size_t in_blocks(size_t bytes)
{
    const size_t block = 1024 * KILO;
    return bytes + (bytes < block ? bytes : block);
}

/* The plan has what grows with tensors and their number: on top of it come texts, findings, results. */
static size_t allowed(int64_t planned)
{
    return in_blocks((size_t)planned + (size_t)planned / 2 + 64 * KILO);
}

static void check(const char *what, const char *who, size_t most)
{
    size_t refused = support_refused_allocation();
    if (refused > 0)
        fail_msg("%s: %s is to take no more than %zu bytes, and asked for %zu at once", what, who, most,
                 refused);
}

struct stability_report *diagnose_within_plan(const struct stability_request *request, const char *what,
                                              struct stability_error *error)
{
    support_limit_allocations(TABLES);
    struct stability_plan *plan = stability_plan_new(request, error);
    check(what, "the plan itself", TABLES);
    if (!plan)
        return NULL;
    size_t most = allowed(stability_plan_bytes(plan));
    support_limit_allocations(most);
    struct stability_report *report = stability_diagnose(plan, error);
    check(what, "the diagnosis, by its plan,", most);
    stability_plan_free(plan);
    return report;
}

struct stability_gradcheck_report *gradcheck_within_plan(const struct stability_request *request,
                                                         const char *what, struct stability_error *error)
{
    static const struct stability_tensors none = {0};
    struct stability_gradcheck_options options = stability_default_gradcheck_options;
    options.mode = STABILITY_GRADCHECK_SAMPLED;
    options.samples = 4;
    options.threads = 2;
    support_limit_allocations(TABLES);
    int64_t bytes = stability_gradcheck_bytes(request, &options, error);
    check(what, "the plan of a gradient check", TABLES);
    if (bytes < 0)
        return NULL;
    size_t most = allowed(bytes);
    support_limit_allocations(most);
    struct stability_gradcheck_report *report = stability_gradcheck(request, &none, &options, error);
    check(what, "the gradient check, by its plan,", most);
    return report;
}
