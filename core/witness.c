#include "core/witness.h"

#include "core/random.h"
#include "core/sensitivity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct search {
    struct witness_search *public;
    struct run *run;
    const struct graph *graph;
    const struct kernels *kernels;
    struct arena scratch;
    void **sent; /* by model input: what the batch has */
    struct sensitivity sensitivity;
    const char *found_by;
    uint64_t drawn;
    bool stopped; /* this run: something was not finite */
    bool failed;
    struct stability_error *error;
};

/* ---- reals ---- */

static double get(const struct search *s, const void *data, int64_t i)
{
    return s->kernels->real_size == sizeof(float) ? (double)((const float *)data)[i]
                                                  : ((const double *)data)[i];
}

static void set(const struct search *s, void *data, int64_t i, double value)
{
    if (s->kernels->real_size == sizeof(float))
        ((float *)data)[i] = (float)value;
    else
        ((double *)data)[i] = value;
}

static double draw(struct search *s)
{
    double number;
    random_uniform(s->public->seed, s->drawn++, 1, &number);
    return number;
}

/* ---- a run, watched ---- */

static void keep_inputs(struct search *s, struct witness *witness)
{
    int64_t elements = 0;
    for (int i = 0; i < s->graph->model_input_count; i++)
        elements += s->graph->values[i].count;
    if (elements > s->public->kept)
        return;
    witness->inputs = arena_array(s->public->arena, (size_t)s->graph->model_input_count, sizeof(void *));
    s->failed |= !witness->inputs;
    for (int i = 0; !s->failed && i < s->graph->model_input_count; i++) {
        size_t bytes = (size_t)s->graph->values[i].count * s->kernels->real_size;
        witness->inputs[i] = arena_allocate(s->public->arena, bytes);
        s->failed |= !witness->inputs[i];
        if (!s->failed && bytes > 0)
            memcpy(witness->inputs[i], s->run->values[i].data, bytes);
    }
}

static void witness(struct search *s, struct observed *observed, struct layer_place place,
                    const struct stability_shape *shape, double value, const struct layer_cause *cause)
{
    s->stopped = true;
    if (observed->witness)
        return;
    struct witness *found = arena_allocate(s->public->arena, sizeof(*found));
    s->failed |= !found;
    if (!found)
        return;
    *found = (struct witness){.found_by = s->found_by, .value = value, .place = place, .shape = *shape};
    if (*cause->text) {
        found->how = arena_string(s->public->arena, cause->text);
        s->failed |= !found->how;
    }
    keep_inputs(s, found);
    observed->witness = found;
}

/* Looks at one result of a pass; `node` is -1 for the loss. */
static void look(struct search *s, struct observed *observed, int node, struct layer_place place,
                 const struct tensor *tensor)
{
    double value;
    struct layer_cause cause = {.operand_count = 0};
    if (s->stopped || !tensor->data)
        return;
    place.element = s->kernels->first_non_finite(tensor->data, tensor->count, &value);
    if (place.element < 0) {
        struct stability_statistics statistics;
        s->kernels->statistics(tensor->data, tensor->count, &statistics);
        if (statistics.finite.count > 0) {
            observed->low = fmin(observed->low, statistics.finite.min);
            observed->high = fmax(observed->high, statistics.finite.max);
        }
        return;
    }
    const struct layer_ops *ops = node < 0 ? NULL : s->graph->nodes[node].ops;
    bool explained = false;
    if (ops && ops->explain)
        explained = ops->explain(&s->run->passes[node], &place, &cause);
    else if (!ops && s->graph->loss->explain)
        explained = s->graph->loss->explain(&s->run->loss_pass, &place, &cause);
    if (!explained)
        cause.text[0] = '\0';
    witness(s, observed, place, &tensor->shape, value, &cause);
}

