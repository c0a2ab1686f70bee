#include "support.h"

#include "gradcheck_claims.h"

#include <string.h>

void claim(struct claims *claims, const char *name, struct stability_shape shape, const double *values)
{
    claims->items[claims->count++] =
        (struct stability_named_tensor){.name = name, .tensor = {STABILITY_FLOAT64, shape, values}};
}

struct stability_gradcheck_report *try_check(const struct builder *b, const struct claims *claims,
                                             const struct stability_gradcheck_options *options,
                                             struct stability_error *error)
{
    struct stability_tensors gradients = {claims->count, claims->items};
    return stability_gradcheck(&b->request, &gradients, options, error);
}

struct stability_gradcheck_report *check(const struct builder *b, const struct claims *claims,
                                         const struct stability_gradcheck_options *options)
{
    struct stability_error error = {0};
    struct stability_gradcheck_report *report = try_check(b, claims, options, &error);
    if (!report)
        fail_msg("refused: %s (at %s)", error.message, error.pointer);
    return report;
}

const struct stability_gradcheck_parameter *find(const struct stability_gradcheck_report *report,
                                                 const char *name)
{
    for (size_t i = 0; i < report->parameter_count; i++)
        if (strcmp(report->parameters[i].name, name) == 0)
            return &report->parameters[i];
    fail_msg("no parameter %s", name);
    return NULL;
}
