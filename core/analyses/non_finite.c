/* Where the first NaN or infinity came from and what it did; where there is none, how near a pass came. */
#include "core/analysis.h"
#include "core/formats.h"

#include <math.h>

static const char *pass_of(const struct non_finite_origin *origin)
{
    return origin->sent ? "data" : origin->backward ? "backward" : "forward";
}

static void add_origin(struct analysis_context *context, struct stability_result *parent, const char *name,
                       const struct non_finite_origin *origin)
{
    const struct stability_report *report = context->report;
    if (!origin->found) {
        result_text(context, parent, name, NULL);
        return;
    }
    struct stability_result *result = result_object(context, parent, name);
    result_text(context, result, "pass", pass_of(origin));
    result_text(context, result, "layer", origin->node < 0 ? NULL : report->layers[origin->node].name);
    result_text(context, result, "type", origin->node < 0 ? NULL : report->layers[origin->node].type);
    result_text(context, result, "where", origin->where);
    result_position(context, result, "element", &origin->shape, origin->element);
    result_value(context, result, "value", origin->value);
    result_text(context, result, "how", origin->how);
    struct stability_result *operands = result_list(context, result, "operands");
    for (int k = 0; k < origin->operand_count; k++) {
        struct stability_result *operand = result_object(context, operands, "");
        result_text(context, operand, "name", origin->operands[k].name);
        result_position(context, operand, "element", &origin->operands[k].shape, origin->operands[k].element);
        result_value(context, operand, "value", origin->operands[k].value);
    }
}

/* ---- what it spread to ---- */

static void add_spread(struct analysis_context *context, struct stability_result *list,
                       const struct stability_layer_report *layer, const char *pass, const char *tensor,
                       const struct stability_statistics *statistics)
{
    if (!statistics || statistics->nan_count + statistics->inf_count == 0)
        return;
    struct stability_result *result = result_object(context, list, "");
    result_text(context, result, "layer", layer->name);
    result_text(context, result, "pass", pass);
    result_text(context, result, "tensor", tensor);
    result_integer(context, result, "nan_count", statistics->nan_count);
    result_integer(context, result, "inf_count", statistics->inf_count);
    result_integer(context, result, "count", statistics->all.count);
}

static const char *output_name(const struct stability_output_report *output)
{
    return *output->name ? output->name : "output";
}

/* In the order of the run. */
static void add_all_spread(struct analysis_context *context, struct stability_result *parent)
{
    const struct stability_report *report = context->report;
    struct stability_result *list = result_list(context, parent, "spread");
    for (size_t i = 0; i < report->layer_count; i++)
        for (int k = 0; k < report->layers[i].output_count; k++)
            add_spread(context, list, &report->layers[i], "forward",
                       output_name(&report->layers[i].outputs[k]), report->layers[i].outputs[k].value);
    for (size_t i = report->layer_count; i-- > 0;) {
        const struct stability_layer_report *layer = &report->layers[i];
        for (int k = 0; k < layer->output_count; k++)
            add_spread(context, list, layer, "backward", output_name(&layer->outputs[k]),
                       layer->outputs[k].gradient);
        for (size_t k = 0; k < layer->parameter_count; k++)
            add_spread(context, list, layer, "backward", layer->parameters[k].name,
                       layer->parameters[k].gradient);
    }
}

/* ---- how near it is ---- */

/* The greatest finite magnitude of a pass. */
struct peak {
    const char *layer;
    const char *tensor;
    double magnitude;
};

static void raise_peak(struct peak *peak, const char *layer, const char *tensor,
                       const struct stability_statistics *statistics)
{
    if (!statistics || !(statistics->finite.abs_max > peak->magnitude))
        return;
    *peak = (struct peak){layer, tensor, statistics->finite.abs_max};
}

static void find_peaks(const struct stability_report *report, struct peak *forward, struct peak *backward)
{
    for (size_t i = 0; i < report->layer_count; i++) {
        const struct stability_layer_report *layer = &report->layers[i];
        for (int k = 0; k < layer->output_count; k++) {
            raise_peak(forward, layer->name, output_name(&layer->outputs[k]), layer->outputs[k].value);
            raise_peak(backward, layer->name, output_name(&layer->outputs[k]), layer->outputs[k].gradient);
        }
        for (size_t k = 0; k < layer->parameter_count; k++)
            raise_peak(backward, layer->name, layer->parameters[k].name, layer->parameters[k].gradient);
    }
}

static void add_peak(struct analysis_context *context, struct stability_result *parent, const char *name,
                     const struct peak *peak)
{
    double limit = context->report->precision == STABILITY_PRECISION_FLOAT32
                       ? number_format_at(STABILITY_FORMAT_FLOAT32)->greatest
                       : 0x1.fffffffffffffp1023;
    struct stability_result *result = result_object(context, parent, name);
    result_number(context, result, "magnitude", peak->magnitude);
    result_text(context, result, "layer", peak->layer);
    result_text(context, result, "tensor", peak->tensor);
    result_number(context, result, "limit", limit);
    result_number(context, result, "doublings_left",
                  peak->magnitude > 0 ? log2(limit) - log2(peak->magnitude) : NAN);
}

static bool run(struct analysis_context *context, struct stability_result *result)
{
    const struct observations *observations = context->observations;
    struct peak forward = {0}, backward = {0};
    result_boolean(context, result, "found", observations->non_finite.found);
    add_origin(context, result, "first", &observations->non_finite);
    add_origin(context, result, "first_nan",
               isnan(observations->non_finite.value) ? &observations->non_finite : &observations->first_nan);
    add_all_spread(context, result);
    find_peaks(context->report, &forward, &backward);
    struct stability_result *greatest = result_object(context, result, "greatest");
    add_peak(context, greatest, "forward", &forward);
    add_peak(context, greatest, "backward", &backward);
    return !context->failed;
}

ANALYSIS_OPS(non_finite) = {
    .type = {.name = "non_finite",
             .documentation =
                 "The root of a run's NaN and infinities: first, the first number that is not finite in the "
                 "order of the run, with the pass (data, forward, backward), layer, tensor (where), element, "
                 "value, its operands and how it arose; first_nan, the same of the first NaN, which may come "
                 "of an infinity later (inf - inf, 0 * inf, inf/inf); spread, every output and gradient that "
                 "holds some, in the order of the run; and greatest, the greatest finite magnitude of each "
                 "pass, the limit of the precision and how many times it could double before that.",
             .source =
                 "IEEE 754-2019, sections 6 (infinities, NaN) and 7 (invalid operation, division by zero, "
                 "overflow)"},
    .run = run,
};
