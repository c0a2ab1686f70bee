/* What dead-units and saturated-units share: each judges a fraction of a layer's units. */
#ifndef RULES_UNITS_H
#define RULES_UNITS_H

#include "core/rule.h"

/* The thresholds of both: the greatest fraction that is no finding, and the greatest that is no error. */
enum { FRACTION, FRACTION_ERROR };

/* Adds the finding on the layer at `index`; texts are rule_text's. False where memory ran out. */
static inline bool add_units(struct rule_context *context, size_t index, const char *name, double fraction,
                             const char *message, const char *cause)
{
    bool error = fraction > context->thresholds[FRACTION_ERROR];
    struct measured measured = {name, fraction, context->thresholds[error ? FRACTION_ERROR : FRACTION]};
    return rule_add_measured(context, (int)index, error ? STABILITY_ERROR_SEVERITY : STABILITY_WARNING,
                             &measured, message, cause);
}

#endif
