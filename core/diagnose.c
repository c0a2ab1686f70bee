/* A run, its statistics, its findings: the report. */
#include "core/diagnose.h"

#include "core/analysis.h"
#include "core/formats.h"
#include "core/origin.h"
#include "core/plan.h"
#include "core/rule.h"

#include <stability/stability.h>

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The report and all that it points to are in one arena, which is in the report. */
struct owned_report {
    struct stability_report report;
    struct arena arena;
};

struct diagnosis {
    const struct stability_plan *plan;
    struct run run;
    struct arena arena;
    struct observations observations;
    struct stability_layer_report *layers;
    struct stability_output_report *outputs; /* by value, model inputs left out */
    struct stability_parameter_report
        *parameters; /* by parameter slot: those that are present come first in a node */
    int *reported;   /* by parameter slot: its index in `parameters` */
    double gradient_norm_squared;
    bool non_finite;
    bool failed; /* no memory */
};

void stability_report_free(struct stability_report *report)
{
    if (!report)
        return;
    struct arena arena = ((struct owned_report *)report)->arena;
    arena_free(&arena);
}

static const struct stability_statistics *measure(struct diagnosis *d, const struct tensor *tensor)
{
    struct stability_statistics *statistics = arena_allocate(&d->arena, sizeof(*statistics));
    if (!statistics) {
        d->failed = true;
        return NULL;
    }
    d->run.graph->kernels->statistics(tensor->data, tensor->count, statistics);
    formats_count_overflows(tensor->data, d->run.graph->kernels->dtype, tensor->count, statistics);
    d->non_finite |= statistics->nan_count > 0 || statistics->inf_count > 0;
    return statistics;
}

/* ---- forward ---- */

/* Units lie along the feature dimension; a scalar is one unit. */
static void unit_layout(const struct graph_value *value, int64_t *units, int64_t *inner)
{
    *units = 1;
    *inner = 1;
    for (int d = value->feature_dim; d < value->shape.rank; d++) {
        if (d == value->feature_dim)
            *units = value->shape.sizes[d];
        else
            *inner *= value->shape.sizes[d];
    }
}

static void measure_activation(struct diagnosis *d, int index)
{
    const struct graph_node *node = &d->run.graph->nodes[index];
    const struct graph_value *value = &d->run.graph->values[node->first_output];
    const struct layer_activation *activation = node->ops->activation;
    struct stability_layer_report *layer = &d->layers[index];
    int64_t units, inner;
    if (value->count == 0) /* whatever its other sizes are */
        return;
    unit_layout(value, &units, &inner);
    bool *alive = arena_array(&d->arena, (size_t)units, sizeof(*alive));
    if (!alive) {
        d->failed = true;
        return;
    }
    int64_t below = d->run.graph->kernels->activation_derivatives(
        node->ops, &d->run.passes[index], units, inner, activation->greatest_derivative / 20, alive);
    int64_t dead = 0;
    for (int64_t u = 0; u < units; u++)
        dead += !alive[u];
    layer->dead_fraction = (double)dead / (double)units;
    layer->saturated_fraction = (double)below / (double)value->count;
}

static void after_forward(void *context, int index)
{
    struct diagnosis *d = context;
    const struct graph_node *node = &d->run.graph->nodes[index];
    for (int k = 0; k < node->output_count; k++) {
        int value = node->first_output + k;
        d->outputs[value].value = measure(d, &d->run.values[value]);
    }
    if (node->ops->activation)
        measure_activation(d, index);
    probe_node(&d->observations.probes, &d->run, index);
    if (index == d->run.graph->node_count - 1)
        probe_loss(&d->observations.probes, &d->run);
}

/* ---- backward ---- */

