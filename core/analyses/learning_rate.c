/* How far a step moves each weight, and which rates the model can be trained with. */
#include "core/analysis.h"
#include "core/rate_test.h"

#include <math.h>

static const struct stability_attribute rows[] = {
    {"steps", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct rate_settings, steps), .minimum = 1,
     .maximum = 100, .number = 5, .documentation = "how many steps to take at each rate"},
    OPTIMIZER_ROWS(struct rate_settings, optimizer),
    {0},
};

static bool check(const void *settings, const char *pointer, struct stability_error *error)
{
    return optimizer_check(&((const struct rate_settings *)settings)->optimizer, pointer, error);
}

static double bytes(const struct stability_plan *plan, const void *settings, struct stability_error *error)
{
    struct trial trial;
    struct trial_options options = {.flags = RUN_OWN, .resettable = true};
    double needed = -1;
    if (trial_plan(&trial, plan->graph.request, &options, error))
        needed = trial_bytes(&trial) + rate_test_bytes(&trial.graph, settings);
    trial_close(&trial);
    return needed;
}

static bool measure(const struct stability_plan *plan, const void *settings,
                    struct observations *observations, struct arena *arena, struct stability_error *error)
{
    struct rate_result *result = arena_allocate(arena, sizeof(*result));
    if (!result)
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for learning rates");
    observations->rates = result;
    return rate_test_run(plan->graph.request, settings, arena, result, error);
}

/* ---- result ---- */

static void add_edge(struct analysis_context *context, struct stability_result *parent, const char *name,
                     double rate, const char *how, const char *otherwise)
{
    struct stability_result *edge = result_object(context, parent, name);
    result_number(context, edge, "rate", rate);
    result_text(context, edge, "how", isnan(rate) ? otherwise : how);
}

static void add_edges(struct analysis_context *context, struct stability_result *parent,
                      const struct rate_result *rates)
{
    const char *not_finite =
        isfinite(rates->initial_loss) ? NULL : "the loss is not finite before anything is trained";
    add_edge(context, parent, "moves_from", rates->moves_from,
             "below it neither the loss nor the weights move by 5e-5 of themselves a step",
             not_finite ? not_finite : "at no rate of the range anything moves");
    add_edge(context, parent, "rises_from", rates->rises_from,
             "the least rate above the best one at which the loss ends no lower than it began",
             not_finite ? not_finite : "at all rates of the range above the best one the loss falls");
    add_edge(context, parent, "diverges_from", rates->diverges_from,
             "the least rate at which the loss ends above four times its start, or not finite",
             not_finite ? not_finite : "at no rate of the range");
    struct stability_result *suggested = result_object(context, parent, "suggested");
    result_number(context, suggested, "rate", rates->suggested);
    result_text(context, suggested, "how", rates->suggested_how);
}

static void add_range(struct analysis_context *context, struct stability_result *parent,
                      const struct rate_result *rates)
{
    struct stability_result *range = result_list(context, parent, "range");
    for (int i = 0; i < rates->point_count; i++) {
        const struct rate_point *point = &rates->points[i];
        struct stability_result *result = result_object(context, range, "");
        result_number(context, result, "rate", point->rate);
        result_value(context, result, "loss", point->loss);
        result_value(context, result, "weight_change", point->change);
        result_text(context, result, "effect", rate_effect_name(point->effect));
    }
}

static void add_ratios(struct analysis_context *context, struct stability_result *parent,
                       const struct rate_result *rates)
{
    const struct graph *graph = &context->plan->graph;
    struct stability_result *list = result_list(context, parent, "update_ratios");
    for (int i = 0; i < rates->ratio_count; i++) {
        const struct rate_ratio *ratio = &rates->ratios[i];
        const struct graph_parameter *parameter = &graph->nodes[ratio->node].parameters[ratio->parameter];
        struct stability_result *result = result_object(context, list, "");
        result_text(context, result, "layer", graph->nodes[ratio->node].name);
        result_text(context, result, "parameter", parameter->name);
        result_number(context, result, "update_ratio", ratio->ratio);
    }
}

static bool run(struct analysis_context *context, struct stability_result *result)
{
    const struct rate_result *rates = context->observations->rates;
    result_text(context, result, "optimizer", rates->optimizer);
    result_number(context, result, "learning_rate", rates->given);
    result_text(context, result, "effect", rate_effect_name(rates->effect));
    result_value(context, result, "initial_loss", rates->initial_loss);
    result_integer(context, result, "steps", rates->steps);
    add_edges(context, result, rates);
    add_range(context, result, rates);
    add_ratios(context, result, rates);
    return true;
}

ANALYSIS_OPS(learning_rate) = {
    .type =
        {.name = "learning_rate",
         .documentation =
             "update_ratios: for each parameter the L2 norm of the optimizer's first step at the given rate "
             "over that of the parameter. range: a few steps at each of many rates, half a decade apart, "
             "all from the posted weights: from the given rate up to one that diverges and down to one that "
             "moves nothing. effect is unmoved (loss and weights move by less than 5e-5 of themselves a "
             "step), falls, rises (the loss ends no lower than it began) or diverges (above four times its "
             "start, or not finite). The edges moves_from, rises_from and diverges_from are found by "
             "halving the last interval six times; for gradient descent on a quadratic loss rises_from is 2 "
             "/ the greatest curvature. suggested is the rate with the lowest loss, but at most a third of "
             "the rate from which the loss rises. The loss after the steps is computed with what Dropout "
             "drew in the first one.",
         .source =
             "Smith 2017, Cyclical learning rates for training neural networks (range test); Bengio 2012, "
             "Practical recommendations for gradient-based training (a third of the rate that diverges)",
         .settings = rows},
    .settings_size = sizeof(struct rate_settings),
    .check = check,
    .bytes = bytes,
    .measure = measure,
    .run = run,
};
