/* How many elements of each tensor have which binary exponent: what the charts of formats are drawn from. */
#include "core/analysis.h"

/* One tensor: the first exponent that it has, and counts from there to the last one. */
static void add_tensor(struct analysis_context *context, struct stability_result *list, const char *layer,
                       const char *name, const char *pass, const struct stability_statistics *statistics)
{
    int first = 0, last = STABILITY_EXPONENT_COUNT - 1;
    if (!statistics)
        return;
    while (first < last && statistics->exponents[first] == 0)
        first++;
    while (last > first && statistics->exponents[last] == 0)
        last--;
    if (statistics->exponents[first] == 0)
        return;
    struct stability_result *tensor = result_object(context, list, "");
    result_text(context, tensor, "layer", layer);
    result_text(context, tensor, "tensor", name);
    result_text(context, tensor, "pass", pass);
    result_integer(context, tensor, "first", first + STABILITY_EXPONENT_MIN);
    struct stability_result *counts = result_list(context, tensor, "counts");
    for (int i = first; i <= last; i++)
        result_integer(context, counts, "", statistics->exponents[i]);
}

static bool run(struct analysis_context *context, struct stability_result *result)
{
    const struct stability_report *report = context->report;
    struct stability_result *list = result_list(context, result, "tensors");
    for (size_t i = 0; i < report->layer_count; i++) {
        const struct stability_layer_report *layer = &report->layers[i];
        for (int k = 0; k < layer->output_count; k++) {
            const struct stability_output_report *output = &layer->outputs[k];
            const char *name = *output->name ? output->name : "output";
            add_tensor(context, list, layer->name, name, "forward", output->value);
            add_tensor(context, list, layer->name, name, "backward", output->gradient);
        }
        for (size_t k = 0; k < layer->parameter_count; k++) {
            const struct stability_parameter_report *parameter = &layer->parameters[k];
            add_tensor(context, list, layer->name, parameter->name, "forward", parameter->value);
            add_tensor(context, list, layer->name, parameter->name, "backward", parameter->gradient);
        }
    }
    return !context->failed;
}

ANALYSIS_OPS(exponents) = {
    .type = {.name = "exponents",
             .documentation =
                 "How many elements of each tensor, finite and not 0, have which binary exponent e, "
                 "2^e <= |x| < 2^(e + 1): counts from the first exponent that occurs",
             .source = "IEEE 754-2019, section 3.3 (the exponent of a number)"},
    .run = run,
};