static void after_forward(void *context, int node)
{
    struct search *s = context;
    const struct graph_node *n = &s->graph->nodes[node];
    for (int k = 0; k < n->output_count; k++)
        look(s, &s->public->forward[node], node, (struct layer_place){.tensor = k},
             &s->run->values[n->first_output + k]);
}

static void look_at_loss(struct search *s)
{
    struct layer_place place = {.tensor = 0};
    static const struct stability_shape scalar = {0};
    struct layer_cause cause = {.operand_count = 0};
    if (!s->stopped && !isfinite(s->run->loss)) {
        if (s->graph->loss->explain && !s->graph->loss->explain(&s->run->loss_pass, &place, &cause))
            cause.text[0] = '\0';
        witness(s, &s->public->loss, place, &scalar, s->run->loss, &cause);
    } else if (!s->stopped) {
        s->public->loss.low = fmin(s->public->loss.low, s->run->loss);
        s->public->loss.high = fmax(s->public->loss.high, s->run->loss);
    }
    for (int k = 0; k < s->graph->loss_input_count; k++)
        look(s, &s->public->loss_backward, -1, (struct layer_place){.backward = true, .tensor = k},
             &s->run->loss_pass.input_gradients[k]);
}

static void before_backward(void *context, int node)
{
    struct search *s = context;
    if (node == s->graph->node_count - 1)
        look_at_loss(s);
}

static void after_backward(void *context, int node)
{
    struct search *s = context;
    const struct layer_pass *pass = &s->run->passes[node];
    struct observed *observed = &s->public->backward[node];
    for (int k = 0; k < pass->input_count; k++)
        look(s, observed, node, (struct layer_place){.backward = true, .tensor = k},
             &pass->input_gradients[k]);
    for (int k = 0; k < s->graph->nodes[node].parameter_count; k++)
        look(s, observed, node, (struct layer_place){.backward = true, .parameter = true, .tensor = k},
             &pass->parameter_gradients[k]);
}

/* Runs the engine on the inputs as they are. False where no more runs are allowed, or it was stopped. */
static bool attempt(struct search *s, const char *found_by)
{
    const struct run_observer observer = {.context = s,
                                          .forward = after_forward,
                                          .output_gradients = before_backward,
                                          .backward = after_backward};
    if (s->failed || s->public->runs >= s->public->limit)
        return false;
    s->public->runs++;
    s->found_by = found_by;
    s->stopped = false;
    if (trial_execute(s->public->trial, &observer, s->error))
        return !s->failed;
    s->failed = true;
    return false;
}

/* ---- points ---- */

typedef double point_function(struct search *s, const struct range *range, double sent);

static double sent_point(struct search *s, const struct range *range, double sent)
{
    (void)s;
    return isnan(sent) ? range->low : fmin(fmax(sent, range->low), range->high);
}

static double low_point(struct search *s, const struct range *range, double sent)
{
    (void)s;
    (void)sent;
    return range->low;
}

static double high_point(struct search *s, const struct range *range, double sent)
{
    (void)s;
    (void)sent;
    return range->high;
}

/* 0 where it is within. */
static double zero_point(struct search *s, const struct range *range, double sent)
{
    (void)s;
    (void)sent;
    return fmin(fmax(0, range->low), range->high);
}

static double corner_point(struct search *s, const struct range *range, double sent)
{
    (void)sent;
    return draw(s) < 0.5 ? range->low : range->high;
}

static double random_point(struct search *s, const struct range *range, double sent)
{
    (void)sent;
    return range->low + draw(s) * (range->high - range->low);
}

static void go_to(struct search *s, point_function *point)
{
    for (int i = 0; i < s->graph->model_input_count; i++)
        for (int64_t k = 0; !s->graph->values[i].integer && k < s->graph->values[i].count; k++)
            set(s, s->run->values[i].data, k, point(s, &s->public->declared[i], get(s, s->sent[i], k)));
}

