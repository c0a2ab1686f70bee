#include "core/ranges.h"

#include <math.h>
#include <string.h>

struct propagation {
    struct ranges *ranges;
    const struct graph *graph;
    const struct kernels *kernels;
    struct arena scratch;
    bool failed;
};

static const struct range nothing = {INFINITY, -INFINITY};

static void widen(struct range *range, double low, double high)
{
    range->low = fmin(range->low, low);
    range->high = fmax(range->high, high);
}

static struct interval_tensor new_interval(struct propagation *p, struct arena *arena,
                                           const struct tensor *like)
{
    struct interval_tensor interval = {*like, *like};
    size_t bytes = p->kernels->real_size;
    interval.low.data = arena_array(arena, (size_t)like->count, bytes);
    interval.high.data = arena_array(arena, (size_t)like->count, bytes);
    p->failed |= !interval.low.data || !interval.high.data;
    return interval;
}

static struct interval_tensor no_interval(const struct tensor *like)
{
    struct interval_tensor interval = {*like, *like};
    interval.low.data = interval.high.data = NULL;
    return interval;
}

/* Several of them, each as `like`; without data where that has none, or `wanted` says so. */
static struct interval_tensor *new_intervals(struct propagation *p, const struct tensor *like, int count)
{
    struct interval_tensor *intervals = arena_array(&p->scratch, (size_t)count, sizeof(*intervals));
    p->failed |= !intervals;
    for (int k = 0; !p->failed && k < count; k++)
        intervals[k] = like[k].data ? new_interval(p, &p->scratch, &like[k]) : no_interval(&like[k]);
    return intervals;
}

/* ---- what is given ---- */

struct range ranges_of_data(const struct run *run, int input)
{
    const struct tensor *tensor = &run->values[input];
    struct stability_statistics statistics;
    run->graph->kernels->statistics(tensor->data, tensor->count, &statistics);
    return statistics.finite.count > 0 ? (struct range){statistics.finite.min, statistics.finite.max}
                                       : (struct range){0, 0};
}

static void load_inputs(struct propagation *p, const struct ranges_declared *declared)
{
    struct ranges *r = p->ranges;
    for (int i = 0; i < p->graph->value_count && !p->failed; i++) {
        double low, high;
        r->values[i] = new_interval(p, &r->arena, &r->run->values[i]);
        r->gradients[i] = no_interval(&r->run->values[i]);
        if (p->failed || i >= p->graph->model_input_count)
            continue;
        if (p->graph->values[i].integer)
            p->kernels->load_interval(&r->values[i], r->run->values[i].data, 0);
        else
            p->kernels->fill_interval(&r->values[i], declared->inputs[i].low, declared->inputs[i].high);
        p->kernels->settle_interval(&r->values[i], &low, &high);
    }
}

/* One that is not finite makes every pass of its layer unsafe. */
static void load_parameters(struct propagation *p, const struct ranges_declared *declared)
{
    struct ranges *r = p->ranges;
    for (int i = 0; i < p->graph->node_count; i++)
        for (int k = 0; k < p->graph->nodes[i].parameter_count && !p->failed; k++) {
            const struct graph_parameter *parameter = &p->graph->nodes[i].parameters[k];
            int slot = graph_slot(p->graph, i, k);
            const struct tensor *tensor = &r->run->parameters[slot];
            double low, high;
            if (!parameter->present || !tensor->data) {
                r->parameters[slot] = no_interval(tensor);
                continue;
            }
            r->parameters[slot] = new_interval(p, &r->arena, tensor);
            if (p->failed)
                return;
            p->kernels->load_interval(&r->parameters[slot], tensor->data,
                                      parameter->row->buffer ? 0 : declared->weight_radius);
            if (p->kernels->settle_interval(&r->parameters[slot], &low, &high) < 0)
                continue;
            r->forward[i].safe = r->backward[i].safe = false;
            r->forward[i].how = r->backward[i].how = "a parameter is not finite";
        }
}

/* ---- passes ---- */

