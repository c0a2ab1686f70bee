#include "core/origin.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct search {
    struct run run;
    struct arena *arena;
    struct observations *observations;
    bool failed;
};

/* A tensor that is looked at. */
struct site {
    int node;          /* -1: none */
    const char *where; /* "parameter" ... */
    const char *name;  /* ... and its name, or NULL */
    const struct stability_shape *shape;
    struct layer_place place;
    /* Fills in how it came about. */
    void (*explain)(const struct search *search, const struct site *site, double value,
                    struct layer_cause *cause);
    const struct stability_tensor *given; /* of the request; NULL: drawn */
};

static const char *precision_name(const struct search *search)
{
    return search->run.graph->kernels->dtype == STABILITY_FLOAT32 ? "float32" : "float64";
}

/* ---- what is said where no type knows better ---- */

/* The elements at the same place of tensors of the same size. */
static void add_operands(const struct search *search, const char *name, const struct tensor *tensors,
                         int count, int64_t size, int64_t element, struct layer_cause *cause)
{
    for (int k = 0; k < count && cause->operand_count < LAYER_MAX_OPERANDS; k++) {
        if (!tensors[k].data || tensors[k].count != size) /* -1: of none */
            continue;
        const struct kernels *kernels = search->run.graph->kernels;
        double value;
        stability_convert(kernels->dtype,
                          (const char *)tensors[k].data + (size_t)element * kernels->real_size,
                          STABILITY_FLOAT64, &value, 1);
        cause->operands[cause->operand_count++] =
            (struct layer_operand){name, tensors[k].shape, element, value};
    }
}

static void explain_value(const struct search *search, const struct site *site, double value,
                          struct layer_cause *cause)
{
    bool infinite = false;
    (void)site;
    for (int k = 0; k < cause->operand_count; k++)
        infinite |= !isfinite(cause->operands[k].value);
    if (isnan(value))
        snprintf(cause->text, sizeof(cause->text),
                 "an operation without a value (0/0, inf - inf, inf/inf or 0 * inf) on %s operands",
                 infinite ? "infinite" : "finite");
    else
        snprintf(cause->text, sizeof(cause->text),
                 "overflow: finite operands give a result beyond the largest %s, %s", precision_name(search),
                 search->run.graph->kernels->dtype == STABILITY_FLOAT32 ? "3.4e38" : "1.8e308");
}

/* ---- the request ---- */

/* How a tensor of the request came to hold the element. */
static void explain_request(const struct search *search, const struct site *site, double value,
                            struct layer_cause *cause)
{
    (void)value;
    double sent = INFINITY;
    if (site->given) {
        const char *data = (const char *)site->given->data +
                           (size_t)site->place.element * stability_dtype_size(site->given->dtype);
        stability_convert(site->given->dtype, data, STABILITY_FLOAT64, &sent, 1);
    }
    if (!site->given)
        snprintf(cause->text, sizeof(cause->text), "it was drawn so: the scheme's arguments are too large");
    else if (!isfinite(sent))
        snprintf(cause->text, sizeof(cause->text), "it was sent so");
    else
        snprintf(cause->text, sizeof(cause->text), "overflow: %.6g was sent, which is beyond the largest %s",
                 sent, precision_name(search));
}

/* ---- passes ---- */

static void explain_layer(const struct search *search, const struct site *site, double value,
                          struct layer_cause *cause)
{
    const struct layer_ops *ops = search->run.graph->nodes[site->node].ops;
    const struct layer_pass *pass = &search->run.passes[site->node];
    if (ops->explain && ops->explain(pass, &site->place, cause))
        return;
    *cause = (struct layer_cause){.operand_count = 0};
    const struct tensor *at = site->place.backward ? pass->input_gradients : pass->outputs;
    int64_t size = site->place.parameter ? -1 : at[site->place.tensor].count;
    if (!(site->place.backward && ops->unread & LAYER_UNREAD_INPUTS))
        add_operands(search, "input", pass->inputs, pass->input_count, size, site->place.element, cause);
    if (site->place.backward)
        add_operands(search, "gradient of the output", pass->output_gradients, 1, size, site->place.element,
                     cause);
    explain_value(search, site, value, cause);
}

static void explain_loss(const struct search *search, const struct site *site, double value,
                         struct layer_cause *cause)
{
    const struct loss_ops *ops = search->run.graph->loss;
    if (ops->explain && ops->explain(&search->run.loss_pass, &site->place, cause))
        return;
    *cause = (struct layer_cause){.operand_count = 0};
    explain_value(search, site, value, cause);
}

/* Each reader's part of a gradient was finite, their sum is not. */
static void explain_sum(const struct search *search, const struct site *site, double value,
                        struct layer_cause *cause)
{
    (void)site;
    if (isnan(value))
        snprintf(cause->text, sizeof(cause->text), "inf - inf in the sum of what its readers pass back");
    else
        snprintf(cause->text, sizeof(cause->text),
                 "overflow: the sum of what its readers pass back is beyond the largest %s",
                 precision_name(search));
}

/* ---- looking ---- */

static void record(struct search *search, struct non_finite_origin *origin, const struct site *site,
                   double value)
{
    struct layer_cause cause = {.operand_count = 0};
    site->explain(search, site, value, &cause);
    *origin = (struct non_finite_origin){
        .found = true,
        .sent = site->explain == explain_request,
        .backward = site->place.backward,
        .node = site->node,
        .where = site->name ? arena_format(search->arena, "%s '%s'", site->where, site->name) : site->where,
        .shape = *site->shape,
        .element = site->place.element,
        .value = value,
        .how = arena_string(search->arena, cause.text),
        .operand_count = cause.operand_count,
    };
    memcpy(origin->operands, cause.operands, sizeof(cause.operands));
    search->failed |= !origin->where || !origin->how;
}

