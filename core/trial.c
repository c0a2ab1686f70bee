#include "core/trial.h"

#include "core/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Tells the caller of the whole trial, not of single executions. */
static bool tell_progress(void *context, const char *stage, int64_t done, int64_t total)
{
    const struct trial *trial = context;
    const struct stability_options *options = &trial->original->options;
    if (trial->planned > 0) {
        done += trial->executed * total;
        total *= trial->planned;
    }
    return options->progress(options->progress_context, trial->stage ? trial->stage : stage, done, total);
}

bool trial_plan(struct trial *trial, const struct stability_request *request,
                const struct trial_options *options, struct stability_error *error)
{
    *trial = (struct trial){.request = *request, .original = request, .options = *options};
    if (options->change_precision)
        trial->request.options.precision = options->precision;
    if (request->options.progress) {
        trial->request.options.progress = tell_progress;
        trial->request.options.progress_context = trial;
    }
    if (!graph_build(&trial->graph, &trial->request, error))
        return false;
    if (options->input_gradients)
        graph_mark_gradients(&trial->graph, true);
    int flags = RUN_KEEP | options->flags | (options->input_gradients ? RUN_KEEP_GRADIENTS : 0);
    return run_plan_make(&trial->plan, &trial->graph, flags, &trial->graph.arena, error);
}

static size_t parameter_bytes(const struct graph *graph)
{
    size_t bytes = 0;
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].parameter_count; k++) {
            const struct graph_parameter *parameter = &graph->nodes[i].parameters[k];
            if (parameter->present && parameter->shared_node < 0)
                bytes += (size_t)parameter->count * graph->kernels->real_size;
        }
    return bytes;
}

double trial_bytes(const struct trial *trial)
{
    return (double)trial->plan.memory.total +
           (trial->options.resettable ? (double)parameter_bytes(&trial->graph) : 0);
}

bool trial_admit(const struct trial *trial, const char *what, double own, struct stability_error *error)
{
    int64_t limit = trial->request.options.limits.bytes;
    double bytes = trial_bytes(trial) + own;
    if (limit <= 0 || bytes <= (double)limit)
        return true;
    return stability_fail(error, STABILITY_ERROR_MODEL_TOO_LARGE, "/model",
                          "%s needs %.0f bytes of memory, the limit is %lld", what, bytes, (long long)limit);
}

/* Calls with each parameter's tensor and its place in the trial's copy of them. */
static void each_parameter(const struct trial *trial,
                           void (*visit)(void *context, int node, int parameter, const struct tensor *tensor,
                                         void *copy),
                           void *context)
{
    const struct graph *graph = &trial->graph;
    char *copy = trial->start;
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].parameter_count; k++) {
            const struct graph_parameter *parameter = &graph->nodes[i].parameters[k];
            if (!parameter->present || parameter->shared_node >= 0)
                continue;
            visit(context, i, k, &trial->run.parameters[graph_slot(graph, i, k)], copy);
            copy += (size_t)parameter->count * graph->kernels->real_size;
        }
}

static void save(void *context, int node, int parameter, const struct tensor *tensor, void *copy)
{
    const struct trial *trial = context;
    (void)node;
    (void)parameter;
    if (tensor->count > 0)
        memcpy(copy, tensor->data, (size_t)tensor->count * trial->graph.kernels->real_size);
}

static void restore(void *context, int node, int parameter, const struct tensor *tensor, void *copy)
{
    const struct trial *trial = context;
    (void)node;
    (void)parameter;
    if (tensor->count > 0)
        memcpy(tensor->data, copy, (size_t)tensor->count * trial->graph.kernels->real_size);
}

struct distance {
    const struct trial *trial;
    double change;
    double start;
};

static void add_distance(void *context, int node, int parameter, const struct tensor *tensor, void *copy)
{
    struct distance *distance = context;
    const struct kernels *kernels = distance->trial->graph.kernels;
    if (!trial_is_trained(distance->trial, node, parameter))
        return;
    distance->change += kernels->square_distance(tensor->data, copy, tensor->count);
    distance->start += kernels->square_sum(copy, tensor->count);
}

double trial_change(const struct trial *trial)
{
    struct distance distance = {.trial = trial};
    each_parameter(trial, add_distance, &distance);
    return distance.change > 0 ? sqrt(distance.change / distance.start) : distance.change;
}

bool trial_open(struct trial *trial, struct stability_error *error)
{
    if (!run_open(&trial->run, &trial->plan, error))
        return false;
    if (!trial->options.resettable)
        return true;
    trial->start = malloc(parameter_bytes(&trial->graph) + 1);
    if (!trial->start)
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                              "no memory for a copy of the parameters");
    each_parameter(trial, save, trial);
    return true;
}

bool trial_execute(struct trial *trial, const struct run_observer *observer, struct stability_error *error)
{
    static const struct run_observer silent = {0};
    bool done = run_execute(&trial->run, observer ? observer : &silent, error);
    trial->executed++;
    return done;
}

bool trial_forward(struct trial *trial, const struct run_observer *observer, struct stability_error *error)
{
    static const struct run_observer silent = {0};
    bool done = run_forward(&trial->run, observer ? observer : &silent, error);
    trial->executed++;
    return done;
}

void trial_set_step(struct trial *trial, int64_t step)
{
    uint64_t seed = trial->request.options.seed + (uint64_t)step;
    for (int i = 0; i < trial->graph.node_count; i++)
        trial->run.passes[i].seed = random_stream(seed, trial->graph.nodes[i].name);
}

void trial_reset(struct trial *trial)
{
    each_parameter(trial, restore, trial);
    trial_set_step(trial, 0);
}

void trial_close(struct trial *trial)
{
    free(trial->start);
    run_close(&trial->run);
    graph_free(&trial->graph);
}

bool trial_is_trained(const struct trial *trial, int node, int parameter)
{
    const struct graph_parameter *description = &trial->graph.nodes[node].parameters[parameter];
    return description->present && !description->row->buffer && description->shared_node < 0 &&
           trial->run.parameter_gradients[graph_slot(&trial->graph, node, parameter)].data != NULL;
}