static struct interval_pass begin(struct propagation *p, int index)
{
    const struct graph_node *node = &p->graph->nodes[index];
    const struct layer_pass *pass = &p->ranges->run->passes[index];
    struct interval_pass intervals = {
        .ops = node->ops,
        .pass = *pass,
        .output_count = node->output_count,
        .parameter_count = node->parameter_count,
        .outputs = &p->ranges->values[node->first_output],
        .parameters = &p->ranges->parameters[node->first_parameter],
        .output_gradients = &p->ranges->gradients[node->first_output],
        .inputs = arena_array(&p->scratch, (size_t)node->input_count, sizeof(struct interval_tensor)),
        .input_gradients = new_intervals(p, pass->input_gradients, node->input_count),
        .parameter_gradients = new_intervals(p, pass->parameter_gradients, node->parameter_count),
        .scratch = &p->scratch,
    };
    intervals.pass.steps = NULL;
    intervals.pass.saved = arena_allocate(&p->scratch, node->saved);
    intervals.pass.workspace = arena_allocate(&p->scratch, node->workspace);
    p->failed |= !intervals.inputs || !intervals.pass.saved || !intervals.pass.workspace;
    for (int k = 0; !p->failed && k < node->input_count; k++)
        intervals.inputs[k] = p->ranges->values[node->inputs[k]];
    return intervals;
}

static struct range hull_of(struct propagation *p, const struct interval_tensor *tensors, int count)
{
    struct range range = nothing;
    for (int k = 0; k < count; k++) {
        double low, high;
        if (!tensors[k].low.data)
            continue;
        p->kernels->settle_interval(&tensors[k], &low, &high);
        widen(&range, low, high);
    }
    return range;
}

static const char *where_of(const struct interval_pass *pass, const struct layer_place *place)
{
    if (place->parameter)
        return "the gradient of a parameter";
    if (place->backward)
        return "the gradient of its input";
    return place->tensor == 0 ? "the output" : pass->ops->type.outputs[place->tensor - 1];
}

/* Takes results in: their hull, and the first that may not be finite. */
static void settle(struct propagation *p, struct range_operation *operation, const struct interval_pass *pass,
                   const struct interval_tensor *tensors, int count, bool parameter)
{
    struct range *range = parameter ? &operation->parameters : &operation->result;
    for (int k = 0; k < count; k++) {
        double low, high;
        if (!tensors[k].low.data)
            continue;
        int64_t first = p->kernels->settle_interval(&tensors[k], &low, &high);
        widen(range, low, high);
        if (first < 0 || operation->where)
            continue;
        operation->safe = false;
        operation->place = (struct layer_place){operation->backward, parameter, k, first};
        operation->shape = tensors[k].low.shape;
        operation->where = where_of(pass, &operation->place);
    }
}

/* An evaluation that was not finite shows that the pass is not safe, and how. */
static void settle_failure(struct propagation *p, struct range_operation *operation,
                           const struct interval_pass *pass)
{
    if (!pass->failing)
        return;
    if (!operation->where) {
        bool parameter = pass->place.parameter;
        const struct interval_tensor *tensors = parameter              ? pass->parameter_gradients
                                                : pass->place.backward ? pass->input_gradients
                                                                       : pass->outputs;
        operation->place = pass->place;
        operation->shape = tensors[pass->place.tensor].low.shape;
        operation->where = where_of(pass, &operation->place);
    }
    operation->safe = false;
    if (operation->how || !*pass->cause.text)
        return;
    operation->how = arena_string(&p->ranges->arena, pass->cause.text);
    p->failed |= !operation->how;
}

static void run_forward_pass(struct propagation *p, int index)
{
    struct interval_pass pass = begin(p, index);
    struct range_operation *operation = &p->ranges->forward[index];
    const struct layer_bounds *bounds = pass.ops->bounds;
    operation->bounded = bounds && bounds->forward;
    if (p->failed)
        return;
    operation->operand = hull_of(p, pass.inputs, pass.pass.input_count);
    if (operation->bounded)
        p->failed |= !bounds->forward(&pass);
    for (int k = 0; !operation->bounded && k < pass.output_count; k++)
        p->kernels->fill_interval(&pass.outputs[k], -INFINITY, INFINITY);
    settle(p, operation, &pass, pass.outputs, pass.output_count, false);
    settle_failure(p, operation, &pass);
    arena_free(&p->scratch);
}

