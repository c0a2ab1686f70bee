#include "core/emulation.h"

#include "core/formats.h"

#include <math.h>
#include <string.h>

/* What the observer of a run in a format knows. */
struct rounding {
    const struct emulation *emulation;
    enum stability_format format;
    int scale;
    struct emulated_layer *layers;
    double *squares; /* by node: of its parameters' gradients, without rounding ... */
    double *apart;   /* ... and of the differences */
};

bool emulation_plan(struct emulation *e, const struct stability_request *request,
                    struct stability_error *error)
{
    struct trial_options options = {
        .flags = RUN_KEEP_GRADIENTS, .change_precision = true, .precision = STABILITY_PRECISION_FLOAT64};
    memset(e, 0, sizeof(*e));
    if (!trial_plan(&e->exact, request, &options, error))
        return false;
    options.flags = RUN_OWN;
    options.resettable = true;
    return trial_plan(&e->rounded, request, &options, error);
}

double emulation_bytes(const struct emulation *e)
{
    return trial_bytes(&e->exact) + trial_bytes(&e->rounded);
}

bool emulation_open(struct emulation *e, struct stability_error *error)
{
    e->exact.stage = e->rounded.stage = "precision";
    return trial_open(&e->exact, error) && trial_open(&e->rounded, error) &&
           trial_execute(&e->exact, NULL, error);
}

void emulation_close(struct emulation *e)
{
    trial_close(&e->exact);
    trial_close(&e->rounded);
}

/* ---- one tensor ---- */

static void add_squares(const struct tensor *rounded, const struct tensor *exact, double *squares,
                        double *apart)
{
    const double *x = rounded->data, *y = exact->data;
    for (int64_t i = 0; i < rounded->count; i++) {
        bool broken = !isfinite(x[i]) && isfinite(y[i]);
        if (!isfinite(y[i]))
            continue;
        *squares += y[i] * y[i];
        *apart += broken ? INFINITY : (x[i] - y[i]) * (x[i] - y[i]);
    }
}

static double ratio(double apart, double squares)
{
    return apart == 0 ? 0 : sqrt(apart / squares);
}

static double difference(const struct tensor *rounded, const struct tensor *exact)
{
    double squares = 0, apart = 0;
    add_squares(rounded, exact, &squares, &apart);
    return ratio(apart, squares);
}

static void multiply(const struct tensor *tensor, double factor)
{
    double *x = tensor->data;
    for (int64_t i = 0; factor != 1 && i < tensor->count; i++)
        x[i] *= factor;
}

/* Times 2^scale in the format, and back. */
static void round_gradient(const struct rounding *r, const struct tensor *tensor)
{
    multiply(tensor, ldexp(1, r->scale));
    formats_round(tensor->data, tensor->count, r->format);
    multiply(tensor, ldexp(1, -r->scale));
}

/* ---- a run ---- */

static void after_forward(void *context, int index)
{
    struct rounding *r = context;
    const struct graph *graph = &r->emulation->exact.graph;
    const struct graph_node *node = &graph->nodes[index];
    const struct run *rounded = &r->emulation->rounded.run, *exact = &r->emulation->exact.run;
    for (int k = 0; k < node->output_count; k++) {
        int value = node->first_output + k;
        if (!graph->values[value].integer)
            formats_round(rounded->values[value].data, rounded->values[value].count, r->format);
    }
    if (!graph->values[node->first_output].integer)
        r->layers[index].forward =
            difference(&rounded->values[node->first_output], &exact->values[node->first_output]);
}

static void before_backward(void *context, int index)
{
    struct rounding *r = context;
    const struct graph_node *node = &r->emulation->exact.graph.nodes[index];
    const struct run *rounded = &r->emulation->rounded.run, *exact = &r->emulation->exact.run;
    for (int k = 0; k < node->output_count; k++) {
        const struct tensor *gradient = &rounded->value_gradients[node->first_output + k];
        if (!gradient->data)
            continue;
        round_gradient(r, gradient);
        if (k == 0)
            r->layers[index].backward = difference(gradient, &exact->value_gradients[node->first_output]);
    }
}

static void after_parameter(void *context, int index, int parameter)
{
    struct rounding *r = context;
    int slot = graph_slot(&r->emulation->exact.graph, index, parameter);
    const struct tensor *gradient = &r->emulation->rounded.run.parameter_gradients[slot];
    round_gradient(r, gradient);
    add_squares(gradient, &r->emulation->exact.run.parameter_gradients[slot], &r->squares[index],
                &r->apart[index]);
    r->layers[index].parameters = ratio(r->apart[index], r->squares[index]);
}

/* Parameters and floating inputs as they were sent, rounded. */
static void load(struct emulation *e, enum stability_format format)
{
    const struct graph *graph = &e->rounded.graph;
    trial_reset(&e->rounded);
    for (int v = 0; v < graph->model_input_count; v++) {
        const struct tensor *input = &e->rounded.run.values[v];
        memcpy(input->data, e->exact.run.values[v].data, (size_t)input->count * sizeof(double));
        if (!graph->values[v].integer)
            formats_round(input->data, input->count, format);
    }
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].parameter_count; k++) {
            const struct graph_parameter *parameter = &graph->nodes[i].parameters[k];
            if (parameter->present && parameter->shared_node < 0)
                formats_round(e->rounded.run.parameters[graph_slot(graph, i, k)].data, parameter->count,
                              format);
        }
}

bool emulation_run(struct emulation *e, enum stability_format format, int scale,
                   struct emulated_layer *layers, struct stability_error *error)
{
    size_t nodes = (size_t)e->exact.graph.node_count;
    struct arena arena = {0};
    struct rounding rounding = {.emulation = e,
                                .format = format,
                                .scale = scale,
                                .layers = layers,
                                .squares = arena_array(&arena, nodes, sizeof(double)),
                                .apart = arena_array(&arena, nodes, sizeof(double))};
    const struct run_observer observer = {.context = &rounding,
                                          .forward = after_forward,
                                          .output_gradients = before_backward,
                                          .parameter_gradient = after_parameter};
    for (size_t i = 0; i < nodes; i++)
        layers[i] = (struct emulated_layer){NAN, NAN, NAN};
    bool done = rounding.squares && rounding.apart;
    if (done) {
        load(e, format);
        done = trial_execute(&e->rounded, &observer, error);
    } else {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                       "no memory for a run in a narrower format");
    }
    arena_free(&arena);
    return done;
}
