#include "core/rules/consequence.h"

#include <math.h>

enum { RMS, RMS_ERROR, FEATURE_RATIO, FEATURE_RATIO_ERROR, RMS_LEAST, RMS_LEAST_ERROR };
static const struct stability_threshold thresholds[] = {
    [RMS] = {"rms", 30, "the greatest root mean square of data that a layer with weights reads"},
    [RMS_ERROR] = {"rms_error", 1e4, "the same, from which on it is an error"},
    [FEATURE_RATIO] = {"feature_ratio", 100,
                       "the greatest ratio of a feature's root mean square to the median one's"},
    [FEATURE_RATIO_ERROR] = {"feature_ratio_error", 1e3, "the same, from which on it is an error"},
    [RMS_LEAST] = {"rms_least", 1e-4, "the least root mean square of such data, 0 aside"},
    [RMS_LEAST_ERROR] = {"rms_least_error", 1e-5, "the same, from which on it is an error"},
    {0},
};

/* Whether the activation that reads the layer lies on its flat ends because of the data. */
static bool saturates(const struct rule_context *context, int node)
{
    static const double nearly_all = 0.9;
    int activation = context->observations->forecast.layers[node].activation;
    return activation >= 0 && context->graph->nodes[activation].ops->activation->saturates &&
           context->report->layers[activation].saturated_fraction > nearly_all;
}

/* A normalisation behind the layer takes the scale away again, but for the layer's own numbers and gradient:
 * where these are a finding, this is their cause. */
static enum stability_severity severity_of(const struct rule_context *context, int node, bool error)
{
    if (is_starved(context, node))
        return STABILITY_ERROR_SEVERITY;
    if (context->observations->forecast.layers[node].normalised)
        return is_large(&context->report->layers[node]) ? STABILITY_WARNING : STABILITY_INFO;
    return error || saturates(context, node) ? STABILITY_ERROR_SEVERITY : STABILITY_WARNING;
}

static bool add(struct rule_context *context, int node, double value, int row, const char *name,
                const char *message, const char *cause)
{
    double limit = context->thresholds[row + 1];
    bool error = row == RMS_LEAST ? value < limit : value > limit;
    struct measured measured = {name, value, context->thresholds[error ? row + 1 : row]};
    return rule_add_measured(context, node, severity_of(context, node, error), &measured, message, cause);
}

/* Whether a value is rows of a table, past layers without weights. */
static bool is_embedded(const struct graph *graph, int value)
{
    int producer = graph->values[value].producer;
    while (producer >= 0 && !graph->nodes[producer].ops->indexes && graph->nodes[producer].input_count == 1)
        producer = graph->values[graph->nodes[producer].inputs[0]].producer;
    return producer >= 0 && graph->nodes[producer].ops->indexes;
}

static bool check_rms(struct rule_context *context, int node, int value)
{
    double rms = context->observations->probes.values[value].rms;
    bool large = rms > context->thresholds[RMS] && isfinite(rms);
    if (!large && !(rms > 0 && rms < context->thresholds[RMS_LEAST]))
        return true;
    return add(
        context, node, rms, large ? RMS : RMS_LEAST, "rms",
        rule_text(context, "the data that '%s' reads has a root mean square of %.3g",
                  context->report->layers[node].name, rms),
        is_embedded(context->graph, value)
            ? "initialisations are made for inputs of variance 1: draw the embedding's table with a "
              "standard deviation of 1 or less, or normalise behind it"
            : "initialisations are made for inputs of variance 1: scale the data (pixels by 1/255, or to "
              "mean 0 and variance 1)");
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
    return check_rms(context, node, value);
}

/* ---- data without differences ---- */

static bool is_zero(const struct rule_context *context)
{
    for (int i = 0; i < context->graph->model_input_count; i++)
        if (context->observations->probes.input_squares[i] != 0) /* NaN: indices */
            return false;
    return true;
}

/* The first layer that reads an input of the model, or -1. */
static int first_reader(const struct graph *graph)
{
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].input_count; k++)
            if (graph->nodes[i].inputs[k] < graph->model_input_count)
                return i;
    return -1;
}

/* The same for every sample: zeros are an error of whoever made them, others may be meant. Of few samples it
 * is chance. */
static bool check_differences(struct rule_context *context)
{
    enum { LEAST_SAMPLES = 8 };
    int node = first_reader(context->graph);
    long long samples = context->graph->batch_size;
    if (!context->observations->probes.samples_are_equal || samples < LEAST_SAMPLES)
        return true;
    bool zero = is_zero(context);
    struct stability_evidence evidence[] = {{"batch_size", (double)samples}};
    struct finding finding = {
        .severity = zero ? STABILITY_WARNING : STABILITY_INFO,
        .nodes = &node,
        .node_count = node >= 0,
        .message = rule_text(
            context, zero ? "the data is 0 in all %lld samples" : "all %lld samples are equal", samples),
        .cause = zero
                     ? "weights that read zeros get no gradient, and nothing can be learned: look at how the "
                       "data is loaded and scaled"
                     : "nothing can be learned from samples that do not differ, and this batch says no more "
                       "than one of them: look at how the data is loaded",
        .evidence = evidence,
        .evidence_count = 1,
    };
    return rule_add(context, &finding);
}

static bool check(struct rule_context *context)
{
    const struct graph *graph = context->graph;
    size_t before = context->findings->count;
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
    return context->findings->count > before || check_differences(context);
}

RULE_OPS(input_scale) = {
    .type =
        {.name = "input-scale",
         .severity = STABILITY_ERROR_SEVERITY,
         .criterion =
             "what the first layer with weights reads has a root mean square above rms, or a feature (a "
             "channel of an image) whose root mean square is more than feature_ratio times the median "
             "feature's (warning), or above rms_error or feature_ratio_error (error), or a root mean square "
             "that is not 0 but below rms_least (warning) or rms_least_error (error); an error too where it "
             "saturates that layer's activation, info where a normalisation follows that layer, unless its "
             "numbers are a finding of exploding-activation; also at least 8 samples all of which are 0 "
             "(warning), or equal to each other (info)",
         .documentation =
             "Data of a large scale makes the first layer's gradients large by the same factor, data of a "
             "tiny one makes them vanish, and features of different scales want different learning rates; "
             "from samples that do not differ nothing can be learned.",
         .source = "LeCun, Bottou, Orr, Muller 1998, Efficient BackProp, section 4.3",
         .thresholds = thresholds},
    .least = 1u << RMS_LEAST | 1u << RMS_LEAST_ERROR,
    .check = check,
};