/* Room for the profile over time of a recurrent layer, which its backward pass fills in. */
static void begin_steps(struct diagnosis *d, int index)
{
    const struct graph_node *node = &d->run.graph->nodes[index];
    const struct tensor *output = &d->run.values[node->first_output];
    int dim =
        node->backward && node->ops->time_dim ? node->ops->time_dim(node->attributes, &output->shape) : -1;
    if (dim < 0 || output->count == 0) /* however many steps there are of nothing */
        return;
    int64_t count = output->shape.sizes[dim];
    double *steps = arena_array(&d->arena, (size_t)count, sizeof(*steps));
    d->failed |= !steps;
    d->run.passes[index].steps = steps;
    d->outputs[node->first_output].step_count = steps ? count : 0;
    d->outputs[node->first_output].steps = steps;
}

/* From squares to norms. */
static void after_backward(void *context, int index)
{
    struct diagnosis *d = context;
    double *steps = d->run.passes[index].steps;
    int64_t count = d->outputs[d->run.graph->nodes[index].first_output].step_count;
    for (int64_t t = 0; steps && t < count; t++)
        steps[t] = sqrt(steps[t]);
}

static void before_backward(void *context, int index)
{
    struct diagnosis *d = context;
    const struct graph_node *node = &d->run.graph->nodes[index];
    begin_steps(d, index);
    for (int k = 0; k < node->output_count; k++) {
        int value = node->first_output + k;
        if (!d->run.value_gradients[value].data)
            continue;
        d->outputs[value].gradient = measure(d, &d->run.value_gradients[value]);
    }
}

static void after_parameter(void *context, int index, int parameter)
{
    struct diagnosis *d = context;
    int slot = graph_slot(d->run.graph, index, parameter);
    struct stability_parameter_report *report = &d->parameters[d->reported[slot]];
    report->gradient = measure(d, &d->run.parameter_gradients[slot]);
    probe_weight_gradient(&d->observations.probes, &d->run, slot);
    if (!report->gradient || !report->value)
        return;
    double norm = report->gradient->all.norm;
    d->gradient_norm_squared += norm * norm;
    if (report->value->all.norm > 0)
        report->update_ratio = d->run.graph->request->options.learning_rate * norm / report->value->all.norm;
}

/* ---- the frame of the report ---- */

/* Texts of the request are copied: the report outlives it. */
static const char *keep(struct diagnosis *d, const char *text)
{
    const char *copy = arena_string(&d->arena, text);
    d->failed |= !copy;
    return copy;
}

static void frame_parameters(struct diagnosis *d, int index)
{
    const struct graph *graph = d->run.graph;
    const struct graph_node *node = &graph->nodes[index];
    struct stability_layer_report *layer = &d->layers[index];
    layer->parameters = &d->parameters[node->first_parameter];
    for (int k = 0; k < node->parameter_count; k++) {
        const struct graph_parameter *parameter = &node->parameters[k];
        int slot = graph_slot(graph, index, k);
        if (!parameter->present)
            continue;
        d->reported[slot] = node->first_parameter + (int)layer->parameter_count++;
        struct stability_parameter_report *report = &d->parameters[d->reported[slot]];
        *report = (struct stability_parameter_report){
            .name = keep(d, parameter->name),
            .shape = parameter->shape,
            .source = parameter->source ? keep(d, parameter->source) : NULL,
            .initialized = parameter->init != NULL,
            .buffer = parameter->row->buffer,
            .update_ratio = NAN,
        };
        if (parameter->shared_node >= 0) {
            int owner = d->reported[graph_slot(graph, parameter->shared_node, parameter->shared_parameter)];
            report->shared_with = d->layers[parameter->shared_node].name;
            report->initialized = d->parameters[owner].initialized;
            report->source = d->parameters[owner].source;
            report->value = d->parameters[owner].value;
        } else {
            report->value = measure(d, &d->run.parameters[slot]);
            probe_weight(&d->observations.probes, &d->run, slot);
        }
    }
}

