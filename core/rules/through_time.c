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

struct through_time through_time_of(const struct rule_context *context, int node)
{
    const struct graph_node *source = &context->graph->nodes[node];
    const struct stability_output_report *output = &context->report->layers[node].outputs[0];
    struct through_time result = {.applies = false};
    if (strcmp(source->ops->type.type, "RNN") != 0 || !output->value || !reads_the_end(output))
        return result;
    int dim = source->ops->time_dim(source->attributes, &output->shape);
    result.steps = dim < 0 ? 0 : output->shape.sizes[dim];
    result.per_step = recurrent_gain(&context->report->layers[node]) * slope_of(context, node);
    result.factor = pow(result.per_step, (double)(result.steps - 1));
    result.applies = result.steps > 1 && isfinite(result.factor);
    return result;
}
