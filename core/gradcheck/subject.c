/* The parameters under check: which of their elements, and the derivatives of those. */
#include "core/gradcheck/check.h"
#include "core/random.h"

#include <math.h>
#include <string.h>

static bool is_subject(const struct graph_parameter *parameter)
{
    return parameter->present && !parameter->row->buffer && parameter->shared_node < 0;
}

bool subjects_list(struct check *c)
{
    for (int i = 0; i < c->trial.graph.node_count; i++)
        for (int k = 0; k < c->trial.graph.nodes[i].parameter_count; k++)
            c->subject_count += is_subject(&c->trial.graph.nodes[i].parameters[k]);
    c->subjects = arena_array(&c->scratch, (size_t)c->subject_count, sizeof(*c->subjects));
    if (!c->subjects)
        return check_out_of_memory(c);
    struct subject *next = c->subjects;
    for (int i = 0; i < c->trial.graph.node_count; i++)
        for (int k = 0; k < c->trial.graph.nodes[i].parameter_count; k++)
            if (is_subject(&c->trial.graph.nodes[i].parameters[k]))
                *next++ = (struct subject){
                    .node = i, .parameter = k, .description = &c->trial.graph.nodes[i].parameters[k]};
    return true;
}

static struct subject *find_subject(const struct check *c, int node, int parameter)
{
    const struct graph_parameter *p = &c->trial.graph.nodes[node].parameters[parameter];
    if (p->shared_node >= 0) {
        node = p->shared_node;
        parameter = p->shared_parameter;
    }
    for (int i = 0; i < c->subject_count; i++)
        if (c->subjects[i].node == node && c->subjects[i].parameter == parameter)
            return &c->subjects[i];
    return NULL; /* a buffer */
}

bool subjects_read_gradient(struct check *c, const struct stability_named_tensor *gradient)
{
    char pointer[384] = "/gradients";
    int node, parameter;
    stability_pointer_append(pointer, sizeof(pointer), gradient->name);
    if (!graph_find_parameter(&c->trial.graph, gradient->name, pointer, &node, &parameter, c->error))
        return false;
    struct subject *subject = find_subject(c, node, parameter);
    if (!subject)
        return stability_fail(c->error, STABILITY_ERROR_UNKNOWN_WEIGHT, pointer,
                              "'%s' is a buffer: it has no gradient", gradient->name);
    if (gradient->recipe.name)
        return stability_fail(c->error, STABILITY_ERROR_INVALID_TENSOR, pointer,
                              "a gradient must be given, it cannot be drawn");
    if (!graph_check_parameter_shape(&c->trial.graph.nodes[node],
                                     &c->trial.graph.nodes[node].parameters[parameter],
                                     &gradient->tensor.shape, pointer, c->error))
        return false;
    double *values = arena_array(&c->scratch, (size_t)subject->description->count, sizeof(*values));
    if (!values)
        return check_out_of_memory(c);
    stability_convert(gradient->tensor.dtype, gradient->tensor.data, STABILITY_FLOAT64, values,
                      subject->description->count);
    subject->given = values;
    subject->from_client = true;
    return true;
}

/* ---- conventions ---- */

static bool uses(const struct graph *graph, const struct subject *s, int node, int parameter)
{
    const struct graph_parameter *p = &graph->nodes[node].parameters[parameter];
    if (node == s->node)
        return parameter == s->parameter;
    return p->shared_node == s->node && p->shared_parameter == s->parameter;
}

/* Whether the gradient of an element is the derivative for every user of the parameter: where PyTorch defines
 * it otherwise (Embedding's padding_idx), there is nothing to compare with. */
static bool is_derivative(const struct check *c, const struct subject *s, int64_t element)
{
    for (int i = s->node; s->follows_conventions && i < c->trial.graph.node_count; i++) {
        const struct graph_node *node = &c->trial.graph.nodes[i];
        for (int k = 0; node->ops->is_derivative && k < node->parameter_count; k++)
            if (uses(&c->trial.graph, s, i, k) &&
                !node->ops->is_derivative(&c->trial.run.passes[i],
                                          (int)(node->parameters[k].row - node->ops->type.parameters),
                                          element))
                return false;
    }
    return true;
}

static bool follows_conventions(const struct graph *graph, const struct subject *s)
{
    bool found = false;
    for (int i = s->node; i < graph->node_count; i++)
        for (int k = 0; graph->nodes[i].ops->is_derivative && k < graph->nodes[i].parameter_count; k++)
            found |= uses(graph, s, i, k);
    return found;
}

/* ---- items ---- */

/* Items of a subject: all elements, some of them, or directions. */
static int64_t count_items(const struct check *c, const struct subject *s)
{
    if (!s->reaches_loss || c->options->mode == STABILITY_GRADCHECK_FULL)
        return s->description->count;
    if (c->options->mode == STABILITY_GRADCHECK_SAMPLED && c->options->samples >= s->description->count)
        return s->description->count;
    return c->options->samples;
}

/* Distinct elements in ascending order: each of the remaining ones is taken with the probability that is left
 * (Knuth, Algorithm S). */
static void choose_elements(const struct check *c, struct subject *s)
{
    uint64_t stream = random_stream(c->options->seed, s->description->key);
    int64_t taken = 0;
    for (int64_t i = 0; i < s->description->count && taken < s->items; i++) {
        double uniform;
        random_uniform(stream, (uint64_t)i, 1, &uniform);
        if (uniform * (double)(s->description->count - i) < (double)(s->items - taken))
            s->elements[taken++] = i;
    }
    for (int64_t i = 0; i < s->items; i++) {
        s->item_given[i] = s->given[s->elements[i]];
        s->item_engine[i] = s->engine[s->elements[i]];
    }
}