static void frame_inputs(struct diagnosis *d, int index)
{
    const struct graph *graph = d->run.graph;
    const struct graph_node *node = &graph->nodes[index];
    const char **inputs = arena_array(&d->arena, (size_t)node->input_count, sizeof(*inputs));
    d->failed |= !inputs;
    for (int k = 0; inputs && k < node->input_count; k++) {
        const struct graph_value *value = &graph->values[node->inputs[k]];
        bool is_layer = value->producer >= 0 && value->output == 0;
        inputs[k] = is_layer ? d->layers[value->producer].name : keep(d, value->name);
    }
    d->layers[index].input_count = inputs ? (size_t)node->input_count : 0;
    d->layers[index].inputs = inputs;
}

static void frame_layer(struct diagnosis *d, int index)
{
    const struct graph_node *node = &d->run.graph->nodes[index];
    struct stability_layer_report *layer = &d->layers[index];
    *layer = (struct stability_layer_report){
        .name = keep(d, node->name),
        .type = node->ops->type.type,
        .output_count = node->output_count,
        .outputs = &d->outputs[node->first_output],
        .is_activation = node->ops->activation != NULL,
        .dead_fraction = NAN,
        .saturated_fraction = NAN,
    };
    for (int k = 0; k < node->output_count; k++) {
        const struct graph_value *value = &d->run.graph->values[node->first_output + k];
        d->outputs[node->first_output + k] = (struct stability_output_report){
            .name = k == 0 ? "" : node->ops->type.outputs[k - 1],
            .shape = value->shape,
            .integer = value->integer,
        };
    }
    frame_inputs(d, index);
    frame_parameters(d, index);
}

static bool frame(struct diagnosis *d)
{
    const struct graph *graph = d->run.graph;
    d->layers = arena_array(&d->arena, (size_t)graph->node_count, sizeof(*d->layers));
    d->outputs = arena_array(&d->arena, (size_t)graph->value_count, sizeof(*d->outputs));
    d->parameters = arena_array(&d->arena, (size_t)graph->parameter_slots, sizeof(*d->parameters));
    d->reported = arena_array(&d->arena, (size_t)graph->parameter_slots, sizeof(*d->reported));
    if (!d->layers || !d->outputs || !d->parameters || !d->reported ||
        !probes_prepare(&d->observations.probes, graph, &d->arena))
        return false;
    probe_inputs(&d->observations.probes, &d->run);
    for (int i = 0; i < graph->node_count; i++)
        frame_layer(d, i);
    return !d->failed;
}

/* Users of a shared parameter show its owner's gradient: the sum over all of them. */
static void share_gradients(struct diagnosis *d)
{
    const struct graph *graph = d->run.graph;
    for (int i = 0; i < graph->node_count; i++) {
        for (int k = 0; k < graph->nodes[i].parameter_count; k++) {
            const struct graph_parameter *parameter = &graph->nodes[i].parameters[k];
            if (!parameter->present || parameter->shared_node < 0)
                continue;
            int owner = d->reported[graph_slot(graph, parameter->shared_node, parameter->shared_parameter)];
            struct stability_parameter_report *report = &d->parameters[d->reported[graph_slot(graph, i, k)]];
            report->gradient = d->parameters[owner].gradient;
            report->update_ratio = d->parameters[owner].update_ratio;
        }
    }
}

/* "OpenBLAS 0.3.21 NO_LAPACKE ...": the first two words, and the kernels that it chose. */
static const char *blas_name(struct arena *arena)
{
    const char *config = openblas_get_config();
    size_t first = strcspn(config, " ");
    size_t second = strcspn(config + first + (config[first] == ' '), " ");
    int length = (int)(first + (config[first] == ' ') + second);
    return arena_format(arena, "%.*s %s", length, config, openblas_get_corename());
}

/* The keys of weights that were ignored. */
static const char *const *keep_ignored(struct diagnosis *d)
{
    const struct graph *graph = d->run.graph;
    const char **kept = arena_array(&d->arena, graph->ignored_weight_count, sizeof(*kept));
    d->failed |= !kept;
    for (size_t i = 0; kept && i < graph->ignored_weight_count; i++)
        kept[i] = keep(d, graph->ignored_weights[i]);
    return kept;
}

