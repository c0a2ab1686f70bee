/* What the engine's numbers can be where inputs and weights lie in given ranges: proved by intervals, or
 * shown by an input that was found. */
#include "core/analysis.h"
#include "core/formats.h"
#include "core/witness.h"

#include <math.h>
#include <stdio.h>

struct settings {
    const struct stability_tensor *input;
    double weights;
    int64_t attempts;
    int64_t seed;
};

static const struct stability_attribute rows[] = {
    {"input", STABILITY_ATTRIBUTE_TENSOR, offsetof(struct settings, input), .nullable = true,
     .documentation =
         "[low, high] of every element of the model's inputs, or one such pair for each input in "
         "their order; null: what the batch spans. Inputs of integers stay as they were sent"},
    {"weights", STABILITY_ATTRIBUTE_REAL, offsetof(struct settings, weights), .maximum = INFINITY,
     .documentation =
         "how far each element of a weight or bias may be from what was sent; buffers are as sent"},
    {"attempts", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct settings, attempts), .minimum = 0,
     .maximum = 10000, .number = 100,
     .documentation = "how often the engine is run in search of an input that fails, at most"},
    {"seed", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct settings, seed), .maximum = INFINITY,
     .documentation = "of the search's random points"},
    {0},
};

enum { KEPT_ELEMENTS = 4096 };

struct analysis {
    struct analysis_context *context;
    const struct settings *settings;
    struct trial trial;
    struct range *declared;
    struct ranges ranges;
    struct witness_search search;
    int64_t counts[3]; /* by status */
};

/* ---- settings ---- */

static struct range pair_at(const struct stability_tensor *tensor, int64_t index)
{
    double pair[2];
    const char *data = (const char *)tensor->data + (size_t)(2 * index) * stability_dtype_size(tensor->dtype);
    stability_convert(tensor->dtype, data, STABILITY_FLOAT64, pair, 2);
    return (struct range){pair[0], pair[1]};
}

static bool check(const void *settings, const char *pointer, struct stability_error *error)
{
    const struct stability_tensor *input = ((const struct settings *)settings)->input;
    char at[384], text[STABILITY_SHAPE_TEXT];
    snprintf(at, sizeof(at), "%s/input", pointer);
    if (!input)
        return true;
    int rank = input->shape.rank;
    if (rank < 1 || rank > 2 || input->shape.sizes[rank - 1] != 2)
        return stability_fail(error, STABILITY_ERROR_INVALID_ATTRIBUTE, at,
                              "input must be [low, high], or a list of such pairs, got a tensor of shape %s",
                              stability_shape_text(&input->shape, text));
    for (int64_t i = 0; i < stability_shape_count(&input->shape) / 2; i++) {
        struct range range = pair_at(input, i);
        if (!(isfinite(range.low) && isfinite(range.high) && range.low <= range.high))
            return stability_fail(error, STABILITY_ERROR_INVALID_ATTRIBUTE, at,
                                  "input must be [low, high] of finite numbers, low <= high, got [%g, %g]",
                                  range.low, range.high);
    }
    return true;
}

static bool plan_trial(struct trial *trial, const struct graph *graph, struct stability_error *error)
{
    return trial_plan(trial, graph->request, &(struct trial_options){.flags = RUN_OWN}, error);
}

static double bytes(const struct stability_plan *plan, const void *settings, struct stability_error *error)
{
    const struct stability_tensor *input = ((const struct settings *)settings)->input;
    struct trial trial;
    double needed = -1;
    if (input && input->shape.rank == 2 && input->shape.sizes[0] != plan->graph.model_input_count) {
        stability_fail(error, STABILITY_ERROR_INVALID_ATTRIBUTE, "/options/analyses/ranges/input",
                       "input has %lld ranges, the model has %d inputs", (long long)input->shape.sizes[0],
                       plan->graph.model_input_count);
        return -1;
    }
    if (plan_trial(&trial, &plan->graph, error))
        needed = trial_bytes(&trial) + ranges_bytes(&trial.graph) + witness_bytes(&trial.graph);
    trial_close(&trial);
    return needed;
}

