/* Which numbers would not survive in narrower formats, told from the histograms of exponents; and where it is
 * asked for by name, what runs in these formats make of the model. */
#include "core/analysis.h"
#include "core/emulation.h"
#include "core/formats.h"

#include <math.h>
#include <string.h>

struct settings {
    int64_t loss_scale_exponent;
    bool emulate;
    double divergence;
};

static const struct stability_attribute rows[] = {
    {"loss_scale_exponent", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct settings, loss_scale_exponent),
     .minimum = -64, .maximum = 64, .documentation = "gradients are taken times two to this power"},
    {"emulate", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct settings, emulate), .number = 1,
     .documentation =
         "whether the model is run in each format; only where the analysis is asked for by name"},
    {"divergence", STABILITY_ATTRIBUTE_REAL, offsetof(struct settings, divergence), .minimum = 0,
     .exclusive = true, .number = 0.1,
     .documentation = "relative error from which on a layer of such a run has diverged"},
    {0},
};

/* What tells one tensor from another. */
struct subject {
    const char *layer;
    const char *tensor; /* "output", "weight" */
    bool gradient;
};

/* One tensor in one format: where nothing is lost, nothing is said. */
static void add_losses(struct analysis_context *context, struct stability_result *list,
                       const struct subject *subject, const struct stability_statistics *statistics,
                       enum stability_format format, int scale)
{
    if (!statistics)
        return;
    struct format_losses losses = format_losses_of(statistics, format, subject->gradient ? scale : 0);
    if (losses.overflown + losses.flushed + losses.subnormal == 0)
        return;
    double count = (double)losses.finite;
    struct stability_result *result = result_object(context, list, "");
    result_text(context, result, "layer", subject->layer);
    result_text(context, result, "tensor", subject->tensor);
    result_boolean(context, result, "gradient", subject->gradient);
    result_number(context, result, "overflow", (double)losses.overflown / count);
    result_number(context, result, "underflow", (double)losses.flushed / count);
    result_number(context, result, "subnormal", (double)losses.subnormal / count);
}

static void add_layer(struct analysis_context *context, struct stability_result *list,
                      const struct stability_layer_report *layer, enum stability_format format, int scale)
{
    for (int pass = 0; pass < 2; pass++) {
        struct subject subject = {layer->name, "output", pass == 1};
        const struct stability_output_report *output = &layer->outputs[0];
        add_losses(context, list, &subject, pass ? output->gradient : output->value, format, scale);
        for (size_t k = 0; k < layer->parameter_count; k++) {
            subject.tensor = layer->parameters[k].name;
            add_losses(context, list, &subject,
                       pass ? layer->parameters[k].gradient : layer->parameters[k].value, format, scale);
        }
    }
}

static bool overflows(const struct stability_statistics *statistics, enum stability_format format)
{
    return statistics && (statistics->inf_count > 0 || statistics->overflow_counts[format] > 0);
}

static const char *first_overflow(const struct stability_report *report, enum stability_format format)
{
    for (size_t i = 0; i < report->layer_count; i++) {
        bool found = overflows(report->layers[i].outputs[0].value, format);
        for (size_t k = 0; k < report->layers[i].parameter_count; k++)
            found |= overflows(report->layers[i].parameters[k].value, format);
        if (found)
            return report->layers[i].name;
    }
    return NULL;
}

static void add_range(struct analysis_context *context, struct stability_result *parent, const char *name,
                      int least, int greatest)
{
    struct stability_result *range = least <= greatest ? result_object(context, parent, name) : NULL;
    if (!range) {
        result_text(context, parent, name, NULL);
        return;
    }
    result_number(context, range, "least", ldexp(1, least));
    result_number(context, range, "greatest", ldexp(1, greatest));
}

static void add_loss_scale(struct analysis_context *context, struct stability_result *parent,
                           enum stability_format format)
{
    struct scale_range range = formats_gradient_range(context->report, format);
    if (!range.any)
        return;
    struct stability_result *result = result_object(context, parent, "loss_scale");
    add_range(context, result, "loses_nothing", range.least, range.greatest);
    add_range(context, result, "keeps_precision", range.normal, range.greatest);
    result_number(context, result, "best", ldexp(1, scale_range_best(&range)));
}

/* ---- runs in each format ---- */

static bool wants_emulation(const struct stability_plan *plan, const struct settings *settings)
{
    const struct stability_options *options = &plan->graph.request->options;
    for (size_t i = 0; i < options->analysis_count; i++)
        if (strcmp(options->analyses[i].name, "precision") == 0)
            return settings->emulate;
    return false;
}

static void add_divergence(struct analysis_context *context, struct stability_result *parent,
                           const char *layer, const char *pass, double error)
{
    struct stability_result *result = result_object(context, parent, "first_divergence");
    result_text(context, result, "layer", layer);
    result_text(context, result, "pass", pass);
    result_number(context, result, "error", error);
}

