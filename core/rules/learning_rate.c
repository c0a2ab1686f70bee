#include "core/rules/consequence.h"

#include <math.h>
#include <stdlib.h>

enum { RATIO_HIGH, RATIO_LOW, RATIO_LOW_WARNING };
static const struct stability_threshold thresholds[] = {
    [RATIO_HIGH] = {"ratio_high", 0.1, "the greatest median of update ratios that is not a finding"},
    [RATIO_LOW] = {"ratio_low", 1e-6, "the least median of update ratios that is not a finding"},
    [RATIO_LOW_WARNING] = {"ratio_low_warning", 1e-8, "the same, below which it is a warning"},
    {0},
};

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Over weights of two or more dimensions that have a gradient; NaN: none has. `ratios` has room for all. */
static double median_ratio(const struct stability_report *report, double *ratios)
{
    size_t count = 0;
    for (size_t i = 0; i < report->layer_count; i++)
        for (size_t k = 0; k < report->layers[i].parameter_count; k++) {
            const struct stability_parameter_report *parameter = &report->layers[i].parameters[k];
            if (parameter->shape.rank >= 2 && parameter->update_ratio > 0 &&
                isfinite(parameter->update_ratio))
                ratios[count++] = parameter->update_ratio;
        }
    qsort(ratios, count, sizeof(*ratios), compare_doubles);
    return count ? ratios[count / 2] : NAN;
}

static bool add(struct rule_context *context, double ratio)
{
    bool high = ratio > context->thresholds[RATIO_HIGH];
    bool warning = high || ratio < context->thresholds[RATIO_LOW_WARNING];
    double rate = context->graph->request->options.learning_rate;
    struct stability_evidence evidence[] = {{"update_ratio", ratio},
                                            {"threshold", context->thresholds[high      ? RATIO_HIGH
                                                                              : warning ? RATIO_LOW_WARNING
                                                                                        : RATIO_LOW]},
                                            {"learning_rate", rate},
                                            {"suggested_learning_rate", rate * 1e-3 / ratio}};
    struct finding finding = {
        .severity = warning ? STABILITY_WARNING : STABILITY_INFO,
        .message = rule_text(
            context,
            "with learning rate %.3g a step of gradient descent moves the median weight by %.3g of its "
            "own length, where about a thousandth is usual",
            rate, ratio),
        .cause =
            rule_text(context, "the rate is too %s for these gradients: %.2g would move it by a thousandth",
                      high ? "large" : "small", rate * 1e-3 / ratio),
        .evidence = evidence,
        .evidence_count = sizeof(evidence) / sizeof(evidence[0]),
    };
    return rule_add(context, &finding);
}

static bool check(struct rule_context *context)
{
    if (!context->graph->request->options.learning_rate_given)
        return true;
    double *ratios = arena_array(context->arena, (size_t)context->graph->parameter_slots, sizeof(*ratios));
    if (!ratios)
        return stability_fail(context->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for findings");
    double ratio = median_ratio(context->report, ratios);
    if (ratio > context->thresholds[RATIO_HIGH] || ratio < context->thresholds[RATIO_LOW])
        return add(context, ratio);
    return true;
}

RULE_OPS(learning_rate) = {
    .type =
        {.name = "learning-rate",
         .severity = STABILITY_WARNING,
         .criterion = "only where options.learning_rate is given: the median over weights of learning_rate * "
                      "|gradient| / |weight| is above ratio_high (warning), or below ratio_low (info) or "
                      "ratio_low_warning (warning)",
         .documentation = "Too large a rate diverges; with too small a one nothing moves.",
         .source =
             "Karpathy 2017, CS231n notes, Neural networks part 3: ratio of weights to updates, about 1e-3",
         .thresholds = thresholds},
    .check = check,
};