static bool try_points(struct search *s)
{
    static const struct {
        point_function *point;
        const char *name;
        int times;
    } points[] = {
        {sent_point, "the batch as it was sent", 1},
        {low_point, "all inputs at their lowest", 1},
        {high_point, "all inputs at their highest", 1},
        {zero_point, "all inputs at 0", 1},
        {corner_point, "random corners", 3},
        {random_point, "random points", 3},
    };
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
        for (int time = 0; time < points[i].times; time++) {
            go_to(s, points[i].point);
            if (!attempt(s, points[i].name))
                return false;
        }
    return true;
}

/* ---- driving an element ---- */

/* Goes to the corner that the signs of the gradient point to, down or up. */
static void step(struct search *s, double sign)
{
    for (int i = 0; i < s->graph->model_input_count; i++)
        for (int64_t k = 0; !s->graph->values[i].integer && k < s->graph->values[i].count; k++) {
            double slope = sign * get(s, s->sensitivity.gradients[i], k);
            if (slope > 0 || slope < 0)
                set(s, s->run->values[i].data, k,
                    slope > 0 ? s->public->declared[i].high : s->public->declared[i].low);
        }
}

/* Drives one element up or down until it moves no more. */
static bool climb(struct search *s, int value, int64_t element, double sign)
{
    double best = -INFINITY;
    for (int round = 0; round < 4; round++) {
        double now = sign * get(s, s->run->values[value].data, element);
        if (!(now > best))
            return true;
        best = now;
        sensitivity_find(&s->sensitivity, value, element);
        step(s, sign);
        if (!attempt(s, "an ascent along the gradient of an operand"))
            return false;
    }
    return true;
}

/* Copies the inputs to or from memory. */
static void copy_inputs(struct search *s, void **to, bool back)
{
    for (int i = 0; i < s->graph->model_input_count; i++) {
        size_t bytes = (size_t)s->graph->values[i].count * s->kernels->real_size;
        if (bytes > 0)
            memcpy(back ? s->run->values[i].data : to[i], back ? to[i] : s->run->values[i].data, bytes);
    }
}

static void **new_inputs(struct search *s)
{
    void **inputs = arena_array(&s->scratch, (size_t)s->graph->model_input_count, sizeof(void *));
    s->failed |= !inputs;
    for (int i = 0; !s->failed && i < s->graph->model_input_count; i++) {
        inputs[i] = arena_array(&s->scratch, (size_t)s->graph->values[i].count, s->kernels->real_size);
        s->failed |= !inputs[i];
    }
    return inputs;
}

/* Between two inputs at which an element has different signs: halves the way, towards where it is 0. */
static bool bisect(struct search *s, int value, int64_t element, void **below, void **above)
{
    for (int round = 0; round < 24; round++) {
        for (int i = 0; i < s->graph->model_input_count; i++)
            for (int64_t k = 0; !s->graph->values[i].integer && k < s->graph->values[i].count; k++)
                set(s, s->run->values[i].data, k, 0.5 * get(s, below[i], k) + 0.5 * get(s, above[i], k));
        if (!attempt(s, "a bisection towards an operand of 0"))
            return false;
        double now = get(s, s->run->values[value].data, element);
        if (s->stopped || now == 0)
            return true;
        copy_inputs(s, now < 0 ? below : above, false);
    }
    return true;
}

/* The element of a value that may go farthest, or nearest to 0. */
static int64_t telling_element(struct search *s, int value, bool nearest)
{
    const struct interval_tensor *interval = &s->public->ranges->values[value];
    int64_t best = 0;
    double most = -INFINITY;
    for (int64_t i = 0; i < interval->low.count; i++) {
        double low = get(s, interval->low.data, i), high = get(s, interval->high.data, i);
        double reach = nearest ? fmin(-low, high) : fmax(fabs(low), fabs(high));
        if (nearest && low >= 0)
            reach = -low;
        if (reach > most) {
            best = i;
            most = reach;
        }
    }
    return best;
}