/* Adds a part of the gradient of a value. */
static void contribute(struct propagation *p, int value, const struct interval_tensor *part)
{
    struct interval_tensor *gradient = &p->ranges->gradients[value];
    size_t bytes = (size_t)part->low.count * p->kernels->real_size;
    if (gradient->low.data) {
        p->kernels->add_interval(gradient, part);
        return;
    }
    *gradient = new_interval(p, &p->ranges->arena, &part->low);
    if (p->failed || bytes == 0)
        return;
    memcpy(gradient->low.data, part->low.data, bytes);
    memcpy(gradient->high.data, part->high.data, bytes);
}

/* The sum of the parts may be too much where each is not. */
static void settle_sums(struct propagation *p, int index)
{
    const struct graph_node *node = &p->graph->nodes[index];
    struct range_operation *operation = &p->ranges->backward[index];
    operation->operand = nothing;
    for (int k = 0; k < node->output_count; k++) {
        struct interval_tensor *gradient = &p->ranges->gradients[node->first_output + k];
        double low, high;
        if (!gradient->low.data)
            continue;
        int64_t first = p->kernels->settle_interval(gradient, &low, &high);
        widen(&operation->operand, low, high);
        if (first < 0 || operation->where)
            continue;
        operation->safe = false;
        operation->where = "the gradient of its output";
        operation->place = (struct layer_place){true, false, k, first};
        operation->shape = gradient->low.shape;
        operation->how = "the sum of what its readers pass back can overflow";
    }
}

static void run_backward_pass(struct propagation *p, int index)
{
    const struct graph_node *node = &p->graph->nodes[index];
    struct range_operation *operation = &p->ranges->backward[index];
    settle_sums(p, index);
    operation->runs = node->backward && operation->operand.low <= operation->operand.high;
    if (!operation->runs)
        return;
    struct interval_pass pass = begin(p, index);
    const struct layer_bounds *bounds = pass.ops->bounds;
    operation->bounded = bounds && bounds->backward;
    if (p->failed)
        return;
    if (operation->bounded)
        p->failed |= !bounds->backward(&pass);
    for (int k = 0; !operation->bounded && k < node->input_count + node->parameter_count; k++) {
        const struct interval_tensor *gradient = k < node->input_count
                                                     ? &pass.input_gradients[k]
                                                     : &pass.parameter_gradients[k - node->input_count];
        if (gradient->low.data)
            p->kernels->fill_interval(gradient, -INFINITY, INFINITY);
    }
    settle(p, operation, &pass, pass.input_gradients, node->input_count, false);
    settle(p, operation, &pass, pass.parameter_gradients, node->parameter_count, true);
    settle_failure(p, operation, &pass);
    for (int k = 0; k < node->input_count && !p->failed; k++)
        if (pass.input_gradients[k].low.data)
            contribute(p, node->inputs[k], &pass.input_gradients[k]);
    arena_free(&p->scratch);
}

static void run_loss(struct propagation *p)
{
    const struct graph *graph = p->graph;
    struct ranges *r = p->ranges;
    int count = graph->loss_input_count;
    struct loss_intervals loss = {
        .ops = graph->loss,
        .pass = r->run->loss_pass,
        .inputs = arena_array(&p->scratch, (size_t)count, sizeof(struct interval_tensor)),
        .input_gradients = new_intervals(p, r->run->loss_pass.input_gradients, count),
        .low = -INFINITY,
        .high = INFINITY,
        .scratch = &p->scratch,
    };
    loss.pass.saved = arena_allocate(&p->scratch, graph->loss_saved);
    loss.pass.workspace = arena_allocate(&p->scratch, graph->loss_workspace);
    if (!loss.inputs || !loss.input_gradients || !loss.pass.saved || !loss.pass.workspace)
        p->failed = true;
    for (int k = 0; !p->failed && k < count; k++) {
        loss.inputs[k] = r->values[graph->loss_inputs[k]];
        if (loss.input_gradients[k].low.data)
            p->kernels->fill_interval(&loss.input_gradients[k], -INFINITY, INFINITY);
    }
    if (p->failed)
        return;
    r->loss.bounded = r->loss_backward.bounded = graph->loss->bounds != NULL;
    r->loss.operand = r->loss_backward.operand = hull_of(p, loss.inputs, count);
    if (graph->loss->bounds)
        p->failed |= !graph->loss->bounds(&loss);
    bool known = isfinite(loss.low) && isfinite(loss.high);
    r->loss.result = known ? (struct range){loss.low, loss.high} : (struct range){-INFINITY, INFINITY};
    r->loss.safe = known;
    r->loss.where = known ? NULL : "the loss";
    static const struct interval_pass no_cause = {.failing = false};
    settle(p, &r->loss_backward, &no_cause, loss.input_gradients, count, false);
    if (r->loss_backward.where)
        r->loss_backward.where = "the loss's gradient";
    for (int k = 0; k < count && !p->failed; k++)
        if (loss.input_gradients[k].low.data)
            contribute(p, graph->loss_inputs[k], &loss.input_gradients[k]);
    arena_free(&p->scratch);
}