static bool declare(struct analysis *a)
{
    int count = a->trial.graph.model_input_count;
    const struct stability_tensor *input = a->settings->input;
    a->declared = arena_array(a->context->arena, (size_t)count, sizeof(*a->declared));
    for (int i = 0; a->declared && i < count; i++)
        a->declared[i] =
            input ? pair_at(input, input->shape.rank == 2 ? i : 0) : ranges_of_data(&a->trial.run, i);
    return a->declared != NULL;
}

/* ---- results ---- */

enum status { PROVED, POSSIBLE, WITNESSED };
static const char *const status_names[] = {"proved", "possible", "witnessed"};

static enum status status_of(const struct range_operation *operation, const struct observed *observed)
{
    return observed->witness ? WITNESSED : operation->safe ? PROVED : POSSIBLE;
}

/* Of an interval that may be empty. */
static double magnitude(double low, double high)
{
    return low > high ? 0 : fmax(fabs(low), fabs(high));
}

/* Whether results fit a narrower format; those that round to its greatest number do. */
static enum status status_in(enum stability_format format, const struct range_operation *operation,
                             const struct observed *observed)
{
    double greatest = number_format_at(format)->greatest;
    double bound = fmax(magnitude(operation->result.low, operation->result.high),
                        magnitude(operation->parameters.low, operation->parameters.high));
    double seen = magnitude(observed->low, observed->high);
    if (observed->witness || seen > greatest * 1.002)
        return WITNESSED;
    return operation->safe && bound <= greatest ? PROVED : POSSIBLE;
}

static void add_range(struct analysis_context *context, struct stability_result *parent, const char *name,
                      double low, double high)
{
    if (low > high) {
        result_text(context, parent, name, NULL);
        return;
    }
    struct stability_result *range = result_object(context, parent, name);
    result_number(context, range, "low", low);
    result_number(context, range, "high", high);
}

/* As a tensor of a request. */
static void add_tensor(struct analysis *a, struct stability_result *parent, int input, const void *data)
{
    const struct graph_value *value = &a->trial.graph.values[input];
    struct stability_result *tensor = result_object(a->context, parent, value->name);
    struct stability_result *shape = result_list(a->context, tensor, "shape");
    for (int d = 0; d < value->shape.rank; d++)
        result_integer(a->context, shape, "", value->shape.sizes[d]);
    struct stability_result *list = result_list(a->context, tensor, "data");
    for (int64_t i = 0; i < value->count; i++) {
        double number;
        stability_convert(a->trial.graph.kernels->dtype,
                          (const char *)data + (size_t)i * a->trial.graph.kernels->real_size,
                          STABILITY_FLOAT64, &number, 1);
        if (value->integer)
            result_integer(a->context, list, "", (int64_t)number);
        else
            result_value(a->context, list, "", number);
    }
}

static void add_witness(struct analysis *a, struct stability_result *parent, const struct witness *witness)
{
    if (!witness) {
        result_text(a->context, parent, "witness", NULL);
        return;
    }
    struct stability_result *result = result_object(a->context, parent, "witness");
    result_text(a->context, result, "found_by", witness->found_by);
    result_value(a->context, result, "value", witness->value);
    result_position(a->context, result, "element", &witness->shape, witness->place.element);
    result_text(a->context, result, "how", witness->how);
    if (!witness->inputs) {
        result_text(a->context, result, "data", NULL);
        return;
    }
    struct stability_result *data = result_object(a->context, result, "data");
    for (int i = 0; i < a->trial.graph.model_input_count; i++)
        add_tensor(a, data, i, witness->inputs[i]);
}

