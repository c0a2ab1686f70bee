#include "core/rate_test.h"
#include "core/rules/consequence.h"
#include "core/training.h"

#include <math.h>
#include <stdlib.h>

enum { RATIO_HIGH, RATIO_LOW, RATIO_LOW_WARNING };
static const struct stability_threshold thresholds[] = {
    [RATIO_HIGH] = {"ratio_high", 0.1, "the greatest median of update ratios that is not a finding"},
    [RATIO_LOW] = {"ratio_low", 1e-6, "the least median of update ratios that is not a finding"},
    [RATIO_LOW_WARNING] = {"ratio_low_warning", 1e-8, "the same, below which it is a warning"},
    {0},
};

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Over weights of two or more dimensions that have a gradient; NaN: none has. `ratios` has room for all. */
static double median_ratio(const struct stability_report *report, double *ratios)
{
    size_t count = 0;
    for (size_t i = 0; i < report->layer_count; i++)
        for (size_t k = 0; k < report->layers[i].parameter_count; k++) {
            const struct stability_parameter_report *parameter = &report->layers[i].parameters[k];
            if (parameter->shape.rank >= 2 && parameter->update_ratio > 0 &&
                isfinite(parameter->update_ratio))
                ratios[count++] = parameter->update_ratio;
        }
    qsort(ratios, count, sizeof(*ratios), compare_doubles);
    return count ? ratios[count / 2] : NAN;
}

static bool add(struct rule_context *context, double ratio)
{
    bool high = ratio > context->thresholds[RATIO_HIGH];
    bool warning = high || ratio < context->thresholds[RATIO_LOW_WARNING];
    double rate = context->graph->request->options.learning_rate;
    struct stability_evidence evidence[] = {{"update_ratio", ratio},
                                            {"threshold", context->thresholds[high      ? RATIO_HIGH
                                                                              : warning ? RATIO_LOW_WARNING
                                                                                        : RATIO_LOW]},
                                            {"learning_rate", rate},
                                            {"suggested_learning_rate", rate * 1e-3 / ratio}};
    struct finding finding = {
        .severity = warning ? STABILITY_WARNING : STABILITY_INFO,
        .message = rule_text(
            context,
            "with learning rate %.3g a step of gradient descent moves the median weight by %.3g of its "
            "own length, where about a thousandth is usual",
            rate, ratio),
        .cause =
            rule_text(context, "the rate is too %s for these gradients: %.2g would move it by a thousandth",
                      high ? "large" : "small", rate * 1e-3 / ratio),
        .evidence = evidence,
        .evidence_count = sizeof(evidence) / sizeof(evidence[0]),
    };
    return rule_add(context, &finding);
}

/* ---- what analyses measured ---- */

/* What the request's own rate does is as grave as it is; a rate that nobody chose is only remarked on. */
static bool add_measured(struct rule_context *context, enum stability_severity severity, bool given,
                         const struct stability_evidence *evidence, size_t count, const char *message,
                         const char *cause)
{
    struct finding finding = {
        .severity = given ? severity : STABILITY_INFO,
        .message = message,
        .cause = cause,
        .evidence = evidence,
        .evidence_count = count,
    };
    return rule_add(context, &finding);
}

static double suggestion(const struct rule_context *context)
{
    return context->observations->rates ? context->observations->rates->suggested : NAN;
}

/* The evidence's last row is the suggested rate, where there is one. */
static size_t with_suggestion(const struct rule_context *context, struct stability_evidence *evidence,
                              size_t count)
{
    if (isfinite(suggestion(context)))
        evidence[count++] = (struct stability_evidence){"suggested_learning_rate", suggestion(context)};
    return count;
}

static const char *advice(struct rule_context *context, const char *cause)
{
    if (!isfinite(suggestion(context)))
        return cause;
    return rule_text(context, "%s; a test of rates suggests %.2g", cause, suggestion(context));
}

static const char *training_cause(const struct training_result *training)
{
    static const char *const causes[TRAINING_OUTCOME_COUNT] = {
        [TRAINING_DIVERGED] =
            "a step leads beyond where the gradient holds: the rate is too large for this loss",
        [TRAINING_NON_FINITE] = "the steps lead to numbers that the precision does not hold",
        [TRAINING_OSCILLATION] = "the steps lead across the minimum: the rate, or the momentum, is too large",
        [TRAINING_NO_PROGRESS] = "the rate is too small for these gradients",
    };
    enum training_outcome outcome = training->events[0].outcome;
    if (outcome == TRAINING_NO_PROGRESS && training_moved(training))
        return "the weights move, but not to where the loss is lower: the rate is too large, or the gradient "
               "says little";
    return causes[outcome];
}

