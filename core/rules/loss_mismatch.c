#include "core/rule.h"

#include <math.h>
#include <string.h>

enum { LOG_SUM_EXP };
static const struct stability_threshold thresholds[] = {
    [LOG_SUM_EXP] = {"log_sum_exp", 0.01,
                     "the greatest |log sum exp| of a row that still counts as a row of log-probabilities"},
    {0},
};

struct mismatch {
    enum stability_severity severity;
    const char *message;
    const char *cause;
    struct stability_evidence evidence[2];
    size_t evidence_count;
};

/* ---- what the loss reads ---- */

/* An activation that the loss applies itself, or that takes away what it needs. */
static const struct {
    const char *loss;
    const char *layer;
    enum stability_severity severity;
    const char *cause;
} twice[] = {
    {"CrossEntropyLoss", "Softmax", STABILITY_WARNING,
     "CrossEntropyLoss takes the softmax itself: of probabilities it can never be near 0, and its gradient "
     "is flat; give it the raw scores"},
    {"CrossEntropyLoss", "Softmin", STABILITY_WARNING,
     "CrossEntropyLoss takes the softmax itself: of probabilities it can never be near 0, and its gradient "
     "is flat; give it the raw scores"},
    {"CrossEntropyLoss", "Sigmoid", STABILITY_WARNING,
     "CrossEntropyLoss takes the softmax itself: of numbers between 0 and 1 it can never be near 0; give it "
     "the raw scores, or use BCEWithLogitsLoss where classes do not exclude each other"},
    {"CrossEntropyLoss", "LogSoftmax", STABILITY_INFO,
     "CrossEntropyLoss takes the logarithm of the softmax itself: the second one changes nothing but costs a "
     "pass; use NLLLoss, or the raw scores"},
    {"CrossEntropyLoss", "ReLU", STABILITY_INFO,
     "a score cannot fall below 0, and gets no gradient there: give it the raw scores"},
    {"BCEWithLogitsLoss", "Sigmoid", STABILITY_WARNING,
     "BCEWithLogitsLoss takes the sigmoid itself: of probabilities it can never be near 0, and its gradient "
     "is flat; give it the raw scores, or use BCELoss"},
    {"BCEWithLogitsLoss", "Hardsigmoid", STABILITY_WARNING,
     "BCEWithLogitsLoss takes the sigmoid itself: of probabilities it can never be near 0; give it the raw "
     "scores"},
    {"BCEWithLogitsLoss", "Softmax", STABILITY_WARNING,
     "BCEWithLogitsLoss takes the sigmoid itself: of probabilities it can never be near 0; give it the raw "
     "scores"},
};

/* The layer whose output the loss reads, past layers that only move elements; -1: none. */
static int last_layer(const struct rule_context *context)
{
    const struct graph *graph = context->graph;
    int node = graph->values[graph->loss_inputs[0]].producer;
    while (node >= 0 && graph->nodes[node].ops->moves && graph->nodes[node].input_count == 1)
        node = graph->values[graph->nodes[node].inputs[0]].producer;
    return node;
}

static bool is_loss(const struct rule_context *context, const char *type)
{
    return strcmp(context->graph->loss->type.type, type) == 0;
}

static bool applied_twice(struct rule_context *context, int node, struct mismatch *mismatch)
{
    const struct stability_layer_report *layer = &context->report->layers[node];
    for (size_t i = 0; i < sizeof(twice) / sizeof(twice[0]); i++) {
        if (!is_loss(context, twice[i].loss) || strcmp(layer->type, twice[i].layer) != 0)
            continue;
        *mismatch = (struct mismatch){
            twice[i].severity,
            rule_text(context, "%s reads the output of '%s', a %s", twice[i].loss, layer->name, layer->type),
            twice[i].cause,
            {{"loss", context->report->loss}},
            1};
        return true;
    }
    return false;
}

