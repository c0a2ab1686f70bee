#include "core/rules/consequence.h"
#include "core/scheme.h"

#include <math.h>
#include <string.h>

enum { SHRINK, SHRINK_SCHEME, GROW, EXCESS };
static const struct stability_threshold thresholds[] = {
    [SHRINK] = {"shrink", 1e-4, "the least predicted factor of a chain of layers that is not a finding"},
    [SHRINK_SCHEME] = {"shrink_scheme", 1e-2,
                       "the same, for chains drawn by a scheme that is not made for their activation"},
    [GROW] = {"grow", 1e3, "the greatest predicted factor of a chain of layers that is not a finding"},
    [EXCESS] = {"excess", 12,
                "the greatest variance of one weight, relative to what is asked for, that is not a finding"},
    {0},
};

static int weight_slot(const struct rule_context *context, int node)
{
    return graph_slot(context->graph, node, 0);
}

static struct scheme_match scheme_of_node(const struct rule_context *context, int node)
{
    const struct stability_parameter_report *weight = &context->report->layers[node].parameters[0];
    return scheme_of(weight->value, &context->observations->probes.weights[weight_slot(context, node)],
                     &weight->shape);
}

static const struct graph_node *activation_of(const struct rule_context *context, int node)
{
    int activation = context->observations->forecast.layers[node].activation;
    return activation < 0 ? NULL : &context->graph->nodes[activation];
}

static const char *looks_like(struct rule_context *context, int node)
{
    struct scheme_match match = scheme_of_node(context, node);
    struct fans fans = fans_of(&context->report->layers[node].parameters[0].shape);
    struct wanted wanted = scheme_wanted(activation_of(context, node), &fans);
    double variance = context->report->layers[node].parameters[0].value->all.variance;
    return rule_text(
        context,
        "the weights of '%s' have variance %.3g%s%s%s, where %s asks for %.3g: multiply them by %.3g",
        context->report->layers[node].name, variance, match.best >= 0 ? " (they look like " : "",
        match.best >= 0 ? scheme_name((enum scheme)match.best) : "", match.best >= 0 ? ")" : "",
        wanted.scheme, wanted.variance, sqrt(wanted.variance / variance));
}

/* ---- chains ---- */

/* The first affine layer of the chain whose last one is `last`. */
static int first_of_chain(const struct rule_context *context, int last, int length)
{
    int node = last;
    for (int i = last; i >= 0 && length > 0; i--)
        if (context->observations->forecast.layers[i].affine) {
            node = i;
            length--;
        }
    return node;
}

/* Whether a chain whose first layer this is was drawn by a scheme for another activation than it has: xavier
 * and lecun under rectifiers, N(0, 0.01^2) under anything. PyTorch's default is left to the wider threshold.
 */
static bool scheme_is_wrong(const struct rule_context *context, int node)
{
    const struct graph_node *activation = activation_of(context, node);
    switch (activation ? scheme_of_node(context, node).best : -1) {
    case SCHEME_LECUN_NORMAL:
    case SCHEME_LECUN_UNIFORM:
    case SCHEME_XAVIER_NORMAL:
    case SCHEME_XAVIER_UNIFORM:
        return !activation->ops->activation->saturates && strcmp(activation->ops->type.type, "SELU") != 0;
    case SCHEME_NORMAL_001:
        return true;
    default:
        return false;
    }
}

static bool add_chain(struct rule_context *context, int last, double factor, int row)
{
    const struct forecast_layer *layer = &context->observations->forecast.layers[last];
    int nodes[2] = {first_of_chain(context, last, layer->chain_length), last};
    struct stability_evidence evidence[] = {{"factor", factor},
                                            {"threshold", context->thresholds[row]},
                                            {"chain_length", (double)layer->chain_length},
                                            {"chi", layer->chi}};
    struct finding finding = {
        .severity = STABILITY_WARNING,
        .nodes = nodes,
        .node_count = nodes[0] == last ? 1 : 2,
        .message = rule_text(
            context,
            "from '%s' to '%s' the weights alone multiply signals and gradients by %.3g, %.3g for each of "
            "%d layers",
            context->report->layers[nodes[0]].name, context->report->layers[last].name, factor,
            pow(factor, 1.0 / layer->chain_length), layer->chain_length),
        .cause = looks_like(context, nodes[0]),
        .evidence = evidence,
        .evidence_count = sizeof(evidence) / sizeof(evidence[0]),
    };
    return rule_add(context, &finding);
}