/* The first element that is not finite, or the first NaN; -1: none. */
static int64_t find(const struct search *search, const struct tensor *tensor, bool nan, double *value)
{
    const struct kernels *kernels = search->run.graph->kernels;
    int64_t start = 0;
    for (;;) {
        const char *data = (const char *)tensor->data + (size_t)start * kernels->real_size;
        int64_t at = kernels->first_non_finite(data, tensor->count - start, value);
        if (at < 0 || !nan || isnan(*value))
            return at < 0 ? at : start + at;
        start += at + 1;
    }
}

/* Whether `origin` is still looked for. */
static bool is_open(const struct search *search, const struct non_finite_origin *origin)
{
    const struct non_finite_origin *first = &search->observations->non_finite;
    return !origin->found && (origin == first || (first->found && !isnan(first->value)));
}

static void look_at(struct search *search, const struct tensor *tensor, struct site site)
{
    struct non_finite_origin *first = &search->observations->non_finite,
                             *nan = &search->observations->first_nan;
    double value;
    site.shape = &tensor->shape;
    if (!tensor->data)
        return;
    for (int k = 0; k < 2; k++) {
        struct non_finite_origin *origin = k == 0 ? first : nan;
        if (!is_open(search, origin) || (site.place.element = find(search, tensor, k == 1, &value)) < 0)
            continue;
        record(search, origin, &site, value);
    }
}

static void look_at_data(struct search *search, const struct stability_named_tensor *data,
                         const struct tensor *tensor)
{
    look_at(search, tensor,
            (struct site){.node = -1,
                          .where = "data",
                          .name = data->name,
                          .explain = explain_request,
                          .given = data->recipe.name ? NULL : &data->tensor});
}

static void look_at_request(struct search *search)
{
    const struct graph *graph = search->run.graph;
    for (int i = 0; i < graph->model_input_count; i++)
        look_at_data(search, graph->values[i].data, &search->run.values[i]);
    look_at_data(search, graph->target, &search->run.loss_pass.target);
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].parameter_count; k++) {
            const struct graph_parameter *parameter = &graph->nodes[i].parameters[k];
            look_at(search, &search->run.parameters[graph_slot(graph, i, k)],
                    (struct site){.node = i,
                                  .where = "parameter",
                                  .name = parameter->name,
                                  .explain = explain_request,
                                  .given = parameter->given});
        }
}

static void after_forward(void *context, int node)
{
    struct search *search = context;
    const struct graph_node *n = &search->run.graph->nodes[node];
    for (int k = 0; k < n->output_count; k++)
        look_at(search, &search->run.values[n->first_output + k],
                (struct site){.node = node,
                              .where = k == 0 ? "the output" : n->ops->type.outputs[k - 1],
                              .place = {.tensor = k},
                              .explain = explain_layer});
}

/* The loss itself, and the gradients that it starts with. */
static void look_at_loss(struct search *search)
{
    static const struct stability_shape scalar = {0};
    struct site loss = {.node = -1, .where = "the loss", .shape = &scalar, .explain = explain_loss};
    double value = search->run.loss;
    if (!isfinite(value) && is_open(search, &search->observations->non_finite))
        record(search, &search->observations->non_finite, &loss, value);
    if (isnan(value) && is_open(search, &search->observations->first_nan))
        record(search, &search->observations->first_nan, &loss, value);
    for (int k = 0; k < search->run.graph->loss_input_count; k++)
        look_at(search, &search->run.loss_pass.input_gradients[k],
                (struct site){.node = -1,
                              .where = "the loss's gradient",
                              .place = {.backward = true, .tensor = k},
                              .explain = explain_loss});
}

static void before_backward(void *context, int node)
{
    struct search *search = context;
    if (node == search->run.graph->node_count - 1)
        look_at_loss(search);
    const struct graph_node *n = &search->run.graph->nodes[node];
    for (int k = 0; k < n->output_count; k++)
        look_at(search, &search->run.value_gradients[n->first_output + k],
                (struct site){.node = node,
                              .where = "the gradient of its output",
                              .place = {.backward = true, .tensor = k},
                              .explain = explain_sum});
}

static void after_backward(void *context, int node)
{
    struct search *search = context;
    const struct graph_node *n = &search->run.graph->nodes[node];
    const struct layer_pass *pass = &search->run.passes[node];
    for (int k = 0; k < n->input_count; k++)
        look_at(search, &pass->input_gradients[k],
                (struct site){.node = node,
                              .where = "the gradient of its input",
                              .place = {.backward = true, .tensor = k},
                              .explain = explain_layer});
    for (int k = 0; k < n->parameter_count; k++)
        look_at(search, &pass->parameter_gradients[k],
                (struct site){.node = node,
                              .where = "the gradient of",
                              .name = n->parameters[k].name,
                              .place = {.backward = true, .parameter = true, .tensor = k},
                              .explain = explain_layer});
}

static void after_parameter(void *context, int node, int parameter)
{
    struct search *search = context;
    const struct graph *graph = search->run.graph;
    look_at(search, &search->run.parameter_gradients[graph_slot(graph, node, parameter)],
            (struct site){.node = node,
                          .where = "the gradient of",
                          .name = graph->nodes[node].parameters[parameter].name,
                          .place = {.backward = true, .parameter = true, .tensor = parameter},
                          .explain = explain_sum});
}

bool origin_find(const struct stability_plan *plan, struct arena *arena, struct observations *observations,
                 struct stability_error *error)
{
    struct search search = {.arena = arena, .observations = observations};
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