static bool no_log_probabilities(struct rule_context *context, struct mismatch *mismatch)
{
    double error = context->observations->probes.loss.log_sum_exp;
    if (!(is_loss(context, "NLLLoss") || is_loss(context, "KLDivLoss")) ||
        !(error > context->thresholds[LOG_SUM_EXP]))
        return false;
    const char *loss = context->graph->loss->type.type;
    *mismatch = (struct mismatch){
        STABILITY_ERROR_SEVERITY,
        rule_text(context,
                  "%s reads numbers that are no log-probabilities: |log sum exp| of a row is %.3g, not 0",
                  loss, error),
        rule_text(context,
                  "of raw scores %s has no lower bound, and falls for ever as they grow: put a LogSoftmax "
                  "before it%s",
                  loss, is_loss(context, "NLLLoss") ? ", or use CrossEntropyLoss" : ""),
        {{"log_sum_exp", error}, {"threshold", context->thresholds[LOG_SUM_EXP]}},
        2};
    return true;
}

static bool no_probabilities(struct rule_context *context, struct mismatch *mismatch)
{
    const struct graph_value *value = &context->graph->values[context->graph->loss_inputs[0]];
    if (!is_loss(context, "BCELoss") || value->producer < 0)
        return false;
    const struct stability_statistics *read =
        context->report->layers[value->producer].outputs[value->output].value;
    if (!read || !(read->finite.min < 0 || read->finite.max > 1))
        return false;
    *mismatch = (struct mismatch){
        STABILITY_ERROR_SEVERITY,
        rule_text(context, "BCELoss reads numbers from %.3g to %.3g, which are no probabilities",
                  read->finite.min, read->finite.max),
        "its logarithms need numbers from 0 to 1: put a Sigmoid before it, or better use BCEWithLogitsLoss "
        "on the raw scores",
        {{"max", read->finite.max > 1 ? read->finite.max : read->finite.min}},
        1};
    return true;
}

/* ---- targets ---- */

static const struct {
    const char *loss;
    double least;
    double greatest;
    bool ends_alone; /* nothing between them */
    const char *what;
} target_ranges[] = {
    {"BCELoss", 0, 1, false, "probabilities, from 0 to 1"},
    {"BCEWithLogitsLoss", 0, 1, false, "probabilities, from 0 to 1"},
    {"CrossEntropyLoss", 0, 1, false, "class indices, or probabilities, from 0 to 1"},
    {"PoissonNLLLoss", 0, INFINITY, false, "counts, 0 or more"},
    {"HingeEmbeddingLoss", -1, 1, true, "-1 or 1"},
    {"CosineEmbeddingLoss", -1, 1, true, "-1 or 1"},
    {"SoftMarginLoss", -1, 1, true, "-1 or 1"},
};

static bool impossible_target(struct rule_context *context, struct mismatch *mismatch)
{
    const struct stability_moments *target = &context->observations->probes.loss.target.finite;
    for (size_t i = 0; i < sizeof(target_ranges) / sizeof(target_ranges[0]); i++) {
        if (!is_loss(context, target_ranges[i].loss))
            continue;
        bool inside = target->min >= target_ranges[i].least && target->max <= target_ranges[i].greatest;
        if (inside && !(target_ranges[i].ends_alone && target->rms < 0.999999))
            return false;
        *mismatch = (struct mismatch){
            STABILITY_ERROR_SEVERITY,
            rule_text(context, "%s is given a target with numbers from %.3g to %.3g", target_ranges[i].loss,
                      target->min, target->max),
            rule_text(context, "its targets are %s", target_ranges[i].what),
            {{"target_max", target->max > target_ranges[i].greatest ? target->max : target->min}},
            1};
        return true;
    }
    return false;
}

static const struct {
    const char *type;
    double least;
    double greatest;
} output_ranges[] = {
    {"Sigmoid", 0, 1},   {"Hardsigmoid", 0, 1}, {"Softmax", 0, 1}, {"Softmin", 0, 1},         {"Tanh", -1, 1},
    {"Softsign", -1, 1}, {"ReLU", 0, INFINITY}, {"ReLU6", 0, 6},   {"Softplus", 0, INFINITY},
};

static bool is_regression(const struct rule_context *context)
{
    return is_loss(context, "MSELoss") || is_loss(context, "L1Loss") || is_loss(context, "SmoothL1Loss") ||
           is_loss(context, "HuberLoss");
}

