#include "core/rules/gradient.h"

#include <math.h>

static void include_norm(struct gradient_norms *norms, const struct stability_statistics *gradient)
{
    if (!gradient)
        return;
    double norm = gradient->all.norm;
    norms->finite &= isfinite(norm) != 0;
    if (!norms->any || norm < norms->least)
        norms->least = norm;
    if (!norms->any || norm > norms->greatest)
        norms->greatest = norm;
    norms->any = true;
}

struct gradient_norms gradient_norms_of(const struct stability_layer_report *layer)
{
    struct gradient_norms norms = {.finite = true};
    const struct stability_statistics *output = layer->outputs[0].gradient;
    include_norm(&norms, output);
    for (size_t k = 0; k < layer->parameter_count; k++) {
        const struct stability_parameter_report *parameter = &layer->parameters[k];
        bool invariant =
            output && output->all.norm > 0 && parameter->gradient && parameter->gradient->all.norm == 0;
        if (parameter->shape.rank >= 2 && !parameter->shared_with && !invariant)
            include_norm(&norms, parameter->gradient);
    }
    return norms;
}

double gradient_norm_at_loss(const struct rule_context *context)
{
    const struct graph_value *value = &context->graph->values[context->graph->loss_inputs[0]];
    if (value->producer < 0)
        return NAN;
    const struct stability_statistics *gradient =
        context->report->layers[value->producer].outputs[value->output].gradient;
    return gradient ? gradient->all.norm : NAN;
}
