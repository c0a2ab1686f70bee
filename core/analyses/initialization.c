/* Which initialisation every weight looks like, and which one it should have. */
#include "core/analysis.h"
#include "core/scheme.h"

#include <math.h>
#include <string.h>

/* The report's entry for a parameter of a node; shared ones are shown with their owner alone. */
static const struct stability_parameter_report *report_of(const struct analysis_context *context, int node,
                                                          int parameter)
{
    const struct stability_layer_report *layer = &context->report->layers[node];
    const struct graph_parameter *source = &context->plan->graph.nodes[node].parameters[parameter];
    for (size_t k = 0; k < layer->parameter_count; k++)
        if (strcmp(layer->parameters[k].name, source->name) == 0)
            return layer->parameters[k].shared_with ? NULL : &layer->parameters[k];
    return NULL;
}

static const struct graph_node *activation_after(const struct analysis_context *context, int node)
{
    const struct forecast_layer *layer = &context->observations->forecast.layers[node];
    return layer->affine && layer->activation >= 0 ? &context->plan->graph.nodes[layer->activation] : NULL;
}

static void add_matches(struct analysis_context *context, struct stability_result *weight,
                        const struct scheme_match *match)
{
    result_text(context, weight, "scheme", match->best < 0 ? NULL : scheme_name((enum scheme)match->best));
    struct stability_result *list = result_list(context, weight, "matches");
    for (int s = 0; s < SCHEME_COUNT; s++)
        if (match->matches[s])
            result_text(context, list, "", scheme_name((enum scheme)s));
    result_number(context, weight, "tolerance", match->tolerance);
}

static void add_wanted(struct analysis_context *context, struct stability_result *weight, int node,
                       const struct fans *fans, double variance)
{
    const struct graph_node *activation = activation_after(context, node);
    struct wanted wanted = scheme_wanted(activation, fans);
    struct stability_result *wants = result_object(context, weight, "wanted");
    result_text(context, wants, "activation", activation ? activation->name : NULL);
    result_text(context, wants, "scheme", wanted.scheme);
    result_number(context, wants, "variance", wanted.variance);
    result_text(context, wants, "reason", wanted.reason);
    result_number(context, wants, "rescale_by", variance > 0 ? sqrt(wanted.variance / variance) : NAN);
}

static void add_weight(struct analysis_context *context, struct stability_result *list, int node,
                       int parameter)
{
    const struct graph_parameter *source = &context->plan->graph.nodes[node].parameters[parameter];
    if (!source->present || source->row->buffer || source->shape.rank < 2)
        return;
    const struct stability_parameter_report *report = report_of(context, node, parameter);
    if (!report || !report->value)
        return;
    const struct stability_moments *value = &report->value->all;
    const struct weight_probe *probe =
        &context->observations->probes.weights[graph_slot(&context->plan->graph, node, parameter)];
    struct fans fans = fans_of(&source->shape);
    struct scheme_match match = scheme_of(report->value, probe, &source->shape);
    struct stability_result *weight = result_object(context, list, "");
    result_text(context, weight, "name", source->key);
    result_number(context, weight, "fan_in", fans.in);
    result_number(context, weight, "fan_out", fans.out);
    result_number(context, weight, "mean", value->mean);
    result_number(context, weight, "variance", value->variance);
    result_number(context, weight, "variance_times_fan_in", value->variance * fans.in);
    add_matches(context, weight, &match);
    if (context->observations->forecast.layers[node].affine)
        add_wanted(context, weight, node, &fans, value->variance);
}

static bool run(struct analysis_context *context, struct stability_result *result)
{
    struct stability_result *weights = result_list(context, result, "weights");
    const struct graph *graph = &context->plan->graph;
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].parameter_count; k++)
            add_weight(context, weights, i, k);
    return !context->failed;
}

ANALYSIS_OPS(initialization) = {
    .type =
        {.name = "initialization",
         .always = true,
         .documentation =
             "Which schemes of torch.nn.init each weight of two or more dimensions could have been drawn by "
             "(matches; scheme is the nearest), told from its variance, mean and extremes with a tolerance "
             "of five standard errors; and for Linear and Conv layers the one that the activation behind "
             "them asks for, with the factor that gives the weight that variance (wanted.rescale_by).",
         .source =
             "Glorot, Bengio 2010 (xavier: 2 / (fan_in + fan_out)); He, Zhang, Ren, Sun 2015 (kaiming: 2 / "
             "fan_in); LeCun, Bottou, Orr, Muller 1998 (lecun: 1 / fan_in); Saxe, McClelland, Ganguli 2014 "
             "(orthogonal); torch.nn.Linear (uniform, bound 1 / sqrt(fan_in))"},
    .run = run,
};
