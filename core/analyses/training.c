/* What becomes of the model when it is trained on the posted batch. */
#include "core/training.h"
#include "core/analysis.h"

#include <math.h>

static const struct stability_attribute rows[] = {
    {"steps", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct training_settings, steps), .minimum = 1,
     .maximum = 1000, .number = 20, .documentation = "how many steps to take"},
    OPTIMIZER_ROWS(struct training_settings, optimizer),
    {0},
};

static bool check(const void *settings, const char *pointer, struct stability_error *error)
{
    return optimizer_check(&((const struct training_settings *)settings)->optimizer, pointer, error);
}

static double bytes(const struct stability_plan *plan, const void *settings, struct stability_error *error)
{
    const struct training_settings *training = settings;
    struct trial trial;
    struct trial_options options = {.flags = RUN_OWN, .resettable = true};
    double needed = -1;
    if (trial_plan(&trial, plan->graph.request, &options, error)) {
        /* The result holds a number for each layer and step, which the report has again as a tree. */
        double results = (double)training->steps * (plan->graph.node_count + 4.0) * 64;
        needed = trial_bytes(&trial) + training_bytes(&trial.graph, training) + results;
    }
    trial_close(&trial);
    return needed;
}

static bool measure(const struct stability_plan *plan, const void *settings,
                    struct observations *observations, struct arena *arena, struct stability_error *error)
{
    struct training_result *result = arena_allocate(arena, sizeof(*result));
    if (!result)
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for training");
    observations->training = result;
    return training_run(plan->graph.request, settings, arena, result, error);
}

/* ---- result ---- */

static void add_outcomes(struct analysis_context *context, struct stability_result *parent,
                         const struct training_result *training)
{
    const struct training_event *first = &training->events[0];
    result_text(context, parent, "outcome", training_outcome_name(first->outcome));
    result_integer(context, parent, "step", first->step);
    result_text(context, parent, "message", first->message);
    struct stability_result *list = result_list(context, parent, "further_outcomes");
    for (int i = 1; i < training->event_count; i++) {
        struct stability_result *event = result_object(context, list, "");
        result_text(context, event, "outcome", training_outcome_name(training->events[i].outcome));
        result_integer(context, event, "step", training->events[i].step);
        result_text(context, event, "message", training->events[i].message);
    }
}

static void add_clipping(struct analysis_context *context, struct stability_result *parent,
                         const struct training_result *training)
{
    struct stability_result *clipping = result_object(context, parent, "clipping");
    int64_t clipped = 0;
    for (int64_t i = 0; i < training->step_count; i++)
        clipped += training->steps[i].clipped;
    result_number(context, clipping, "clipped_fraction", (double)clipped / (double)training->step_count);
    result_number(context, clipping, "median_gradient_norm", training->median_norm);
    result_number(context, clipping, "greatest_gradient_norm", training->greatest_norm);
    result_number(context, clipping, "suggested_max_norm", training->suggested_clip);
    result_text(context, clipping, "how", training->suggested_how);
}

static void add_steps(struct analysis_context *context, struct stability_result *parent,
                      const struct training_result *training)
{
    struct stability_result *losses = result_list(context, parent, "losses");
    struct stability_result *norms = result_list(context, parent, "gradient_norms");
    struct stability_result *clipped = result_list(context, parent, "clipped");
    struct stability_result *changes = result_list(context, parent, "weight_changes");
    for (int64_t i = 0; i < training->step_count; i++) {
        result_value(context, losses, "", training->steps[i].loss);
        result_value(context, norms, "", training->steps[i].gradient_norm);
        result_boolean(context, clipped, "", training->steps[i].clipped);
        result_number(context, changes, "", training->steps[i].change);
    }
}

static void add_layers(struct analysis_context *context, struct stability_result *parent,
                       const struct training_result *training)
{
    struct stability_result *layers = result_list(context, parent, "layers");
    for (int k = 0; k < training->layer_count; k++) {
        struct stability_result *layer = result_object(context, layers, "");
        result_text(context, layer, "layer", context->report->layers[training->layers[k].node].name);
        struct stability_result *changes = result_list(context, layer, "weight_changes");
        for (int64_t i = 0; i < training->step_count; i++)
            result_number(context, changes, "", training->layers[k].changes[i]);
    }
}

static bool run(struct analysis_context *context, struct stability_result *result)
{
    const struct training_result *training = context->observations->training;
    add_outcomes(context, result, training);
    result_text(context, result, "optimizer", training->optimizer);
    result_number(context, result, "learning_rate", training->learning_rate);
    result_integer(context, result, "steps_taken", training->step_count);
    result_value(context, result, "initial_loss", training->initial_loss);
    result_value(context, result, "final_loss", training->final_loss);
    result_value(context, result, "weight_change", training->change);
    add_clipping(context, result, training);
    add_steps(context, result, training);
    add_layers(context, result, training);
    return true;
}

ANALYSIS_OPS(training) = {
    .type =
        {.name = "training",
         .documentation =
             "The model is trained on the posted batch with torch.optim's semantics, in the request's "
             "precision and mode; Dropout draws anew in each step, the first time as the diagnosis does. "
             "outcome is what became of it: diverged (the loss rises above four times its start and stays "
             "there), non_finite, oscillation (in the second half the loss goes up and down by more than a "
             "tenth of itself and rises at least half as much as it falls), no_progress (loss, or loss and "
             "weights, moved by less than a thousandth), else progress; step says when; further_outcomes "
             "are those that follow from it. losses, gradient_norms (over all parameters, before clipping), "
             "clipped and weight_changes (L2 of the step over that of the weights) go by step, and layers "
             "has the weight changes of each. final_loss is after the last step, weight_change from the "
             "first to the last. clipping.suggested_max_norm comes from the observed norms. Running "
             "statistics of BatchNorm take no part: train mode uses the batch's, and eval mode leaves them "
             "as they are.",
         .source = "torch.optim.SGD, Adam, AdamW; torch.nn.utils.clip_grad_norm_, clip_grad_value_; Pascanu, "
                   "Mikolov, Bengio 2013, On the difficulty of training recurrent neural networks (threshold "
                   "from the usual norm)",
         .settings = rows},
    .settings_size = sizeof(struct training_settings),
    .check = check,
    .bytes = bytes,
    .measure = measure,
    .run = run,
};
