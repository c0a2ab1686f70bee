/* Diagnoses and gradient checks that may allocate what their plan says, and not much more: where they ask for
 * more, the test fails. `what` says of which request its message speaks. */
#ifndef TESTS_WITHIN_PLAN_H
#define TESTS_WITHIN_PLAN_H

#include <stability/gradcheck.h>
#include <stability/stability.h>

/* NULL with the error where the request is refused. */
struct stability_report *diagnose_within_plan(const struct stability_request *request, const char *what,
                                              struct stability_error *error);

struct stability_gradcheck_report *gradcheck_within_plan(const struct stability_request *request,
                                                         const char *what, struct stability_error *error);

#endif
