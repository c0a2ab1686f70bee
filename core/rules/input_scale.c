#include "core/rule.h"

#include <math.h>

enum { RMS, RMS_ERROR, FEATURE_RATIO, FEATURE_RATIO_ERROR };
static const struct stability_threshold thresholds[] = {
    [RMS] = {"rms", 30, "the greatest root mean square of data that a layer with weights reads"},
    [RMS_ERROR] = {"rms_error", 1e4, "the same, from which on it is an error"},
    [FEATURE_RATIO] = {"feature_ratio", 100,
                       "the greatest ratio of a feature's root mean square to the median one's"},
    [FEATURE_RATIO_ERROR] = {"feature_ratio_error", 1e3, "the same, from which on it is an error"},
    {0},
};

/* A normalisation behind the layer takes the scale away again, but for the layer's own gradient. */
static enum stability_severity severity_of(const struct rule_context *context, int node, bool error)
{
    if (context->observations->forecast.layers[node].normalised)
        return STABILITY_INFO;
    return error ? STABILITY_ERROR_SEVERITY : STABILITY_WARNING;
}

static bool add(struct rule_context *context, int node, double value, int row, const char *name,
                const char *message, const char *cause)
{
    bool error = value > context->thresholds[row + 1];
    struct stability_evidence evidence[] = {{name, value},
                                            {"threshold", context->thresholds[error ? row + 1 : row]}};
    struct finding finding = {
        .severity = severity_of(context, node, error),
        .nodes = &node,
        .node_count = 1,
        .message = message,
        .cause = cause,
        .evidence = evidence,
        .evidence_count = 2,
    };
    return rule_add(context, &finding);
}

static bool check_value(struct rule_context *context, int node, int value)
{
    const struct value_probe *probe = &context->observations->probes.values[value];
    const char *name = context->report->layers[node].name;
    if (probe->feature_ratio > context->thresholds[FEATURE_RATIO])
        return add(
            context, node, probe->feature_ratio, FEATURE_RATIO, "feature_ratio",
            rule_text(context, "feature %lld of what '%s' reads is %.3g times as large as the median one",
                      (long long)probe->feature, name, probe->feature_ratio),
            "its weights get gradients larger by that factor, and no learning rate suits both: bring every "
            "feature to mean 0 and variance 1");
    if (probe->rms > context->thresholds[RMS] && isfinite(probe->rms))
        return add(
            context, node, probe->rms, RMS, "rms",
            rule_text(context, "the data that '%s' reads has a root mean square of %.3g", name, probe->rms),
            "initialisations are made for inputs of variance 1: scale the data (pixels by 1/255, or to mean "
            "0 "
            "and variance 1)");
    return true;
}

static bool check(struct rule_context *context)
{
    const struct graph *graph = context->graph;
    bool *seen = arena_array(context->arena, (size_t)graph->value_count, sizeof(*seen));
    if (!seen)
        return stability_fail(context->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for findings");
    for (int i = 0; i < graph->node_count; i++) {
        int value = graph->nodes[i].input_count > 0 ? graph->nodes[i].inputs[0] : -1;
        if (value < 0 || seen[value] || !context->observations->probes.values[value].raw ||
            context->report->layers[i].parameter_count == 0)
            continue;
        seen[value] = true;
        if (!check_value(context, i, value))
            return false;
    }
    return true;
}

RULE_OPS(input_scale) = {
    .type = {.name = "input-scale",
             .severity = STABILITY_ERROR_SEVERITY,
             .criterion =
                 "what the first layer with weights reads has a root mean square above rms, or a feature (a "
                 "channel of an image) whose root mean square is more than feature_ratio times the median "
                 "feature's (warning), or above rms_error or feature_ratio_error (error); info where a "
                 "normalisation follows that layer",
             .documentation =
                 "Data of a large scale makes the first layer's gradients large by the same factor, and "
                 "features of different scales want different learning rates.",
             .source = "LeCun, Bottou, Orr, Muller 1998, Efficient BackProp, section 4.3",
             .thresholds = thresholds},
    .check = check,
};
