/* Numbers that float16 could not hold: two rules. */
#include "core/formats.h"
#include "core/rules/consequence.h"

#include <math.h>

static bool out_of_memory(struct rule_context *context)
{
    return stability_fail(context->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for findings");
}

/* ---- overflow ---- */

enum { OVERFLOW_FRACTION };
static const struct stability_threshold overflow_thresholds[] = {
    [OVERFLOW_FRACTION] = {"fraction", 0,
                           "the greatest fraction of a tensor's elements beyond 65504 that is no finding"},
    {0},
};

static double overflow_of(const struct stability_statistics *statistics)
{
    return statistics && statistics->finite.count > 0
               ? (double)statistics->overflow_counts[STABILITY_FORMAT_FLOAT16] /
                     (double)statistics->finite.count
               : 0;
}

/* Greatest over a layer's tensors. */
static double overflow_of_layer(const struct stability_layer_report *layer, double *magnitude)
{
    double greatest = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int k = 0; k < layer->output_count + (int)layer->parameter_count; k++) {
            const struct stability_output_report *output = &layer->outputs[k < layer->output_count ? k : 0];
            const struct stability_parameter_report *parameter =
                k < layer->output_count ? NULL : &layer->parameters[k - layer->output_count];
            const struct stability_statistics *statistics =
                parameter ? (pass ? parameter->gradient : parameter->value)
                          : (pass ? output->gradient : output->value);
            double fraction = overflow_of(statistics);
            greatest = fmax(greatest, fraction);
            if (fraction > 0)
                *magnitude = fmax(*magnitude, statistics->finite.abs_max);
        }
    }
    return greatest;
}

static bool check_overflow(struct rule_context *context)
{
    size_t count = 0;
    double greatest = 0, magnitude = 0;
    int *nodes = arena_array(context->arena, context->report->layer_count, sizeof(*nodes));
    if (!nodes)
        return out_of_memory(context);
    if (context->observations->non_finite.found)
        return true; /* what overflows there is its root or its consequence */
    for (size_t i = 0; i < context->report->layer_count; i++) {
        double fraction = overflow_of_layer(&context->report->layers[i], &magnitude);
        if (fraction > context->thresholds[OVERFLOW_FRACTION])
            nodes[count++] = (int)i;
        greatest = fmax(greatest, fraction);
    }
    if (count == 0)
        return true;
    struct stability_evidence evidence[] = {{"fraction", greatest},
                                            {"threshold", context->thresholds[OVERFLOW_FRACTION]},
                                            {"abs_max", magnitude}};
    struct finding finding = {
        .severity = STABILITY_WARNING,
        .nodes = nodes,
        .node_count = count,
        .message = rule_text(
            context,
            "numbers up to %.3g, the first in '%s', are beyond the greatest of float16, 65504; in %zu of "
            "%zu layers",
            magnitude, context->report->layers[nodes[0]].name, count, context->report->layer_count),
        .cause = rule_text(
            context,
            "in float16 they become infinite, and the loss NaN; bfloat16 holds them, and so does float32 for "
            "'%s' alone; or lower the scale before it",
            context->report->layers[nodes[0]].name),
        .evidence = evidence,
        .evidence_count = 3,
    };
    return rule_add(context, &finding);
}

RULE_OPS(low_precision_overflow) = {
    .type = {.name = "low-precision-overflow",
             .severity = STABILITY_WARNING,
             .criterion =
                 "the fraction of finite elements of an output, a parameter or a gradient that round to an "
                 "infinity in float16 is above fraction",
             .documentation =
                 "Training in mixed precision holds these tensors in float16, whose greatest number is "
                 "65504.",
             .source = "Micikevicius et al. 2018, Mixed precision training, section 3",
             .thresholds = overflow_thresholds},
    .check = check_overflow,
};

/* ---- underflow ---- */

