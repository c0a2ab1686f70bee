#include "core/training.h"

#include <math.h>

struct session {
    struct trial trial;
    struct optimizer optimizer;
    struct training_result *result;
    int *layer_of; /* by node: its index in result.layers */
    struct arena *arena;
    struct stability_error *error;
};

/* ---- memory ---- */

static int trained_layers(const struct graph *graph)
{
    int count = 0;
    for (int i = 0; i < graph->node_count; i++)
        count += graph->nodes[i].parameter_count > 0;
    return count;
}

double training_bytes(const struct graph *graph, const struct training_settings *settings)
{
    double layers = trained_layers(graph);
    return optimizer_bytes(graph, &settings->optimizer) +
           (double)settings->steps * (sizeof(struct training_step) + layers * sizeof(double)) +
           layers * sizeof(struct training_layer) + graph->node_count * (double)sizeof(int);
}

static bool take_layers(struct session *s, int64_t steps)
{
    const struct graph *graph = &s->trial.graph;
    struct training_result *result = s->result;
    result->steps = arena_array(s->arena, (size_t)steps, sizeof(*result->steps));
    result->layers = arena_array(s->arena, (size_t)trained_layers(graph), sizeof(*result->layers));
    s->layer_of = arena_array(s->arena, (size_t)graph->node_count, sizeof(*s->layer_of));
    if (!result->steps || !result->layers || !s->layer_of)
        return false;
    for (int i = 0, last = -1; i < s->optimizer.count; i++) {
        int node = s->optimizer.parameters[i].node;
        if (node == last)
            continue;
        double *changes = arena_array(s->arena, (size_t)steps, sizeof(*changes));
        if (!changes)
            return false;
        s->layer_of[node] = result->layer_count;
        result->layers[result->layer_count++] = (struct training_layer){node, changes};
        last = node;
    }
    return true;
}

/* ---- steps ---- */

/* How much the loss varies with what Dropout draws. */
static bool measure_noise(struct session *s)
{
    enum { DRAWS = 5 };
    double sum = 0, squares = 0, first = 0;
    int draws = 0;
    for (; draws < DRAWS; draws++) {
        trial_set_step(&s->trial, draws);
        if (!trial_forward(&s->trial, NULL, s->error))
            return false;
        double difference = draws == 0 ? 0 : s->trial.run.loss - first;
        first = draws == 0 ? s->trial.run.loss : first;
        sum += difference;
        squares += difference * difference;
        if (draws == 1 && difference == 0)
            return true;
    }
    s->result->noise = sqrt(fmax(squares - sum * sum / draws, 0) / (draws - 1));
    return true;
}

/* Changes by layer, and over all. */
static void record_changes(struct session *s, const struct optimizer_taken *taken, int64_t step)
{
    double all = 0;
    for (int i = 0; i < s->optimizer.count;) {
        int node = s->optimizer.parameters[i].node;
        double changes = 0, squares = 0;
        for (; i < s->optimizer.count && s->optimizer.parameters[i].node == node; i++) {
            changes += s->optimizer.parameters[i].change * s->optimizer.parameters[i].change;
            squares += s->optimizer.parameters[i].norm * s->optimizer.parameters[i].norm;
        }
        s->result->layers[s->layer_of[node]].changes[step] = squares == 0 ? NAN : sqrt(changes / squares);
        all += squares;
    }
    s->result->steps[step].change = all == 0 ? NAN : taken->change / sqrt(all);
}

/* `finite` tells whether it can go on; false where it was stopped. */
static bool take_step(struct session *s, int64_t step, bool *finite)
{
    struct optimizer_taken taken;
    trial_set_step(&s->trial, step);
    if (!trial_execute(&s->trial, NULL, s->error))
        return false;
    s->result->step_count = step + 1;
    s->result->steps[step].loss = s->trial.run.loss;
    optimizer_step(&s->optimizer, &taken);
    s->result->steps[step].gradient_norm = taken.gradient_norm;
    s->result->steps[step].clipped = taken.clipped;
    record_changes(s, &taken, step);
    *finite = isfinite(s->trial.run.loss) && isfinite(taken.gradient_norm) && isfinite(taken.change);
    return true;
}

static bool take_steps(struct session *s, int64_t steps)
{
    struct training_result *result = s->result;
    s->trial.stage = "training";
    s->trial.planned = steps + 3;
    if (!measure_noise(s))
        return false;
    bool finite = true;
    for (int64_t step = 0; step < steps && finite; step++)
        if (!take_step(s, step, &finite))
            return false;
    trial_set_step(&s->trial, 0);
    if (!trial_forward(&s->trial, NULL, s->error))
        return false;
    result->initial_loss = result->steps[0].loss;
    result->final_loss = s->trial.run.loss;
    result->change = trial_change(&s->trial);
    result->optimizer = s->optimizer.ops->name;
    result->learning_rate = s->optimizer.values.learning_rate;
    return true;
}

static bool train(struct session *s, const struct stability_request *request,
                  const struct training_settings *settings)
{
    struct trial_options options = {.flags = RUN_OWN, .resettable = true};
    if (!trial_plan(&s->trial, request, &options, s->error) ||
        !trial_admit(&s->trial, "training", training_bytes(&s->trial.graph, settings), s->error) ||
        !trial_open(&s->trial, s->error) ||
        !optimizer_open(&s->optimizer, &s->trial, &settings->optimizer, s->error))
        return false;
    if (!take_layers(s, settings->steps))
        return stability_fail(s->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for training");
    s->result->is_given = settings->optimizer.learning_rate.present || request->options.learning_rate_given;
    return take_steps(s, settings->steps);
}

bool training_run(const struct stability_request *request, const struct training_settings *settings,
                  struct arena *arena, struct training_result *result, struct stability_error *error)
{
    struct session s = {.result = result, .arena = arena, .error = error};
    *result = (struct training_result){0};
    bool done = train(&s, request, settings);
    optimizer_close(&s.optimizer);
    trial_close(&s.trial);
    if (done && !training_conclude(result, arena))
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for training");
    return done;
}