bool subject_prepare(struct check *c, struct subject *s)
{
    int slot = graph_slot(&c->trial.graph, s->node, s->parameter);
    int64_t count = s->description->count;
    s->engine = c->trial.run.parameter_gradients[slot].data;
    s->reaches_loss = s->engine != NULL;
    s->follows_conventions = follows_conventions(&c->trial.graph, s);
    s->items = count_items(c, s);
    size_t items = (size_t)s->items;
    bool whole =
        s->items == count && (c->options->mode != STABILITY_GRADCHECK_DIRECTIONAL || !s->reaches_loss);
    if (!s->engine)
        s->engine = arena_array(&c->scratch, (size_t)count, sizeof(double));
    s->numerical = arena_array(&c->scratch, items, sizeof(double));
    s->uncertainty = arena_array(&c->scratch, items, sizeof(double));
    s->status = arena_array(&c->scratch, items, 1);
    if (!s->engine || !s->numerical || !s->uncertainty || !s->status)
        return check_out_of_memory(c);
    if (!s->given)
        s->given = s->engine;
    if (whole) {
        s->item_given = (double *)(uintptr_t)s->given; /* read only from here on */
        s->item_engine = (double *)(uintptr_t)s->engine;
        return true;
    }
    s->item_given = arena_array(&c->scratch, items, sizeof(double));
    s->item_engine = arena_array(&c->scratch, items, sizeof(double));
    if (!s->item_given || !s->item_engine)
        return check_out_of_memory(c);
    if (c->options->mode == STABILITY_GRADCHECK_DIRECTIONAL)
        return true;
    s->elements = arena_array(&c->scratch, items, sizeof(int64_t));
    if (!s->elements)
        return check_out_of_memory(c);
    choose_elements(c, s);
    return true;
}

/* ---- derivatives ---- */

static void skip_conventions(const struct check *c, struct subject *s)
{
    for (int64_t i = 0; s->follows_conventions && i < s->items; i++)
        if (!is_derivative(c, s, s->elements ? s->elements[i] : i))
            s->status[i] = AT_KINK;
}

/* Elements that the step is chosen by: where the gradient is greatest, and two anywhere. */
static int choose_probes(const struct check *c, const struct subject *s, int64_t probes[3])
{
    int64_t count = s->description->count;
    uint64_t bits[2];
    probes[0] = 0;
    for (int64_t i = 1; i < count; i++)
        if (fabs(s->engine[i]) > fabs(s->engine[probes[0]]))
            probes[0] = i;
    random_bits(random_stream(c->options->seed + 1, s->description->key), 0, 2, bits);
    probes[1] = (int64_t)random_below(bits[0], (uint64_t)count);
    probes[2] = (int64_t)random_below(bits[1], (uint64_t)count);
    return count > 1 ? 3 : 1;
}

static bool take_directions(struct check *c, struct subject *s)
{
    int64_t count = s->description->count, batch = c->workers.count;
    double *directions = arena_array(&c->scratch, (size_t)(count * batch), sizeof(*directions));
    uint64_t stream = random_stream(c->options->seed + 2, s->description->key);
    if (!directions)
        return check_out_of_memory(c);
    for (int64_t first = 0; first < s->items; first += batch) {
        int64_t number = s->items - first < batch ? s->items - first : batch;
        for (int64_t k = 0; k < number; k++) {
            double given = 0, engine = 0;
            for (int64_t i = 0; i < count; i++) {
                uint64_t bits;
                random_bits(stream, (uint64_t)((first + k) * count + i), 1, &bits);
                double sign = !is_derivative(c, s, i) ? 0 : bits & 1 ? 1 : -1;
                directions[k * count + i] = sign;
                given += sign * s->given[i];
                engine += sign * s->engine[i];
            }
            s->item_given[first + k] = given;
            s->item_engine[first + k] = engine;
        }
        struct derivative_job job = {
            .scheme = &s->scheme,
            .count = number,
            .directions = directions,
            .given = s->item_given + first,
            .engine = s->item_engine + first,
            .numerical = s->numerical + first,
            .uncertainty = s->uncertainty + first,
            .status = s->status + first,
        };
        if (!workers_run(&c->workers, s->node, s->parameter, &job, c->error))
            return false;
    }
    return true;
}

bool subject_differentiate(struct check *c, struct subject *s)
{
    if (!s->reaches_loss || s->items == 0) {
        memset(s->status, TAKEN, (size_t)s->items); /* the loss does not depend on it: its derivative is 0 */
        return true;
    }
    int64_t probes[3];
    evaluator_select(&c->workers.evaluators[0], s->node, s->parameter);
    int probe_count = choose_probes(c, s, probes);
    s->scheme = difference_choose(&c->workers.evaluators[0], c->options->epsilon, probes, probe_count);
    if (c->options->mode == STABILITY_GRADCHECK_DIRECTIONAL) {
        s->scheme.step /= sqrt((double)s->description->count);
        return take_directions(c, s);
    }
    struct derivative_job job = {
        .scheme = &s->scheme,
        .count = s->items,
        .elements = s->elements,
        .given = s->item_given,
        .engine = s->item_engine,
        .numerical = s->numerical,
        .uncertainty = s->uncertainty,
        .status = s->status,
    };
    if (!workers_run(&c->workers, s->node, s->parameter, &job, c->error))
        return false;
    skip_conventions(c, s);
    return true;
}