static bool fill_report(struct diagnosis *d, struct stability_report *report)
{
    const struct graph *graph = d->run.graph;
    const struct stability_options *options = &graph->request->options;
    *report = (struct stability_report){
        .model = graph->request->model.name ? keep(d, graph->request->model.name) : NULL,
        .loss = d->run.loss,
        .gradient_norm = sqrt(d->gradient_norm_squared),
        .parameter_count = graph->parameter_count,
        .batch_size = graph->batch_size,
        .flops = d->plan->flops,
        .planned_bytes = d->plan->bytes + d->plan->run.in_place,
        .layer_count = (size_t)graph->node_count,
        .layers = d->layers,
        .ignored_weight_count = graph->ignored_weight_count,
        .ignored_weights = keep_ignored(d),
        .precision = options->precision,
        .evaluate = options->evaluate,
        .seed = options->seed,
        .blas = blas_name(&d->arena),
        .blas_threads = openblas_get_num_threads(),
    };
    return report->blas && !d->failed;
}

static bool out_of_memory(struct stability_error *error)
{
    return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for the report");
}

static bool run_and_measure(struct diagnosis *d, struct stability_error *error)
{
    struct run_observer observer = {
        .context = d,
        .forward = after_forward,
        .output_gradients = before_backward,
        .backward = after_backward,
        .parameter_gradient = after_parameter,
    };
    bool done = run_open(&d->run, &d->plan->run, error);
    if (done && !frame(d))
        done = out_of_memory(error);
    done = done && run_execute(&d->run, &observer, error);
    run_close(&d->run);
    if (done && d->failed)
        return out_of_memory(error);
    d->non_finite |= !isfinite(d->run.loss);
    return done;
}

static bool draw_conclusions(struct diagnosis *d, struct stability_report *report,
                             struct stability_error *error)
{
    struct observations *observations = &d->observations;
    const struct graph *graph = d->run.graph;
    share_gradients(d);
    if (!fill_report(d, report) ||
        !forecast_make(&observations->forecast, graph, report, observations->probes.input_squares, &d->arena))
        return out_of_memory(error);
    if (d->non_finite && !origin_find(d->plan, &d->arena, observations, error))
        return false;
    if (!analyses_measure(d->plan, observations, &d->arena, error))
        return false;
    return rules_run(report, graph, observations, d->plan->thresholds, &d->arena, error);
}

/* The report's memory goes to the report where there is one. */
static struct stability_report *finish(struct diagnosis *d, bool analyses, struct stability_error *error)
{
    struct owned_report *owned = arena_allocate(&d->arena, sizeof(*owned));
    if (!owned)
        out_of_memory(error);
    if (!owned || !run_and_measure(d, error) || !draw_conclusions(d, &owned->report, error) ||
        (analyses && !analyses_run(&owned->report, d->plan, &d->observations, &d->arena, error))) {
        arena_free(&d->arena);
        return NULL;
    }
    owned->arena = d->arena;
    return &owned->report;
}

struct stability_report *stability_diagnose(const struct stability_plan *plan, struct stability_error *error)
{
    struct diagnosis d = {.plan = plan, .run.graph = &plan->graph};
    return finish(&d, true, error);
}

struct stability_report *diagnose_plainly(const struct stability_plan *plan,
                                          struct observations *observations, struct stability_error *error)
{
    struct diagnosis d = {.plan = plan, .run.graph = &plan->graph};
    struct stability_report *report = finish(&d, false, error);
    *observations = d.observations;
    return report;
}

bool stability_initialize(struct stability_error *error)
{
    openblas_set_num_threads(1);
    if (openblas_get_parallel() != 0)
        return true;
    return stability_fail(
        error, STABILITY_ERROR_INTERNAL, NULL,
        "this OpenBLAS is the serial variant, which gives wrong products when several threads call "
        "it: install libopenblas0-pthread");
}
