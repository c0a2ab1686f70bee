/* What mean-field theory predicts, beside what was measured. */
#include "core/analysis.h"
#include "core/expectation.h"

#include <math.h>

static double square_of(const struct stability_statistics *statistics)
{
    return statistics ? statistics->all.rms * statistics->all.rms : NAN;
}

static void add_pair(struct analysis_context *context, struct stability_result *layer, const char *name,
                     double predicted, bool is_measured, const struct stability_statistics *measured)
{
    struct stability_result *pair = result_object(context, layer, name);
    result_number(context, pair, "predicted", is_measured ? NAN : predicted);
    result_number(context, pair, "measured", square_of(measured));
}

static void add_affine(struct analysis_context *context, struct stability_result *result,
                       const struct forecast_layer *layer)
{
    const struct graph *graph = &context->plan->graph;
    result_number(context, result, "fan_in", layer->fan_in);
    result_number(context, result, "weight_variance", layer->weight_variance);
    result_number(context, result, "bias_square", layer->bias_square);
    result_number(context, result, "gain", layer->gain);
    result_text(context, result, "activation",
                layer->activation >= 0 ? graph->nodes[layer->activation].name : NULL);
    result_number(context, result, "chi", layer->chi);
}

/* The activation around 0, and a * f(x) + b that is x there: 4 sigmoid(x) - 2. */
static void add_linear_regime(struct analysis_context *context, struct stability_result *parent, int node)
{
    const struct forecast_layer *layer = &context->observations->forecast.layers[node];
    struct linear_regime regime = linear_regime_of(&context->plan->graph.nodes[node]);
    double value = layer->factor * regime.value + layer->shift;
    double slope = fabs(layer->factor) * regime.derivative, right = layer->factor * regime.right;
    struct stability_result *linear = result_object(context, parent, "linear_regime");
    result_number(context, linear, "value_at_0", value);
    result_number(context, linear, "slope_at_0", slope);
    result_number(context, linear, "gain_that_keeps_variance", slope > 0 ? 1 / (slope * slope) : NAN);
    result_boolean(context, linear, "identity_at_0", fabs(value) < 1e-6 && fabs(right - 1) < 1e-6);
    result_number(context, linear, "identity_factor", regime.right != 0 ? 1 / regime.right : NAN);
    result_number(context, linear, "identity_shift", regime.right != 0 ? -regime.value / regime.right : NAN);
}

static void add_layer(struct analysis_context *context, struct stability_result *list, int node)
{
    const struct forecast_layer *layer = &context->observations->forecast.layers[node];
    const struct stability_output_report *output = &context->report->layers[node].outputs[0];
    struct stability_result *result = result_object(context, list, "");
    result_text(context, result, "name", context->report->layers[node].name);
    add_pair(context, result, "forward", layer->forward, layer->forward_measured, output->value);
    add_pair(context, result, "backward", layer->backward, layer->backward_measured, output->gradient);
    if (layer->affine)
        add_affine(context, result, layer);
    if (context->plan->graph.nodes[node].ops->activation)
        add_linear_regime(context, result, node);
    if (layer->reason)
        result_text(context, result, "stopped", layer->reason);
}

static void add_fixed_point(struct analysis_context *context, struct stability_result *parent)
{
    const struct forecast *forecast = &context->observations->forecast;
    if (!forecast->has_fixed_point)
        return;
    const struct graph_node *activation = &context->plan->graph.nodes[forecast->activation];
    struct stability_result *result = result_object(context, parent, "fixed_point");
    result_text(context, result, "activation", activation->ops->type.type);
    result_boolean(context, result, "plain", forecast->plain);
    result_number(context, result, "gain", forecast->gain);
    result_number(context, result, "bias_square", forecast->bias_square);
    result_number(context, result, "q", forecast->fixed_point);
    result_number(context, result, "chi", forecast->chi);
    result_number(context, result, "depth_scale", forecast->depth_scale);
    add_linear_regime(context, result, forecast->activation);
}

static bool run(struct analysis_context *context, struct stability_result *result)
{
    add_fixed_point(context, result);
    struct stability_result *layers = result_list(context, result, "layers");
    for (int i = 0; i < context->plan->graph.node_count; i++)
        add_layer(context, layers, i);
    return !context->failed;
}

ANALYSIS_OPS(forecast) = {
    .type =
        {.name = "forecast",
         .always = true,
         .documentation =
             "Mean-field theory from the actual variances of weights and biases: for every layer the second "
             "moment of its output and of that one's gradient, predicted and measured (predicted is null "
             "where the theory starts anew from the measured one; stopped says why); for Linear and Conv "
             "layers gain = fan_in * weight variance and chi = gain * E f'^2, which is 1 where gradients "
             "neither grow nor shrink. A Scale behind an activation counts as a part of it. fixed_point, of "
             "layers with the median gain: q, where the map from one layer to the next leads from the first "
             "one's, chi there, and the depth_scale 1 / |log chi|; plain is false where additions or "
             "normalisations make it another model. linear_regime: the activation around 0, with slope_at_0 "
             "the root mean square of f' on both sides, the gain that keeps the variance of small signals, "
             "whether it is the identity there (identity_at_0: tanh, and ReLU to the right of 0), and what "
             "would make it so: identity_factor * f(x) + identity_shift, 4 sigmoid(x) - 2.",
         .source =
             "Poole et al. 2016, Exponential expressivity in deep neural networks through transient chaos; "
             "Schoenholz et al. 2017, Deep information propagation"},
    .run = run,
};