static int broken_threshold(const struct rule_context *context, int node, double factor)
{
    if (factor > context->thresholds[GROW])
        return GROW;
    if (factor < context->thresholds[SHRINK])
        return SHRINK;
    int first = first_of_chain(context, node, context->observations->forecast.layers[node].chain_length);
    if (factor < context->thresholds[SHRINK_SCHEME] && scheme_is_wrong(context, first))
        return SHRINK_SCHEME;
    return -1;
}

/* The chain with the most extreme factor. */
static bool check_chains(struct rule_context *context, bool *found)
{
    double extreme = 0;
    int worst = -1, row = -1;
    for (int i = 0; i < context->graph->node_count; i++) {
        const struct forecast_layer *layer = &context->observations->forecast.layers[i];
        if (!layer->affine || layer->normalised || !isfinite(layer->chain) || fabs(layer->chain) <= extreme)
            continue;
        int broken = broken_threshold(context, i, exp(layer->chain));
        if (broken < 0)
            continue;
        extreme = fabs(layer->chain);
        worst = i;
        row = broken;
    }
    *found = worst >= 0;
    return worst < 0 ||
           add_chain(context, worst, exp(context->observations->forecast.layers[worst].chain), row);
}

/* ---- single weights ---- */

/* How many times too large the variance of a layer's weight is: relative to what its activation asks for, 2
 * / fan_in at least. -INFINITY: it is no weight. */
static double excess_of(const struct rule_context *context, int node, int parameter)
{
    const struct stability_parameter_report *weight = &context->report->layers[node].parameters[parameter];
    if (weight->shape.rank < 2 || weight->buffer || !weight->value || weight->shared_with)
        return -INFINITY;
    struct fans fans = fans_of(&weight->shape);
    const struct graph_node *activation = activation_of(context, node);
    struct wanted wanted = scheme_wanted(activation, &fans);
    double asked = fmax(2 / fans.in, activation ? wanted.variance : 0);
    double scale = context->observations->forecast.layers[node].affine
                       ? context->observations->forecast.layers[node].scale
                       : 1;
    return weight->value->all.variance * scale * scale / asked;
}

static bool check_weights(struct rule_context *context)
{
    for (int i = 0; i < context->graph->node_count; i++) {
        const struct stability_layer_report *layer = &context->report->layers[i];
        double greatest = -INFINITY;
        for (size_t k = 0; k < layer->parameter_count; k++)
            greatest = fmax(greatest, excess_of(context, i, (int)k));
        if (!(greatest > context->thresholds[EXCESS]) || context->graph->nodes[i].ops->indexes ||
            context->observations->forecast.layers[i].normalised || is_poisoned(layer))
            continue;
        struct measured measured = {"excess", greatest, context->thresholds[EXCESS]};
        return rule_add_measured(
            context, i, STABILITY_WARNING, &measured,
            rule_text(context, "the variance of a weight of '%s' is %.3g times what its %.6g inputs allow",
                      layer->name, greatest, fans_of(&layer->parameters[0].shape).in),
            looks_like(context, i));
    }
    return true;
}

static bool check(struct rule_context *context)
{
    bool found;
    return check_chains(context, &found) && (found || check_weights(context));
}

RULE_OPS(poor_initialization) = {
    .type =
        {.name = "poor-initialization",
         .severity = STABILITY_WARNING,
         .criterion =
             "a chain of Linear and Conv layers with their activations, without normalisations and "
             "additions between them, multiplies signals by the product over its layers of sqrt(chi), chi = "
             "fan_in * weight variance * E f'^2: below shrink, or shrink_scheme where its weights were "
             "drawn by xavier, lecun or N(0, 0.01^2) under an activation that asks for more, or above grow; "
             "or one weight's variance is more than excess times what is asked for",
         .documentation =
             "What the weights' scale alone does to signals and gradients over depth, before any data.",
         .source = "Schoenholz et al. 2017, Deep information propagation; He, Zhang, Ren, Sun 2015, "
                   "Delving deep into rectifiers",
         .thresholds = thresholds},
    .least = 1u << SHRINK | 1u << SHRINK_SCHEME,
    .check = check,
};
