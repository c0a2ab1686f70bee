/* A diagnosis for the core's own use. */
#ifndef CORE_DIAGNOSE_H
#define CORE_DIAGNOSE_H

#include "core/plan.h"
#include "core/rule.h"

/* As stability_diagnose, without analyses. The observations live as long as the report. NULL on error. */
struct stability_report *diagnose_plainly(const struct stability_plan *plan,
                                          struct observations *observations, struct stability_error *error);

#endif