enum { UNDERFLOW_FRACTION, UNDERFLOW_LOSS };
static const struct stability_threshold underflow_thresholds[] = {
    [UNDERFLOW_FRACTION] =
        {"fraction", 0.5, "the greatest fraction of a weight's gradient flushed to 0 that is not a finding"},
    [UNDERFLOW_LOSS] =
        {"loss", 0.1,
         "the loss below which it is information alone: a model at its minimum has small gradients"},
    {0},
};

/* Of the elements of a gradient that are not 0 already. */
static double underflow_of(const struct stability_statistics *gradient)
{
    struct format_losses losses = format_losses_of(gradient, STABILITY_FORMAT_FLOAT16, 0);
    int64_t count = losses.finite - gradient->zero_count;
    return count > 0 ? (double)losses.flushed / (double)count : 0;
}

static double underflow_of_layer(const struct stability_layer_report *layer)
{
    double greatest = 0;
    for (size_t k = 0; k < layer->parameter_count; k++)
        if (layer->parameters[k].gradient && layer->parameters[k].shape.rank >= 2)
            greatest = fmax(greatest, underflow_of(layer->parameters[k].gradient));
    return greatest;
}

static bool add_underflow(struct rule_context *context, const int *nodes, size_t count, double greatest)
{
    struct scale_range range = formats_gradient_range(context->report, STABILITY_FORMAT_FLOAT16);
    bool scale_helps = range.least <= range.greatest;
    double scale = ldexp(1, scale_range_best(&range)), loss = fabs(context->report->loss);
    struct stability_evidence evidence[] = {{"fraction", greatest},
                                            {"threshold", context->thresholds[UNDERFLOW_FRACTION]},
                                            {"loss_scale", scale}};
    struct finding finding = {
        .severity = loss < context->thresholds[UNDERFLOW_LOSS] ? STABILITY_INFO : STABILITY_WARNING,
        .nodes = nodes,
        .node_count = count,
        .message = rule_text(
            context,
            "float16 would flush up to %.3g %% of a weight's gradient to 0, in %zu of %zu layers, the "
            "first of them '%s'",
            100 * greatest, count, context->report->layer_count, context->report->layers[nodes[0]].name),
        .cause =
            scale_helps
                ? rule_text(context,
                            "the gradients are below 2^-25; multiply the loss by %.3g: that loses "
                            "nothing at either end",
                            scale)
                : rule_text(
                      context,
                      "the gradients reach further down than float16 does, and no loss scale fits "
                      "all of them; the greatest that does not overflow is near %.3g; bfloat16 holds them",
                      scale),
        .evidence = evidence,
        .evidence_count = 3,
    };
    return rule_add(context, &finding);
}

static bool check_underflow(struct rule_context *context)
{
    size_t count = 0;
    double greatest = 0;
    int *nodes = arena_array(context->arena, context->report->layer_count, sizeof(*nodes));
    if (!nodes)
        return out_of_memory(context);
    for (size_t i = 0; i < context->report->layer_count; i++) {
        double fraction = underflow_of_layer(&context->report->layers[i]);
        if (!(fraction > context->thresholds[UNDERFLOW_FRACTION]) || is_poisoned(&context->report->layers[i]))
            continue;
        nodes[count++] = (int)i;
        greatest = fmax(greatest, fraction);
    }
    return count == 0 || add_underflow(context, nodes, count, greatest);
}

RULE_OPS(low_precision_underflow) = {
    .type =
        {.name = "low-precision-underflow",
         .severity = STABILITY_WARNING,
         .criterion =
             "of the non-zero elements of the gradient of a weight with two or more dimensions, the fraction "
             "below 2^-25, which float16 rounds to 0, is above fraction; info where the loss is below loss",
         .documentation =
             "Gradients below float16's range vanish in mixed precision unless the loss is scaled up.",
         .source = "Micikevicius et al. 2018, Mixed precision training, section 3.2",
         .thresholds = underflow_thresholds},
    .check = check_underflow,
};
