/* Which numbers would not survive in narrower formats, told from the histograms of exponents. */
#include "core/analysis.h"
#include "core/formats.h"

#include <math.h>

struct settings {
    int64_t loss_scale_exponent;
};

static const struct stability_attribute rows[] = {
    {"loss_scale_exponent", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct settings, loss_scale_exponent),
     .minimum = -64, .maximum = 64, .documentation = "gradients are taken times two to this power"},
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

static bool run(struct analysis_context *context, struct stability_result *result)
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
        struct stability_result *losses = result_list(context, member, "losses");
        for (size_t i = 0; i < context->report->layer_count; i++)
            add_layer(context, losses, &context->report->layers[i], format, scale);
    }
    return !context->failed;
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
             "in the middle of the narrower range that is not empty.",
         .source =
             "IEEE 754-2019; Micikevicius et al. 2018, Mixed precision training; Micikevicius et al. 2022, "
             "FP8 formats for deep learning"},
    .settings_size = sizeof(struct settings),
    .run = run,
};
