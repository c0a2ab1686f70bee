#include "core/rule.h"

#include <math.h>
#include <string.h>

enum { SPREAD, TOKEN_SPREAD };
static const struct stability_threshold thresholds[] = {
    [SPREAD] = {"spread", 1e-4,
                "the least spread of the last layer with weights, over the batch, that is not a finding"},
    [TOKEN_SPREAD] = {"token_spread", 1e-2,
                      "the same, over the tokens of a sequence that attention has read"},
    {0},
};

/* Data that is nearly the same throughout says nothing about the model. */
static const double spread_of_data = 0.05;

enum measure { SAMPLES, TOKENS };

static double spread_of(const struct rule_context *context, int value, enum measure measure)
{
    const struct value_probe *probe = &context->observations->probes.values[value];
    return measure == SAMPLES ? probe->spread : probe->token_spread;
}

/* The greatest spread that reaches `node`: of model inputs, and of what reads integers. */
static double spread_at_start(const struct rule_context *context, enum measure measure)
{
    const struct graph *graph = context->graph;
    double greatest = 0;
    for (int v = 0; v < graph->value_count; v++) {
        int producer = graph->values[v].producer;
        bool start = producer < 0 || graph->nodes[producer].ops->indexes;
        double spread = start ? spread_of(context, v, measure) : NAN;
        greatest = spread > greatest ? spread : greatest;
    }
    return greatest;
}

/* The first layer from which on the spread stays below the threshold up to `last`. */
static int first_collapsed(const struct rule_context *context, int last, enum measure measure,
                           double threshold)
{
    int first = last;
    for (int i = last; i >= 0; i--) {
        double spread = spread_of(context, context->graph->nodes[i].first_output, measure);
        if (spread >= threshold)
            break;
        if (spread < threshold)
            first = i;
    }
    return first;
}

static bool is_attention(const struct graph_node *node)
{
    return strcmp(node->ops->type.type, "MultiheadAttention") == 0 ||
           strcmp(node->ops->type.type, "TransformerEncoderLayer") == 0;
}

/* The last layer that has tokens, where attention is at it or before it; -1: none. */
static int last_with_tokens(const struct rule_context *context)
{
    int last = -1;
    bool attention = false;
    for (int i = 0; i < context->graph->node_count; i++) {
        attention |= is_attention(&context->graph->nodes[i]) ||
                     strcmp(context->graph->nodes[i].ops->type.type, "MatMul") == 0;
        if (attention && !isnan(spread_of(context, context->graph->nodes[i].first_output, TOKENS)))
            last = i;
    }
    return last;
}

static bool add(struct rule_context *context, int last, enum measure measure, const char *what,
                const char *cause)
{
    double threshold = context->thresholds[measure == SAMPLES ? SPREAD : TOKEN_SPREAD];
    double spread = spread_of(context, context->graph->nodes[last].first_output, measure);
    int nodes[2] = {first_collapsed(context, last, measure, threshold), last};
    struct stability_evidence evidence[] = {{measure == SAMPLES ? "spread" : "token_spread", spread},
                                            {"threshold", threshold}};
    struct finding finding = {
        .severity = STABILITY_WARNING,
        .nodes = nodes,
        .node_count = nodes[0] == last ? 1 : 2,
        .message = rule_text(
            context,
            "the outputs of '%s' for different %s differ by %.3g of their size; they are that alike "
            "from '%s' on",
            context->report->layers[last].name, what, spread, context->report->layers[nodes[0]].name),
        .cause = cause,
        .evidence = evidence,
        .evidence_count = 2,
    };
    return rule_add(context, &finding);
}

/* A last layer whose weights are 0 gives everything the same output by construction. */
static bool starts_at_zero(const struct rule_context *context, int node)
{
    const struct stability_layer_report *layer = &context->report->layers[node];
    return layer->parameter_count > 0 && layer->parameters[0].value &&
           layer->parameters[0].value->all.abs_max == 0;
}

/* The last layer with weights before the loss: what follows it may move numbers that hardly differ far from
 * 0, as a LogSoftmax does. -1: none. */
static int last_with_weights(const struct rule_context *context)
{
    const struct graph *graph = context->graph;
    int node = graph->values[graph->loss_inputs[0]].producer;
    while (node >= 0 && context->report->layers[node].parameter_count == 0)
        node =
            graph->nodes[node].input_count == 1 ? graph->values[graph->nodes[node].inputs[0]].producer : -1;
    return node;
}

static bool check_samples(struct rule_context *context)
{
    int last = last_with_weights(context);
    if (last < 0 || starts_at_zero(context, last) ||
        !(spread_of(context, context->graph->nodes[last].first_output, SAMPLES) <
          context->thresholds[SPREAD]) ||
        !(spread_at_start(context, SAMPLES) > spread_of_data))
        return true;
    return add(context, last, SAMPLES, "samples of the batch",
               "the layers contract: what tells samples apart shrinks in each of them while biases and means "
               "stay; raise the gain, normalise, or add residual connections");
}

static bool check_tokens(struct rule_context *context)
{
    int last = last_with_tokens(context);
    if (last < 0 || starts_at_zero(context, last) ||
        !(spread_of(context, context->graph->nodes[last].first_output, TOKENS) <
          context->thresholds[TOKEN_SPREAD]) ||
        !(spread_at_start(context, TOKENS) > spread_of_data))
        return true;
    return add(context, last, TOKENS, "tokens",
               "attention averages over tokens: without residual connections and feed-forward layers its "
               "rank falls doubly exponentially with depth");
}

static bool check(struct rule_context *context)
{
    return check_samples(context) && check_tokens(context);
}

RULE_OPS(rank_collapse) = {
    .type =
        {.name = "rank-collapse",
         .severity = STABILITY_WARNING,
         .criterion =
             "root mean square distance from their mean, relative to that from 0, of what the loss reads "
             "over the samples of the batch, below spread, or behind attention over the tokens of a "
             "sequence, below token_spread; where that of the data is above 0.05",
         .documentation = "Outputs that do not depend on the input: gradients then teach the biases alone.",
         .source =
             "Dong, Cordonnier, Loukas 2021, Attention is not all you need: pure attention loses rank doubly "
             "exponentially with depth; Schoenholz et al. 2017, Deep information propagation",
         .thresholds = thresholds},
    .least = 1u << SPREAD | 1u << TOKEN_SPREAD,
    .check = check,
};