static bool check_training(struct rule_context *context, const struct training_result *training)
{
    static const enum stability_severity severities[TRAINING_OUTCOME_COUNT] = {
        [TRAINING_DIVERGED] = STABILITY_ERROR_SEVERITY,
        [TRAINING_NON_FINITE] = STABILITY_ERROR_SEVERITY,
        [TRAINING_OSCILLATION] = STABILITY_WARNING,
        [TRAINING_NO_PROGRESS] = STABILITY_WARNING,
    };
    const struct training_event *event = &training->events[0];
    if (event->outcome == TRAINING_PROGRESS || (event->outcome == TRAINING_NON_FINITE && event->step == 1))
        return true;
    struct stability_evidence evidence[5] = {{"learning_rate", training->learning_rate},
                                             {"step", (double)event->step},
                                             {"initial_loss", training->initial_loss},
                                             {"final_loss", training->final_loss}};
    return add_measured(context, severities[event->outcome], training->is_given, evidence,
                        with_suggestion(context, evidence, 4),
                        rule_text(context, "trained with %s at learning rate %.3g, %s", training->optimizer,
                                  training->learning_rate, event->message),
                        advice(context, training_cause(training)));
}

static bool check_rates(struct rule_context *context, const struct rate_result *rates)
{
    if (!isfinite(rates->initial_loss) || rates->effect == RATE_FALLS)
        return true;
    bool unmoved = rates->effect == RATE_UNMOVED, diverges = rates->effect == RATE_DIVERGES;
    double edge = unmoved ? rates->moves_from : diverges ? rates->diverges_from : rates->rises_from;
    bool far = !unmoved || rates->given < edge / 10;
    struct stability_evidence evidence[3] = {{"learning_rate", rates->given}, {"threshold", edge}};
    const char *does = unmoved ? "neither the loss nor the weights move" : "the loss rises";
    const char *cause = isnan(edge) ? "no rate does better"
                                    : rule_text(context,
                                                unmoved ? "they move from a rate of %.2g on"
                                                        : "it does so from a rate of %.2g on",
                                                edge);
    return add_measured(context,
                        diverges ? STABILITY_ERROR_SEVERITY
                        : far    ? STABILITY_WARNING
                                 : STABILITY_INFO,
                        rates->is_given, evidence, with_suggestion(context, evidence, 2),
                        rule_text(context, "with %s at learning rate %.3g %s in %lld steps%s",
                                  rates->optimizer, rates->given, does, (long long)rates->steps,
                                  diverges ? ", to more than four times its start" : ""),
                        advice(context, cause));
}

static bool check_ratios(struct rule_context *context)
{
    if (!context->graph->request->options.learning_rate_given)
        return true;
    double *ratios = arena_array(context->arena, (size_t)context->graph->parameter_slots, sizeof(*ratios));
    if (!ratios)
        return stability_fail(context->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for findings");
    double ratio = median_ratio(context->report, ratios);
    if (ratio > context->thresholds[RATIO_HIGH] || ratio < context->thresholds[RATIO_LOW])
        return add(context, ratio);
    return true;
}

/* What was tried weighs more than what a ratio lets expect. */
static bool check(struct rule_context *context)
{
    if (context->observations->training)
        return check_training(context, context->observations->training);
    if (context->observations->rates)
        return check_rates(context, context->observations->rates);
    return check_ratios(context);
}

RULE_OPS(learning_rate) = {
    .type =
        {.name = "learning-rate",
         .severity = STABILITY_ERROR_SEVERITY,
         .criterion =
             "where the analysis training runs: it diverges or ceases to be finite (error), oscillates or "
             "makes no progress (warning); else where learning_rate does: at the given rate the loss "
             "diverges (error), rises, or nothing moves (warning; info within a factor of ten of a rate "
             "that does move it); info in all of these where no rate is given. Else, only where "
             "options.learning_rate is given: the median over weights of learning_rate * |gradient| / "
             "|weight| is above ratio_high (warning), or below ratio_low (info) or ratio_low_warning "
             "(warning)",
         .documentation = "Too large a rate diverges; with too small a one nothing moves.",
         .source =
             "Karpathy 2017, CS231n notes, Neural networks part 3: ratio of weights to updates, about 1e-3",
         .thresholds = thresholds},
    .least = 1u << RATIO_LOW | 1u << RATIO_LOW_WARNING,
    .check = check,
};
