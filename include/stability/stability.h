/* libstability: diagnoses the numerical stability of a neural network.
 *
 *     struct stability_error error = {0};
 *     struct stability_plan *plan = stability_plan_new(&request, &error);
 *     struct stability_report *report = plan ? stability_diagnose(plan, &error) : NULL;
 *     ...
 *     stability_report_free(report);
 *     stability_plan_free(plan);
 *
 * The library never prints and never exits. Functions may be called from several threads on different plans.
 */
#ifndef STABILITY_H
#define STABILITY_H

#include "registry.h"
#include "report.h"
#include "request.h"

#define STABILITY_VERSION "1.0.0"

/* Call once, before other threads start: sets OpenBLAS to one thread and checks that the linked variant may
 * be called from several. False with a message where it may not. */
bool stability_initialize(struct stability_error *error);

struct stability_plan;

/* Checks the whole request and plans its memory; nothing is computed. The request is borrowed until the plan
 * is freed. NULL on error. */
struct stability_plan *stability_plan_new(const struct stability_request *request,
                                          struct stability_error *error);
void stability_plan_free(struct stability_plan *plan);
/* Bytes that a run of the plan takes at its peak, without the request's own. */
int64_t stability_plan_bytes(const struct stability_plan *plan);
/* Floating-point operations of one forward and one backward pass. */
int64_t stability_plan_flops(const struct stability_plan *plan);

/* One forward and one backward pass, statistics, findings. The report does not refer to the plan or the
 * request. NULL on error. */
struct stability_report *stability_diagnose(const struct stability_plan *plan, struct stability_error *error);

#endif
