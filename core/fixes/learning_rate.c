/* Another learning rate; gradients that are clipped or normalised. */
#include "core/fix.h"
#include "core/training.h"

#include <math.h>
#include <string.h>

static double evidence_of(const struct stability_finding *finding, const char *name)
{
    for (size_t i = 0; i < finding->evidence_count; i++)
        if (strcmp(finding->evidence[i].name, name) == 0)
            return finding->evidence[i].value;
    return (double)NAN;
}

static bool sets(const struct stability_members *settings, const char *name)
{
    for (size_t i = 0; i < settings->count; i++)
        if (strcmp(settings->items[i].name, name) == 0)
            return settings->items[i].value.kind != STABILITY_NULL;
    return false;
}

/* Sets the rate where the request has it: in an analysis's settings, which weigh more, or in its options. */
static void set_rate(struct revision *revision, double rate)
{
    static const char *const analyses[] = {"training", "learning_rate"};
    const struct stability_value value = revision_real(rate);
    bool own = false;
    for (size_t i = 0; i < revision->request.options.analysis_count; i++)
        for (size_t k = 0; k < sizeof(analyses) / sizeof(analyses[0]); k++) {
            const struct stability_analysis *analysis = &revision->request.options.analyses[i];
            if (strcmp(analysis->name, analyses[k]) != 0 || !sets(&analysis->settings, "learning_rate"))
                continue;
            revision_set_analysis(revision, analyses[k], "learning_rate", &value);
            own = true;
        }
    if (!own || revision->request.options.learning_rate_given)
        revision_set_learning_rate(revision, rate);
}

static void try_rate(const struct fix_context *context, double rate, double before)
{
    rate = fix_rounded(rate, 2);
    if (!isfinite(rate) || rate <= 0)
        return;
    struct revision revision = fix_begin(context);
    set_rate(&revision, rate);
    fix_offer(context, &revision, "use a learning rate of %.2g in place of %.3g", rate, before);
}

/* Steps that were taken: other rates, and gradients that are clipped or normalised. */
static void try_training(const struct fix_context *context, const struct training_result *training)
{
    bool small = training->events[0].outcome == TRAINING_NO_PROGRESS && !training_moved(training);
    for (int power = 1; power <= 4; power++)
        try_rate(context, training->learning_rate * pow(10, small ? 2 * power : -power),
                 training->learning_rate);
    if (small)
        return;
    if (training->suggested_clip > 0 && isfinite(training->suggested_clip)) {
        struct revision revision = fix_begin(context);
        const struct stability_value clip = revision_real(fix_rounded(training->suggested_clip, 2));
        revision_set_analysis(&revision, "training", "clip_grad_norm", &clip);
        fix_offer(context, &revision, "clip the norm of the gradients at %.2g", clip.real);
    }
    struct revision revision = fix_begin(context);
    const struct stability_value yes = revision_boolean(true);
    revision_set_analysis(&revision, "training", "normalize_gradients", &yes);
    fix_offer(context, &revision, "divide the gradients by their norm");
}

static void propose(const struct fix_context *context)
{
    const struct stability_options *options = &context->graph->request->options;
    double suggested = evidence_of(context->finding, "suggested_learning_rate");
    double rate = evidence_of(context->finding, "learning_rate");
    double ratio = evidence_of(context->finding, "update_ratio");
    if (isfinite(suggested))
        try_rate(context, suggested, rate);
    else if (options->learning_rate_given && ratio > 0)
        try_rate(context, options->learning_rate * 1e-3 / ratio, options->learning_rate);
    if (context->observations->training && strcmp(context->finding->rule, "learning-rate") == 0)
        try_training(context, context->observations->training);
}

static const char *const rules[] = {"learning-rate", "update-ratio", NULL};

FIX_OPS(learning_rate) = {
    .type = {.name = "learning-rate",
             .documentation =
                 "The rate with which a step moves the weights by a thousandth of their length, or that a "
                 "test of rates suggests; after training, rates of 10 to 10^4 times less, or 10^2 to 10^8 "
                 "times more, and gradients that are clipped or normalised.",
             .source =
                 "Karpathy 2017, CS231n notes, Neural networks part 3: ratio of weights to updates; "
                 "Pascanu, Mikolov, Bengio 2013, On the difficulty of training recurrent neural networks",
             .rules = rules},
    .propose = propose,
};
