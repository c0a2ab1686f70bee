/* Another learning rate. */
#include "core/fix.h"

#include <math.h>
#include <string.h>

static double evidence_of(const struct stability_finding *finding, const char *name)
{
    for (size_t i = 0; i < finding->evidence_count; i++)
        if (strcmp(finding->evidence[i].name, name) == 0)
            return finding->evidence[i].value;
    return (double)NAN;
}

/* Two digits are as much as a rate deserves. */
static double rounded(double rate)
{
    double unit = pow(10, floor(log10(rate)) - 1);
    return round(rate / unit) * unit;
}

static void propose(const struct fix_context *context)
{
    const struct stability_options *options = &context->graph->request->options;
    double ratio = evidence_of(context->finding, "update_ratio");
    double rate = rounded(options->learning_rate * 1e-3 / ratio);
    if (!options->learning_rate_given || !isfinite(rate) || rate <= 0)
        return;
    struct revision revision = fix_begin(context);
    revision_set_learning_rate(&revision, rate);
    fix_offer(context, &revision, "use a learning rate of %.2g in place of %.3g", rate,
              options->learning_rate);
}

static const char *const rules[] = {"learning-rate", "update-ratio", NULL};

FIX_OPS(learning_rate) = {
    .type = {.name = "learning-rate",
             .documentation = "The rate with which a step moves the weights by a thousandth of their length.",
             .source = "Karpathy 2017, CS231n notes, Neural networks part 3: ratio of weights to updates",
             .rules = rules},
    .propose = propose,
};