/* Drives an operand to both of its ends, and to 0 where that lies between. */
static bool drive(struct search *s, int value, int64_t element, struct observed *observed)
{
    void **ends[2] = {new_inputs(s), new_inputs(s)};
    double reached[2];
    for (int end = 0; end < 2 && !s->failed; end++) {
        go_to(s, end == 0 ? sent_point : random_point);
        if (!attempt(s, end == 0 ? "the batch as it was sent" : "random points") ||
            !climb(s, value, element, end == 0 ? -1 : 1))
            return false;
        if (observed->witness)
            return true;
        copy_inputs(s, ends[end], false);
        reached[end] = get(s, s->run->values[value].data, element);
    }
    if (s->failed || !(reached[0] < 0 && reached[1] > 0))
        return !s->failed;
    return bisect(s, value, element, ends[0], ends[1]);
}

static bool search_operation(struct search *s, const struct range_operation *operation,
                             struct observed *observed)
{
    const int *inputs = operation->node < 0 ? s->graph->loss_inputs : s->graph->nodes[operation->node].inputs;
    int count =
        operation->node < 0 ? s->graph->loss_input_count : s->graph->nodes[operation->node].input_count;
    for (int k = 0; k < count && !observed->witness; k++) {
        if (!s->sensitivity.depends[inputs[k]] || s->graph->values[inputs[k]].count == 0)
            continue;
        for (int nearest = 0; nearest < 2 && !observed->witness; nearest++)
            if (!drive(s, inputs[k], telling_element(s, inputs[k], nearest), observed))
                return false;
    }
    return true;
}

/* ---- all of it ---- */

static bool prepare(struct search *s)
{
    struct witness_search *w = s->public;
    size_t nodes = (size_t)s->graph->node_count;
    s->sent = new_inputs(s);
    w->forward = arena_array(w->arena, nodes, sizeof(*w->forward));
    w->backward = arena_array(w->arena, nodes, sizeof(*w->backward));
    w->loss = w->loss_backward = (struct observed){INFINITY, -INFINITY, NULL};
    if (s->failed || !w->forward || !w->backward || !sensitivity_open(&s->sensitivity, s->run, &s->scratch))
        return false;
    for (size_t i = 0; i < nodes; i++)
        w->forward[i] = w->backward[i] = w->loss;
    return true;
}

/* In the order of the run: the first one that fails hides those behind it. */
static void search_all(struct search *s)
{
    struct witness_search *w = s->public;
    bool going = try_points(s);
    for (int i = 0; i < s->graph->node_count && going; i++)
        if (!w->ranges->forward[i].safe && !w->forward[i].witness)
            going = search_operation(s, &w->ranges->forward[i], &w->forward[i]);
    if (going && !w->ranges->loss.safe && !w->loss.witness)
        going = search_operation(s, &w->ranges->loss, &w->loss);
    if (going && !w->ranges->loss_backward.safe && !w->loss_backward.witness)
        going = search_operation(s, &w->ranges->loss_backward, &w->loss_backward);
    for (int i = s->graph->node_count - 1; i >= 0 && going; i--)
        if (!w->ranges->backward[i].safe && !w->backward[i].witness)
            going = search_operation(s, &w->ranges->backward[i], &w->backward[i]);
}

bool witness_find(struct witness_search *public, struct stability_error *error)
{
    struct search s = {.public = public,
                       .run = &public->trial->run,
                       .graph = &public->trial->graph,
                       .kernels = public->trial->graph.kernels,
                       .error = error};
    s.failed = !prepare(&s);
    if (!s.failed) {
        copy_inputs(&s, s.sent, false);
        search_all(&s);
    }
    arena_free(&s.scratch);
    return !s.failed ||
           stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                          "no memory for the analysis 'ranges'"); /* or the error that is there already */
}

double witness_bytes(const struct graph *graph)
{
    double elements = 0;
    for (int i = 0; i < graph->model_input_count; i++)
        elements += 8 * (double)graph->values[i].count;
    return elements * (double)graph->kernels->real_size + sensitivity_bytes(graph);
}
