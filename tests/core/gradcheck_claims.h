/* Gradient checks of requests that tests write down. */
#ifndef TESTS_GRADCHECK_CLAIMS_H
#define TESTS_GRADCHECK_CLAIMS_H

#include "request_builder.h"

#include <stability/gradcheck.h>

/* The gradients that a client sends. */
struct claims {
    struct stability_named_tensor items[8];
    size_t count;
};

/* Adds one; name and values must outlive the claims. */
void claim(struct claims *claims, const char *name, struct stability_shape shape, const double *values);
/* The report, or NULL with the error. */
struct stability_gradcheck_report *try_check(const struct builder *b, const struct claims *claims,
                                             const struct stability_gradcheck_options *options,
                                             struct stability_error *error);
/* The report; the test fails where the request is refused. */
struct stability_gradcheck_report *check(const struct builder *b, const struct claims *claims,
                                         const struct stability_gradcheck_options *options);
/* Of a report; the test fails where there is none by that name. */
const struct stability_gradcheck_parameter *find(const struct stability_gradcheck_report *report,
                                                 const char *name);

#endif
