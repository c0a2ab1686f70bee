#include "core/rules/through_time.h"

#include <math.h>
#include <string.h>

/* Whether hardly any of the gradient is there before the last quarter of the steps, or at the first one. */
static bool reads_the_end(const struct stability_output_report *output)
{
    double early = 0, all = 0;
    for (int64_t t = 0; t < output->step_count; t++) {
        double square = output->steps[t] * output->steps[t];
        early += 4 * (t + 1) <= 3 * output->step_count ? square : 0;
        all += square;
    }
    return output->step_count == 0 || early <= 1e-12 * all || output->steps[0] <= 1e-6 * sqrt(all);
}

/* Of the recurrent weight that passes most. */
static double recurrent_gain(const struct stability_layer_report *layer)
{
    double greatest = 0;
    for (size_t k = 0; k < layer->parameter_count; k++) {
        const struct stability_parameter_report *parameter = &layer->parameters[k];
        if (strncmp(parameter->name, "weight_hh", 9) == 0 && parameter->value)
            greatest = fmax(greatest, (double)parameter->shape.sizes[1] * parameter->value->all.variance);
    }
    return sqrt(greatest);
}

/* tanh' = 1 - tanh^2, at the outputs' second moment; a rectifier passes half. */
static double slope_of(const struct rule_context *context, int node)
{
    const struct graph_node *source = &context->graph->nodes[node];
    const struct stability_statistics *output = context->report->layers[node].outputs[0].value;
    const struct stability_attribute *row = source->ops->type.attributes;
    while (row->name && strcmp(row->name, "nonlinearity") != 0)
        row++;
    bool rectifier = row->name && *(const int *)((const char *)source->attributes + row->offset) > 0;
    return rectifier ? sqrt(0.5) : 1 - output->all.rms * output->all.rms;
}

static int64_t count_steps(const struct rule_context *context, int node)
{
    const struct graph_node *source = &context->graph->nodes[node];
    int dim = source->ops->time_dim(source->attributes, &context->report->layers[node].outputs[0].shape);
    return dim < 0 ? 0 : context->report->layers[node].outputs[0].shape.sizes[dim];
}

struct through_time through_time_of(const struct rule_context *context, int node)
{
    const struct graph_node *source = &context->graph->nodes[node];
    const struct stability_output_report *output = &context->report->layers[node].outputs[0];
    struct through_time result = {.applies = false};
    if (strcmp(source->ops->type.type, "RNN") != 0 || !output->value || !reads_the_end(output))
        return result;
    result.steps = count_steps(context, node);
    result.per_step = recurrent_gain(&context->report->layers[node]) * slope_of(context, node);
    result.factor = pow(result.per_step, (double)(result.steps - 1));
    result.applies = result.steps > 1 && isfinite(result.factor);
    return result;
}

/* Of one direction. */
static int64_t count_units(const struct stability_layer_report *layer)
{
    for (size_t k = 0; k < layer->parameter_count; k++)
        if (strncmp(layer->parameters[k].name, "weight_hh", 9) == 0)
            return layer->parameters[k].shape.sizes[1];
    return 0;
}

/* From the last step but one, to which the next one alone gives a gradient, to where that is next to
 * nothing. */
static double mean_factor(const struct stability_output_report *output)
{
    const double least = 1e-30; /* above what float32 holds with all digits */
    int64_t last = output->step_count - 2, first = last;
    while (first > 0 && output->steps[first - 1] > least)
        first--;
    return pow(output->steps[first] / output->steps[last], 1 / (double)(last - first));
}

struct through_time through_gates_of(const struct rule_context *context, int node)
{
    enum { LEAST_STEPS = 16, LEAST_UNITS = 8 };
    const struct graph_node *source = &context->graph->nodes[node];
    const struct stability_output_report *output = &context->report->layers[node].outputs[0];
    struct through_time result = {.applies = false};
    if (!source->ops->time_dim || strcmp(source->ops->type.type, "RNN") == 0 ||
        output->step_count < LEAST_STEPS || count_units(&context->report->layers[node]) < LEAST_UNITS ||
        !reads_the_end(output))
        return result;
    result.steps = count_steps(context, node);
    result.per_step = mean_factor(output);
    result.factor = pow(result.per_step, (double)(result.steps - 1));
    result.applies = isfinite(result.per_step);
    return result;
}