static bool proceed(const struct propagation *p, int64_t done, struct stability_error *error)
{
    const struct stability_options *options = &p->graph->request->options;
    int64_t total = 2 * (int64_t)p->graph->node_count;
    if (!options->progress || options->progress(options->progress_context, "ranges", done, total))
        return true;
    return stability_fail(error, STABILITY_ERROR_CANCELLED, NULL,
                          "the work was stopped in the analysis 'ranges'");
}

static bool prepare(struct propagation *p)
{
    struct ranges *r = p->ranges;
    size_t nodes = (size_t)p->graph->node_count, values = (size_t)p->graph->value_count;
    r->values = arena_array(&r->arena, values, sizeof(*r->values));
    r->gradients = arena_array(&r->arena, values, sizeof(*r->gradients));
    r->parameters = arena_array(&r->arena, (size_t)p->graph->parameter_slots, sizeof(*r->parameters));
    r->forward = arena_array(&r->arena, nodes, sizeof(*r->forward));
    r->backward = arena_array(&r->arena, nodes, sizeof(*r->backward));
    if (!r->values || !r->gradients || !r->parameters || !r->forward || !r->backward)
        return false;
    struct range_operation operation = {
        .runs = true, .safe = true, .result = nothing, .parameters = nothing, .operand = nothing};
    for (int i = 0; i < p->graph->node_count; i++) {
        operation.node = i;
        r->forward[i] = r->backward[i] = operation;
        r->backward[i].backward = true;
    }
    operation.node = -1;
    r->loss = r->loss_backward = operation;
    r->loss_backward.backward = true;
    return true;
}

bool ranges_propagate(struct ranges *ranges, const struct run *run, const struct ranges_declared *declared,
                      struct stability_error *error)
{
    *ranges = (struct ranges){.run = run};
    struct propagation p = {.ranges = ranges, .graph = run->graph, .kernels = run->graph->kernels};
    bool going = true;
    p.failed = !prepare(&p);
    if (!p.failed)
        load_inputs(&p, declared);
    if (!p.failed)
        load_parameters(&p, declared);
    for (int i = 0; i < p.graph->node_count && !p.failed && going; i++) {
        going = proceed(&p, i, error);
        run_forward_pass(&p, i);
    }
    if (!p.failed && going)
        run_loss(&p);
    for (int i = p.graph->node_count - 1; i >= 0 && !p.failed && going; i--) {
        going = proceed(&p, 2 * (int64_t)p.graph->node_count - 1 - i, error);
        run_backward_pass(&p, i);
    }
    arena_free(&p.scratch);
    if (!p.failed)
        return going;
    return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for the analysis 'ranges'");
}

void ranges_free(struct ranges *ranges)
{
    arena_free(&ranges->arena);
}

double ranges_bytes(const struct graph *graph)
{
    double elements = 0, most = 0;
    for (int i = 0; i < graph->value_count; i++)
        elements += 4 * (double)graph->values[i].count;
    for (int i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        double own = 0;
        for (int k = 0; k < node->parameter_count; k++)
            own += node->parameters[k].present ? (double)node->parameters[k].count : 0;
        elements += 2 * own;
        for (int k = 0; k < node->input_count; k++)
            own += (double)graph->values[node->inputs[k]].count;
        for (int k = 0; k < node->output_count; k++)
            own += (double)graph->values[node->first_output + k].count;
        double bytes =
            12 * own * (double)graph->kernels->real_size + (double)node->saved + (double)node->workspace;
        most = fmax(most, bytes);
    }
    return elements * (double)graph->kernels->real_size + most;
}