static const char *how_of(const struct analysis *a, const struct range_operation *operation)
{
    if (operation->safe)
        return NULL;
    if (operation->how)
        return operation->how;
    if (!operation->bounded)
        return "no bounds are known for this type: its results may be anything";
    return a->trial.graph.kernels->dtype == STABILITY_FLOAT32
               ? "its bounds reach beyond the largest float32, 3.4e38"
               : "its bounds reach beyond the largest float64, 1.8e308";
}

/* Whether a bound of the operands is the greatest finite number: an operation before may overflow. */
static bool is_cut(const struct analysis *a, const struct range_operation *operation)
{
    double limit =
        a->trial.graph.kernels->dtype == STABILITY_FLOAT32 ? 0x1.fffffep127 : 0x1.fffffffffffffp1023;
    return magnitude(operation->operand.low, operation->operand.high) >= limit;
}

static void add_operation(struct analysis *a, struct stability_result *list,
                          const struct range_operation *operation, const struct observed *observed)
{
    struct analysis_context *context = a->context;
    const struct graph_node *node = operation->node < 0 ? NULL : &a->trial.graph.nodes[operation->node];
    if (!operation->runs)
        return;
    enum status status = status_of(operation, observed);
    struct stability_result *result = result_object(context, list, "");
    result_text(context, result, "layer", node ? node->name : NULL);
    result_text(context, result, "type", node ? node->ops->type.type : a->trial.graph.loss->type.type);
    result_text(context, result, "pass", operation->backward ? "backward" : "forward");
    result_text(context, result, "status", status_names[status]);
    result_text(context, result, "how", how_of(a, operation));
    result_text(context, result, "where", operation->safe ? NULL : operation->where);
    result_boolean(context, result, "follows", is_cut(a, operation));
    add_range(context, result, operation->backward ? "gradient_in" : "input", operation->operand.low,
              operation->operand.high);
    add_range(context, result, operation->backward ? "gradient" : "output", operation->result.low,
              operation->result.high);
    if (operation->backward)
        add_range(context, result, "parameter_gradient", operation->parameters.low,
                  operation->parameters.high);
    add_range(context, result, "observed", observed->low, observed->high);
    result_text(context, result, "float16",
                status_names[status_in(STABILITY_FORMAT_FLOAT16, operation, observed)]);
    result_text(context, result, "bfloat16",
                status_names[status_in(STABILITY_FORMAT_BFLOAT16, operation, observed)]);
    add_witness(a, result, observed->witness);
}

static void add_operations(struct analysis *a, struct stability_result *list)
{
    const struct witness_search *seen = &a->search;
    const struct ranges *ranges = &a->ranges;
    int count = a->trial.graph.node_count;
    for (int i = 0; i < count; i++)
        add_operation(a, list, &ranges->forward[i], &seen->forward[i]);
    add_operation(a, list, &ranges->loss, &seen->loss);
    add_operation(a, list, &ranges->loss_backward, &seen->loss_backward);
    for (int i = count - 1; i >= 0; i--)
        add_operation(a, list, &ranges->backward[i], &seen->backward[i]);
}

static void add_inputs(struct analysis *a, struct stability_result *result)
{
    struct stability_result *list = result_list(a->context, result, "inputs");
    for (int i = 0; i < a->trial.graph.model_input_count; i++) {
        const struct graph_value *value = &a->trial.graph.values[i];
        struct stability_result *input = result_object(a->context, list, "");
        result_text(a->context, input, "name", value->name);
        result_number(a->context, input, "low", value->integer ? NAN : a->declared[i].low);
        result_number(a->context, input, "high", value->integer ? NAN : a->declared[i].high);
    }
}

static void add_unbounded(struct analysis *a, struct stability_result *result)
{
    struct stability_result *list = result_list(a->context, result, "unbounded");
    for (int i = 0; i < a->trial.graph.node_count; i++) {
        const struct range_operation *forward = &a->ranges.forward[i], *backward = &a->ranges.backward[i];
        if (!forward->bounded || (backward->runs && !backward->bounded))
            result_text(a->context, list, "", a->trial.graph.nodes[i].name);
    }
}

