/* Where the first NaN or infinity comes from. */
#ifndef CORE_ORIGIN_H
#define CORE_ORIGIN_H

#include "core/plan.h"
#include "core/rule.h"

/* Runs the plan once more, looking at every tensor as it is written: fills in what is observed of the first
 * non-finite number and of the first NaN. Texts are allocated in `arena`. False with the error where memory
 * ran out or the work was stopped. */
bool origin_find(const struct stability_plan *plan, struct arena *arena, struct observations *observations,
                 struct stability_error *error);

#endif