/* The first layer in the order of the run. */
static void find_divergence(struct analysis_context *context, struct stability_result *parent,
                            const struct emulated_layer *layers, double least)
{
    const struct stability_report *report = context->report;
    for (size_t i = 0; i < report->layer_count; i++)
        if (layers[i].forward > least) {
            add_divergence(context, parent, report->layers[i].name, "forward", layers[i].forward);
            return;
        }
    for (size_t i = report->layer_count; i-- > 0;) {
        double error = fmax(layers[i].backward, layers[i].parameters);
        if (error > least) {
            add_divergence(context, parent, report->layers[i].name, "backward", error);
            return;
        }
    }
    result_text(context, parent, "first_divergence", NULL);
}

static bool add_emulation(struct analysis_context *context, struct stability_result *parent,
                          struct emulation *emulation, enum stability_format format)
{
    const struct settings *settings = context->settings;
    const struct stability_report *report = context->report;
    struct emulated_layer *layers = arena_array(context->arena, report->layer_count, sizeof(*layers));
    if (!layers) {
        context->failed = true;
        return false;
    }
    if (!emulation_run(emulation, format, (int)settings->loss_scale_exponent, layers, context->error))
        return false;
    double loss = emulation->rounded.run.loss, exact = emulation->exact.run.loss;
    struct stability_result *result = result_object(context, parent, "emulated");
    result_number(context, result, "loss", loss);
    result_number(context, result, "loss_error", loss == exact ? 0 : fabs((loss - exact) / exact));
    find_divergence(context, result, layers, settings->divergence);
    struct stability_result *list = result_list(context, result, "layers");
    for (size_t i = 0; i < report->layer_count; i++) {
        struct stability_result *layer = result_object(context, list, "");
        result_text(context, layer, "layer", report->layers[i].name);
        result_number(context, layer, "forward_error", layers[i].forward);
        result_number(context, layer, "backward_error", layers[i].backward);
        result_number(context, layer, "parameter_gradient_error", layers[i].parameters);
    }
    return true;
}

/* ---- the analysis ---- */

static bool add_formats(struct analysis_context *context, struct stability_result *result,
                        struct emulation *emulation)
{
    int scale = (int)((const struct settings *)context->settings)->loss_scale_exponent;
    for (int f = 0; f < STABILITY_FORMAT_COUNT; f++) {
        enum stability_format format = (enum stability_format)f;
        const struct number_format *description = number_format_at(format);
        struct stability_result *member = result_object(context, result, description->name);
        result_number(context, member, "greatest", description->greatest);
        result_number(context, member, "least_normal", ldexp(1, description->least_normal));
        result_number(context, member, "least_subnormal", ldexp(1, description->least_subnormal));
        result_text(context, member, "first_overflow", first_overflow(context->report, format));
        add_loss_scale(context, member, format);
        if (emulation && !add_emulation(context, member, emulation, format))
            return false;
        struct stability_result *losses = result_list(context, member, "losses");
        for (size_t i = 0; i < context->report->layer_count; i++)
            add_layer(context, losses, &context->report->layers[i], format, scale);
    }
    return !context->failed;
}

static bool run(struct analysis_context *context, struct stability_result *result)
{
    if (!wants_emulation(context->plan, context->settings))
        return add_formats(context, result, NULL);
    struct emulation emulation;
    bool done = emulation_plan(&emulation, context->plan->graph.request, context->error) &&
                emulation_open(&emulation, context->error) && add_formats(context, result, &emulation);
    emulation_close(&emulation);
    return done;
}

static double bytes(const struct stability_plan *plan, const void *settings, struct stability_error *error)
{
    if (!wants_emulation(plan, settings))
        return 0;
    struct emulation emulation;
    bool done = emulation_plan(&emulation, plan->graph.request, error);
    double bytes = done ? emulation_bytes(&emulation) : -1;
    emulation_close(&emulation);
    return bytes;
}

ANALYSIS_OPS(precision) = {
    .type =
        {.name = "precision",
         .always = true,
         .settings = rows,
         .documentation =
             "For float32, float16, bfloat16 and two eight-bit formats: losses, of each tensor that loses "
             "anything when it is rounded to the format the fraction of its finite elements that overflow, "
             "are flushed to 0 (underflow) or lose bits (subnormal); the first layer with an output or a "
             "parameter that overflows; and loss scales: the powers of two that flush and overflow no "
             "gradient (loses_nothing), that keep all of them normal (keeps_precision), and the best one, "
             "in the middle of the narrower range that is not empty. Asked for by name, it also runs the "
             "model in each format (emulated): parameters, inputs, every output and every gradient are "
             "rounded to it, ties to even, what a layer computes in between is float64. Errors are relative "
             "to the same run without rounding, in L2; first_divergence is the first one in the order of "
             "the run above the setting, or that is not finite.",
         .source =
             "IEEE 754-2019; Micikevicius et al. 2018, Mixed precision training; Micikevicius et al. 2022, "
             "FP8 formats for deep learning"},
    .settings_size = sizeof(struct settings),
    .bytes = bytes,
    .run = run,
};
