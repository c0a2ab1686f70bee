#include "core/origin.h"

#include <math.h>

struct search {
    struct run run;
    struct arena *arena;
    struct non_finite_origin *origin;
    bool failed;
};

static const char *precision_name(const struct search *search)
{
    return search->run.graph->kernels->dtype == STABILITY_FLOAT32 ? "float32" : "float64";
}

/* What an element tells whose operands were all finite. */
static const char *how_from_value(const struct search *search, double value)
{
    if (isnan(value))
        return arena_format(search->arena,
                            "an operation without a value (0/0, inf - inf or 0 * inf) on finite operands");
    return arena_format(search->arena, "overflow: finite operands give a result beyond the largest %s, %s",
                        precision_name(search),
                        search->run.graph->kernels->dtype == STABILITY_FLOAT32 ? "3.4e38" : "1.8e308");
}

static void record(struct search *search, bool backward, int node, const char *where, int64_t element,
                   double value, const char *how)
{
    *search->origin = (struct non_finite_origin){true, backward, node, where, element, value, how};
    search->failed |= !where || !how;
}

/* Looks for a non-finite element of a tensor. */
static bool is_bad(const struct search *search, const struct tensor *tensor, int64_t *element, double *value)
{
    if (search->origin->found || !tensor->data)
        return false;
    *element = search->run.graph->kernels->first_non_finite(tensor->data, tensor->count, value);
    return *element >= 0;
}

/* How a tensor of the request came to hold the element; `given` is NULL where it was drawn. */
static const char *how_from_request(const struct search *search, const struct stability_tensor *given,
                                    int64_t element)
{
    if (!given)
        return arena_string(search->arena, "it was drawn so: the scheme's arguments are too large");
    double sent;
    const char *data = (const char *)given->data + (size_t)element * stability_dtype_size(given->dtype);
    stability_convert(given->dtype, data, STABILITY_FLOAT64, &sent, 1);
    if (!isfinite(sent))
        return arena_string(search->arena, "it was sent so");
    return arena_format(search->arena, "overflow: %.6g was sent, which is beyond the largest %s", sent,
                        precision_name(search));
}

static void look_at_named(struct search *search, const struct stability_named_tensor *data,
                          const struct tensor *tensor)
{
    int64_t element;
    double value;
    if (is_bad(search, tensor, &element, &value))
        record(search, false, -1, arena_format(search->arena, "data '%s'", data->name), element, value,
               how_from_request(search, data->recipe.name ? NULL : &data->tensor, element));
}

static void look_at_request(struct search *search)
{
    const struct graph *graph = search->run.graph;
    int64_t element;
    double value;
    for (int i = 0; i < graph->model_input_count; i++)
        look_at_named(search, graph->values[i].data, &search->run.values[i]);
    look_at_named(search, graph->target, &search->run.loss_pass.target);
    for (int i = 0; i < graph->node_count; i++) {
        for (int k = 0; k < graph->nodes[i].parameter_count; k++) {
            const struct graph_parameter *parameter = &graph->nodes[i].parameters[k];
            if (is_bad(search, &search->run.parameters[graph_slot(graph, i, k)], &element, &value))
                record(search, false, i, arena_format(search->arena, "parameter '%s'", parameter->name),
                       element, value, how_from_request(search, parameter->given, element));
        }
    }
}

static const char *explain(struct search *search, int node, bool backward, int64_t element, double value)
{
    char text[256];
    const struct layer_ops *ops = search->run.graph->nodes[node].ops;
    if (ops->explain && ops->explain(&search->run.passes[node], backward, element, text, sizeof(text)))
        return arena_string(search->arena, text);
    return how_from_value(search, value);
}

static void after_forward(void *context, int node)
{
    struct search *search = context;
    const struct graph_node *n = &search->run.graph->nodes[node];
    int64_t element;
    double value;
    for (int k = 0; k < n->output_count; k++)
        if (is_bad(search, &search->run.values[n->first_output + k], &element, &value))
            record(search, false, node, k == 0 ? "the output" : n->ops->type.outputs[k - 1], element, value,
                   explain(search, node, false, element, value));
}

/* The loss itself, and the gradients that it starts with. */
static void look_at_loss(struct search *search)
{
    if (!search->origin->found && !isfinite(search->run.loss))
        record(search, false, -1, "the loss", 0, search->run.loss, how_from_value(search, search->run.loss));
    int64_t element;
    double value;
    for (int k = 0; k < search->run.graph->loss_input_count; k++)
        if (is_bad(search, &search->run.loss_pass.input_gradients[k], &element, &value))
            record(search, true, -1, "the loss's gradient", element, value, how_from_value(search, value));
}

/* Each reader's part of a gradient was finite, their sum is not. */
static const char *how_from_sum(const struct search *search)
{
    return arena_format(search->arena,
                        "overflow: the sum of what its readers pass back is beyond the largest %s",
                        precision_name(search));
}

static void before_backward(void *context, int node)
{
    struct search *search = context;
    if (node == search->run.graph->node_count - 1)
        look_at_loss(search);
    const struct graph_node *n = &search->run.graph->nodes[node];
    int64_t element;
    double value;
    for (int k = 0; k < n->output_count; k++)
        if (is_bad(search, &search->run.value_gradients[n->first_output + k], &element, &value))
            record(search, true, node, "the gradient of its output", element, value, how_from_sum(search));
}

static void after_backward(void *context, int node)
{
    struct search *search = context;
    const struct graph_node *n = &search->run.graph->nodes[node];
    const struct layer_pass *pass = &search->run.passes[node];
    int64_t element;
    double value;
    for (int k = 0; k < n->input_count; k++)
        if (is_bad(search, &pass->input_gradients[k], &element, &value))
            record(search, true, node, "the gradient of its input", element, value,
                   explain(search, node, true, element, value));
    for (int k = 0; k < n->parameter_count; k++)
        if (is_bad(search, &pass->parameter_gradients[k], &element, &value))
            record(search, true, node,
                   arena_format(search->arena, "the gradient of '%s'", n->parameters[k].name), element, value,
                   how_from_value(search, value));
}

static void after_parameter(void *context, int node, int parameter)
{
    struct search *search = context;
    const struct graph *graph = search->run.graph;
    int64_t element;
    double value;
    if (is_bad(search, &search->run.parameter_gradients[graph_slot(graph, node, parameter)], &element,
               &value))
        record(search, true, node,
               arena_format(search->arena, "the gradient of '%s'",
                            graph->nodes[node].parameters[parameter].name),
               element, value, how_from_sum(search));
}

bool origin_find(const struct stability_plan *plan, struct arena *arena, struct non_finite_origin *origin,
                 struct stability_error *error)
{
    struct search search = {.arena = arena, .origin = origin};
    struct run_observer observer = {
        .context = &search,
        .forward = after_forward,
        .output_gradients = before_backward,
        .backward = after_backward,
        .parameter_gradient = after_parameter,
    };
    bool done = run_open(&search.run, &plan->run, error);
    if (done) {
        look_at_request(&search);
        done = run_execute(&search.run, &observer, error);
    }
    run_close(&search.run);
    if (done && search.failed)
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                              "no memory for the search of a NaN");
    return done;
}