/* Targets that the last activation cannot reach: a warning where their mean lies outside. */
static bool out_of_reach(struct rule_context *context, int node, struct mismatch *mismatch)
{
    const struct stability_moments *target = &context->observations->probes.loss.target.finite;
    const struct stability_layer_report *layer = &context->report->layers[node];
    for (size_t i = 0; is_regression(context) && i < sizeof(output_ranges) / sizeof(output_ranges[0]); i++) {
        double least = output_ranges[i].least, greatest = output_ranges[i].greatest;
        if (strcmp(layer->type, output_ranges[i].type) != 0 ||
            (target->min >= least && target->max <= greatest))
            continue;
        bool outside = target->mean < least || target->mean > greatest;
        *mismatch = (struct mismatch){outside ? STABILITY_WARNING : STABILITY_INFO,
                                      rule_text(context,
                                                "the target has numbers from %.3g to %.3g, with a mean of "
                                                "%.3g, but '%s' (%s) gives %.3g to %.3g",
                                                target->min, target->max, target->mean, layer->name,
                                                layer->type, least, greatest),
                                      "the loss can only push the activation to its end, where its gradient "
                                      "dies: scale the target, or leave the last activation out",
                                      {{"target_mean", target->mean}},
                                      1};
        return true;
    }
    return false;
}

/* Classes of at least two, or numbers, that are the same for every sample of not too few. Losses of pairs and
 * of yes or no are often given one side alone. */
static bool constant_target(struct rule_context *context, struct mismatch *mismatch)
{
    enum { LEAST_SAMPLES = 16 };
    const struct graph *graph = context->graph;
    const struct loss_probe *probe = &context->observations->probes.loss;
    const struct stability_shape *scores = &graph->values[graph->loss_inputs[0]].shape;
    bool classes = graph->target_is_integer && scores->rank >= 2 && scores->sizes[1] >= 2 &&
                   (is_loss(context, "CrossEntropyLoss") || is_loss(context, "NLLLoss"));
    if (!probe->target_is_constant || graph->batch_size < LEAST_SAMPLES ||
        graph->target_count < LEAST_SAMPLES || !(classes || is_regression(context)))
        return false;
    *mismatch = (struct mismatch){
        STABILITY_INFO,
        rule_text(context,
                  classes ? "all %lld labels are class %.0f" : "all %lld elements of the target are %.3g",
                  (long long)graph->target_count, probe->first_target),
        "a constant answer fits this batch, and nothing else is learned from it: look at how targets are "
        "loaded, and at the order of the samples",
        {{"target", probe->first_target}},
        1};
    return true;
}

/* ---- the rule ---- */

static bool add(struct rule_context *context, int node, const struct mismatch *mismatch)
{
    struct finding finding = {
        .severity = mismatch->severity,
        .nodes = &node,
        .node_count = node >= 0,
        .message = mismatch->message,
        .cause = mismatch->cause,
        .evidence = mismatch->evidence,
        .evidence_count = mismatch->evidence_count,
    };
    return rule_add(context, &finding);
}

static bool check(struct rule_context *context)
{
    int node = last_layer(context);
    bool has_target = context->observations->probes.loss.has_target;
    struct mismatch mismatch;
    if ((node >= 0 && applied_twice(context, node, &mismatch)) || no_log_probabilities(context, &mismatch) ||
        no_probabilities(context, &mismatch))
        return add(context, node, &mismatch);
    if (has_target &&
        (impossible_target(context, &mismatch) || (node >= 0 && out_of_reach(context, node, &mismatch))))
        return add(context, node, &mismatch);
    return !constant_target(context, &mismatch) || add(context, node, &mismatch);
}

RULE_OPS(loss_mismatch) = {
    .type =
        {.name = "loss-mismatch",
         .severity = STABILITY_ERROR_SEVERITY,
         .criterion =
             "the loss applies the last activation once more (Softmax before CrossEntropyLoss, Sigmoid "
             "before BCEWithLogitsLoss: warning), or reads a ReLU as scores (info); NLLLoss or "
             "KLDivLoss of what is no log-probability, by log_sum_exp, BCELoss of what is no "
             "probability, or a target outside the loss's domain: error; a target whose mean the last "
             "activation cannot reach: warning, single elements of it: info; a batch of at least 16 samples "
             "whose labels, or a regression's targets, are all the same: info",
         .documentation =
             "A loss that is given something else than it expects still gives a number, and the model "
             "learns slowly, or diverges.",
         .source = "torch.nn documentation of each loss; Goodfellow, Bengio, Courville 2016, Deep "
                   "Learning, section 6.2.2",
         .thresholds = thresholds},
    .check = check,
};