static void count(struct analysis *a, const struct range_operation *operation,
                  const struct observed *observed)
{
    if (operation->runs)
        a->counts[status_of(operation, observed)]++;
}

static void add_counts(struct analysis *a, struct stability_result *result)
{
    for (int i = 0; i < a->trial.graph.node_count; i++) {
        count(a, &a->ranges.forward[i], &a->search.forward[i]);
        count(a, &a->ranges.backward[i], &a->search.backward[i]);
    }
    count(a, &a->ranges.loss, &a->search.loss);
    count(a, &a->ranges.loss_backward, &a->search.loss_backward);
    enum status worst = a->counts[WITNESSED] ? WITNESSED : a->counts[POSSIBLE] ? POSSIBLE : PROVED;
    result_text(a->context, result, "status", status_names[worst]);
    struct stability_result *counts = result_object(a->context, result, "counts");
    for (int k = 0; k < 3; k++)
        result_integer(a->context, counts, status_names[k], a->counts[k]);
}

static void report(struct analysis *a, struct stability_result *result)
{
    add_counts(a, result);
    add_inputs(a, result);
    result_number(a->context, result, "weight_radius", a->settings->weights);
    result_integer(a->context, result, "runs", a->search.runs);
    add_unbounded(a, result);
    add_operations(a, result_list(a->context, result, "operations"));
}

static bool analyse(struct analysis *a, struct stability_error *error)
{
    if (!plan_trial(&a->trial, &a->context->plan->graph, error) || !trial_open(&a->trial, error))
        return false;
    if (!declare(a))
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                              "no memory for the analysis 'ranges'");
    struct ranges_declared declared = {a->declared, a->settings->weights};
    a->trial.stage = "ranges";
    if (!ranges_propagate(&a->ranges, &a->trial.run, &declared, error))
        return false;
    a->search = (struct witness_search){
        .trial = &a->trial,
        .ranges = &a->ranges,
        .declared = a->declared,
        .seed = (uint64_t)a->settings->seed,
        .limit = a->settings->attempts,
        .kept = KEPT_ELEMENTS,
        .arena = a->context->arena,
    };
    a->trial.planned = a->settings->attempts;
    return witness_find(&a->search, error);
}

static bool run(struct analysis_context *context, struct stability_result *result)
{
    struct analysis a = {.context = context, .settings = context->settings};
    bool done = analyse(&a, context->error);
    if (done)
        report(&a, result);
    ranges_free(&a.ranges);
    trial_close(&a.trial);
    return done && !context->failed;
}

ANALYSIS_OPS(ranges) = {
    .type =
        {.name = "ranges",
         .settings = rows,
         .documentation =
             "Intervals through the forward and the backward pass: for every operation what its results can "
             "be where the inputs lie in the given ranges, rounded outwards so that it holds for the "
             "engine's own arithmetic. status is proved where no result can be NaN or infinite, witnessed "
             "where an input was found and run that makes one (witness has the data to post), else "
             "possible: how says what the bounds allow. Each holds where the operations before it give "
             "finite numbers; so if all are proved, none arises; follows marks those whose operands are "
             "bounded by nothing but that. float16 and bfloat16 say the same of results that are stored in "
             "those formats; observed is what the search's runs showed. Layers in unbounded are of types "
             "whose bounds are not known.",
         .source =
             "Moore, Kearfott, Cloud 2009, Introduction to Interval Analysis; Rump 1999, Fast and parallel "
             "interval arithmetic; Gowal et al. 2018, On the effectiveness of interval bound propagation; "
             "Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1 (rounding of sums)"},
    .settings_size = sizeof(struct settings),
    .check = check,
    .bytes = bytes,
    .run = run,
};
