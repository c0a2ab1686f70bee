/* Float64 in place of float32. */
#include "core/fix.h"

static void propose(const struct fix_context *context)
{
    if (context->graph->request->options.precision == STABILITY_PRECISION_FLOAT64)
        return;
    struct revision revision = fix_begin(context);
    revision_set_float64(&revision);
    fix_offer(context, &revision, "compute in float64");
}

static const char *const rules[] = {"non-finite", NULL};

FIX_OPS(precision) = {
    .type = {.name = "precision",
             .documentation = "What overflows float32, whose greatest number is 3.4e38, may fit float64.",
             .source = "IEEE 754-2019, section 3.6",
             .rules = rules},
    .propose = propose,
};
