/* The gradient check: which parameters, which of their elements, and the report. */
#include "core/gradcheck/pattern.h"
#include "core/gradcheck/workers.h"
#include "core/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct stability_gradcheck_options stability_default_gradcheck_options = {.samples = 64, .threads = 1};

static const struct {
    const char *name;
    double below; /* relative error */
} levels[] = {
    [STABILITY_GRADCHECK_CORRECT] = {"correct", 1e-7},
    [STABILITY_GRADCHECK_ACCEPTABLE] = {"acceptable", 1e-4},
    [STABILITY_GRADCHECK_SUSPICIOUS] = {"suspicious", 1e-2},
    [STABILITY_GRADCHECK_WRONG] = {"wrong", INFINITY},
};

const char *stability_gradcheck_level_name(enum stability_gradcheck_level level)
{
    return levels[level].name;
}

static enum stability_gradcheck_level level_of(double relative_error)
{
    enum stability_gradcheck_level level = STABILITY_GRADCHECK_CORRECT;
    while (level < STABILITY_GRADCHECK_WRONG && !(relative_error < levels[level].below))
        level++;
    return level;
}

/* The report and all that it points to are in one arena, which is in the report. */
struct owned_report {
    struct stability_gradcheck_report report;
    struct arena arena;
};

void stability_gradcheck_report_free(struct stability_gradcheck_report *report)
{
    if (!report)
        return;
    struct arena arena = ((struct owned_report *)report)->arena;
    arena_free(&arena);
}

/* One parameter under check. */
struct subject {
    int node;
    int parameter;
    const struct graph_parameter *description;
    const double *engine; /* zeros where the loss does not depend on it */
    const double *given;  /* the client's, or the engine's */
    bool from_client;
    bool reaches_loss;
    /* by item: an element, or a direction */
    int64_t items;
    int64_t *elements;
    double *numerical;
    double *uncertainty;
    unsigned char *status;
    double *item_given; /* by item; in full mode the gradients themselves */
    double *item_engine;
    struct difference_scheme scheme;
    struct stability_gradcheck_parameter *result;
};

struct check {
    struct stability_request request; /* in float64 */
    const struct stability_gradcheck_options *options;
    struct graph graph;
    struct run_plan plan;
    struct run run;
    struct workers workers;
    struct arena arena;   /* of the report */
    struct arena scratch; /* freed with the check */
    int subject_count;
    struct subject *subjects;
    struct stability_error *error;
};

static bool out_of_memory(const struct check *c)
{
    return stability_fail(c->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for a gradient check");
}

/* ---- subjects ---- */

static bool is_subject(const struct graph_parameter *parameter)
{
    return parameter->present && !parameter->row->buffer && parameter->shared_node < 0;
}

static bool list_subjects(struct check *c)
{
    for (int i = 0; i < c->graph.node_count; i++)
        for (int k = 0; k < c->graph.nodes[i].parameter_count; k++)
            c->subject_count += is_subject(&c->graph.nodes[i].parameters[k]);
    c->subjects = arena_array(&c->scratch, (size_t)c->subject_count, sizeof(*c->subjects));
    if (!c->subjects)
        return out_of_memory(c);
    struct subject *next = c->subjects;
    for (int i = 0; i < c->graph.node_count; i++)
        for (int k = 0; k < c->graph.nodes[i].parameter_count; k++)
            if (is_subject(&c->graph.nodes[i].parameters[k]))
                *next++ = (struct subject){
                    .node = i, .parameter = k, .description = &c->graph.nodes[i].parameters[k]};
    return true;
}

static struct subject *find_subject(const struct check *c, int node, int parameter)
{
    const struct graph_parameter *p = &c->graph.nodes[node].parameters[parameter];
    if (p->shared_node >= 0) {
        node = p->shared_node;
        parameter = p->shared_parameter;
    }
    for (int i = 0; i < c->subject_count; i++)
        if (c->subjects[i].node == node && c->subjects[i].parameter == parameter)
            return &c->subjects[i];
    return NULL; /* a buffer */
}

static bool read_gradient(struct check *c, const struct stability_named_tensor *gradient)
{
    char pointer[384] = "/gradients";
    int node, parameter;
    stability_pointer_append(pointer, sizeof(pointer), gradient->name);
    if (!graph_find_parameter(&c->graph, gradient->name, pointer, &node, &parameter, c->error))
        return false;
    struct subject *subject = find_subject(c, node, parameter);
    if (!subject)
        return stability_fail(c->error, STABILITY_ERROR_UNKNOWN_WEIGHT, pointer,
                              "'%s' is a buffer: it has no gradient", gradient->name);
    if (gradient->recipe.name)
        return stability_fail(c->error, STABILITY_ERROR_INVALID_TENSOR, pointer,
                              "a gradient must be given, it cannot be drawn");
    if (!graph_check_parameter_shape(&c->graph.nodes[node], &c->graph.nodes[node].parameters[parameter],
                                     &gradient->tensor.shape, pointer, c->error))
        return false;
    double *values = arena_array(&c->scratch, (size_t)subject->description->count, sizeof(*values));
    if (!values)
        return out_of_memory(c);
    stability_convert(gradient->tensor.dtype, gradient->tensor.data, STABILITY_FLOAT64, values,
                      subject->description->count);
    subject->given = values;
    subject->from_client = true;
    return true;
}

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

static bool prepare_subject(struct check *c, struct subject *s)
{
    int slot = graph_slot(&c->graph, s->node, s->parameter);
    int64_t count = s->description->count;
    s->engine = c->run.parameter_gradients[slot].data;
    s->reaches_loss = s->engine != NULL;
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
        return out_of_memory(c);
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
        return out_of_memory(c);
    if (c->options->mode == STABILITY_GRADCHECK_DIRECTIONAL)
        return true;
    s->elements = arena_array(&c->scratch, items, sizeof(int64_t));
    if (!s->elements)
        return out_of_memory(c);
    choose_elements(c, s);
    return true;
}

/* ---- derivatives ---- */

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
        return out_of_memory(c);
    for (int64_t first = 0; first < s->items; first += batch) {
        int64_t number = s->items - first < batch ? s->items - first : batch;
        for (int64_t k = 0; k < number; k++) {
            double given = 0, engine = 0;
            for (int64_t i = 0; i < count; i++) {
                uint64_t bits;
                random_bits(stream, (uint64_t)((first + k) * count + i), 1, &bits);
                double sign = bits & 1 ? 1 : -1;
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

static bool take_derivatives(struct check *c, struct subject *s)
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
    return workers_run(&c->workers, s->node, s->parameter, &job, c->error);
}

/* ---- comparison ---- */

/* Errors of `given` against the numerical gradient over all items. */
struct comparison {
    double relative; /* of L2 norms */
    double judged;   /* the same without elements that differ by no more than their uncertainty: decides the
                        level */
    double greatest; /* relative error of an element */
    int64_t worst;   /* its item, or -1 */
    int64_t excused; /* items that differ, by no more than their uncertainty */
    int64_t skipped;
    int64_t non_finite;
};

static double relative_error(double difference, double a, double b, double uncertainty)
{
    a = fabs(a);
    b = fabs(b);
    if (a <= uncertainty && b <= uncertainty)
        return 0;
    return isfinite(difference) ? difference / (a + b) : 1;
}

static struct comparison compare(const struct subject *s, const double *given)
{
    struct comparison result = {.worst = -1};
    double numerical = 0, other = 0, difference = 0, judged = 0, uncertainty = 0; /* sums of squares */
    for (int64_t i = 0; i < s->items; i++) {
        result.skipped += s->status[i] == AT_KINK;
        if (s->status[i] != TAKEN)
            continue;
        double apart = fabs(s->numerical[i] - given[i]);
        bool excused = apart <= s->uncertainty[i];
        double error = relative_error(apart, s->numerical[i], given[i], s->uncertainty[i]);
        result.non_finite += !isfinite(given[i]);
        result.excused += excused && apart > 0;
        numerical += s->numerical[i] * s->numerical[i];
        other += given[i] * given[i];
        uncertainty += s->uncertainty[i] * s->uncertainty[i];
        difference += apart * apart;
        judged += excused ? 0 : apart * apart;
        if (error > result.greatest || (result.worst < 0 && error >= result.greatest)) {
            result.greatest = error;
            result.worst = i;
        }
    }
    result.relative = relative_error(sqrt(difference), sqrt(numerical), sqrt(other), sqrt(uncertainty));
    result.judged = relative_error(sqrt(judged), sqrt(numerical), sqrt(other), sqrt(uncertainty));
    return result;
}

static void set_worst(const struct check *c, const struct subject *s, const struct comparison *comparison)
{
    struct stability_gradcheck_parameter *result = s->result;
    if (comparison->worst < 0 || (c->options->mode == STABILITY_GRADCHECK_DIRECTIONAL && s->reaches_loss))
        return;
    int64_t flat = s->elements ? s->elements[comparison->worst] : comparison->worst;
    result->has_worst = true;
    for (int d = result->shape.rank - 1; d >= 0; d--) {
        result->worst_index[d] = flat % result->shape.sizes[d];
        flat /= result->shape.sizes[d];
    }
    result->worst_given = s->item_given[comparison->worst];
    result->worst_numerical = s->numerical[comparison->worst];
    result->worst_uncertainty = s->uncertainty[comparison->worst];
}

/* The chance that every one of the directions would have shown less than what can be told from 0, for an
 * error of the size that was found or, where none was, of the size that would be suspicious. By Paley and
 * Zygmund's inequality a sum with random signs exceeds a fraction t of its norm with probability (1 - t^2)^2
 * / 3 or more. */
static double miss_probability(const struct subject *s, const struct comparison *comparison)
{
    double numerical = 0, uncertainty = 0;
    for (int64_t i = 0; i < s->items; i++) {
        numerical += s->numerical[i] * s->numerical[i];
        uncertainty += s->uncertainty[i] * s->uncertainty[i];
    }
    double size =
        fmax(comparison->judged, levels[STABILITY_GRADCHECK_ACCEPTABLE].below) * 2 * sqrt(numerical);
    double t = size > 0 ? sqrt(uncertainty) / size : 1;
    double shown = t < 1 ? (1 - t * t) * (1 - t * t) / 3 : 0;
    return pow(1 - shown, (double)s->items);
}

static void conclude(struct check *c, struct subject *s, struct stability_gradcheck_report *report)
{
    struct comparison comparison = compare(s, s->item_given), engine = compare(s, s->item_engine);
    struct stability_gradcheck_parameter *result = s->result;
    bool directional = c->options->mode == STABILITY_GRADCHECK_DIRECTIONAL && s->reaches_loss;
    result->from_client = s->from_client;
    result->checked = s->items - comparison.skipped;
    result->skipped_at_kink = comparison.skipped;
    result->within_uncertainty = comparison.excused;
    result->mostly_skipped = comparison.skipped * 10 > s->items;
    result->non_finite = comparison.non_finite;
    result->step = s->scheme.step;
    result->relative_error = comparison.relative;
    result->max_relative_error = comparison.greatest;
    result->level = comparison.non_finite ? STABILITY_GRADCHECK_WRONG : level_of(comparison.judged);
    result->miss_probability = directional ? miss_probability(s, &comparison) : NAN;
    set_worst(c, s, &comparison);
    if (result->level > report->level)
        report->level = result->level;
    if (level_of(engine.judged) > report->engine_level)
        report->engine_level = level_of(engine.judged);
    if (engine.relative > report->engine_max_relative_error)
        report->engine_max_relative_error = engine.relative;
}

/* ---- the report ---- */

static bool recognise_patterns(struct check *c)
{
    struct gradient_pair *pairs = arena_array(&c->scratch, (size_t)c->subject_count, sizeof(*pairs));
    if (!pairs)
        return out_of_memory(c);
    for (int i = 0; i < c->subject_count; i++) {
        const struct subject *s = &c->subjects[i];
        pairs[i] = (struct gradient_pair){
            .name = s->description->key,
            .shape = s->description->shape,
            .count = s->description->count,
            .given = s->given,
            .numerical = s->numerical,
            .uncertainty = s->uncertainty,
        };
    }
    for (int i = 0; i < c->subject_count; i++)
        if (c->subjects[i].result->level >= STABILITY_GRADCHECK_SUSPICIOUS &&
            !pattern_recognise(pairs, (size_t)c->subject_count, (size_t)i, &c->arena, c->subjects[i].result))
            return out_of_memory(c);
    return true;
}

/* Layers with a wrong gradient, the one whose backward pass runs first in front: what lies behind it in the
 * backward pass may only have been given what it got wrong. */
static bool rank_suspects(struct check *c, struct stability_gradcheck_report *report)
{
    const char **suspects = arena_array(&c->arena, (size_t)c->subject_count, sizeof(*suspects));
    if (!suspects)
        return out_of_memory(c);
    for (int i = c->subject_count - 1; i >= 0; i--) {
        const struct stability_gradcheck_parameter *result = c->subjects[i].result;
        if (result->level >= STABILITY_GRADCHECK_SUSPICIOUS &&
            (report->suspect_count == 0 || suspects[report->suspect_count - 1] != result->layer))
            suspects[report->suspect_count++] = result->layer;
    }
    report->suspect_layers = suspects;
    return true;
}

static bool frame_report(struct check *c, struct stability_gradcheck_report *report)
{
    struct stability_gradcheck_parameter *results =
        arena_array(&c->arena, (size_t)c->subject_count, sizeof(*results));
    const char *layer = NULL;
    int node = -1;
    if (!results)
        return out_of_memory(c);
    for (int i = 0; i < c->subject_count; i++) {
        struct subject *s = &c->subjects[i];
        if (s->node != node)
            layer = arena_string(&c->arena, c->graph.nodes[s->node].name);
        node = s->node;
        results[i] = (struct stability_gradcheck_parameter){
            .name = arena_string(&c->arena, s->description->key),
            .layer = layer,
            .shape = s->description->shape,
            .count = s->description->count,
            .pattern_factor = NAN,
            .miss_probability = NAN,
        };
        s->result = &results[i];
        if (!layer || !results[i].name)
            return out_of_memory(c);
    }
    const char *model = c->request.model.name;
    report->model = model ? arena_string(&c->arena, model) : NULL;
    report->parameters = results;
    report->parameter_count = (size_t)c->subject_count;
    report->mode = c->options->mode;
    report->loss = c->run.loss;
    return !model || report->model || out_of_memory(c);
}

static bool fill_report(struct check *c, struct stability_gradcheck_report *report)
{
    for (int i = 0; i < c->subject_count; i++)
        conclude(c, &c->subjects[i], report);
    report->failed = report->level >= STABILITY_GRADCHECK_SUSPICIOUS;
    if (c->options->mode == STABILITY_GRADCHECK_FULL && !recognise_patterns(c))
        return false;
    return rank_suspects(c, report);
}

/* ---- the check ---- */

/* Runs forward and backward twice: what is not deterministic cannot be differentiated. */
static bool run_twice(struct check *c, bool *deterministic)
{
    struct run_observer silent = {0};
    struct run again;
    if (!run_open(&c->run, &c->plan, c->error) || !run_execute(&c->run, &silent, c->error))
        return false;
    bool done = run_open(&again, &c->plan, c->error) && run_execute(&again, &silent, c->error);
    *deterministic = done && memcmp(&again.loss, &c->run.loss, sizeof(double)) == 0;
    for (int i = 0; done && i < c->subject_count; i++) {
        int slot = graph_slot(&c->graph, c->subjects[i].node, c->subjects[i].parameter);
        const struct tensor *first = &c->run.parameter_gradients[slot],
                            *second = &again.parameter_gradients[slot];
        if (first->data && memcmp(first->data, second->data, (size_t)first->count * sizeof(double)) != 0)
            *deterministic = false;
    }
    run_close(&again);
    if (done && !isfinite(c->run.loss))
        return stability_fail(
            c->error, STABILITY_ERROR_INVALID_VALUE, "/data",
            "the loss of this batch is %s, so it has no gradient to check: a diagnosis says where that "
            "arises",
            isnan(c->run.loss) ? "NaN" : "infinite");
    return done;
}

/* Everything that is in memory at once, before any of it is taken. */
static bool check_memory(const struct check *c, int threads)
{
    int64_t limit = c->request.options.limits.bytes;
    double bytes = 2 * (double)c->plan.memory.total + threads * (double)evaluator_bytes(&c->plan);
    for (int i = 0; i < c->subject_count; i++) {
        double count = (double)c->subjects[i].description->count;
        bytes += count * (c->options->mode == STABILITY_GRADCHECK_FULL ? 4.0 * 8 : (2.0 + threads) * 8);
    }
    if (limit <= 0 || bytes <= (double)limit)
        return true;
    return stability_fail(c->error, STABILITY_ERROR_MODEL_TOO_LARGE, "/model",
                          "the gradient check needs %.0f bytes of memory, the limit is %lld", bytes,
                          (long long)limit);
}

static bool check_gradients(struct check *c, const struct stability_tensors *gradients,
                            struct stability_gradcheck_report *report)
{
    int threads = c->options->threads < 1              ? 1
                  : c->options->threads > MOST_WORKERS ? MOST_WORKERS
                                                       : c->options->threads;
    if (!graph_build(&c->graph, &c->request, c->error) ||
        !run_plan_make(&c->plan, &c->graph, RUN_KEEP | RUN_NO_DROPS, &c->graph.arena, c->error) ||
        !list_subjects(c) || !check_memory(c, threads))
        return false;
    for (size_t i = 0; i < gradients->count; i++)
        if (!read_gradient(c, &gradients->items[i]))
            return false;
    if (!run_twice(c, &report->deterministic) || !frame_report(c, report) ||
        !workers_open(&c->workers, &c->run, threads, c->error))
        return false;
    for (int i = 0; i < c->subject_count; i++) {
        if (!prepare_subject(c, &c->subjects[i]))
            return false;
        c->workers.total += c->subjects[i].items;
    }
    for (int i = 0; i < c->subject_count; i++)
        if (!take_derivatives(c, &c->subjects[i]))
            return false;
    return fill_report(c, report);
}

struct stability_gradcheck_report *stability_gradcheck(const struct stability_request *request,
                                                       const struct stability_tensors *gradients,
                                                       const struct stability_gradcheck_options *options,
                                                       struct stability_error *error)
{
    struct check *c = calloc(1, sizeof(*c));
    if (!c) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for a gradient check");
        return NULL;
    }
    c->request = *request;
    c->request.options.precision = STABILITY_PRECISION_FLOAT64;
    c->options = options;
    c->error = error;
    c->workers.options = &c->request.options;
    struct owned_report *owned = arena_allocate(&c->arena, sizeof(*owned));
    bool done = owned ? check_gradients(c, gradients, &owned->report) : out_of_memory(c);
    workers_close(&c->workers);
    run_close(&c->run);
    graph_free(&c->graph);
    arena_free(&c->scratch);
    if (done)
        owned->arena = c->arena;
    else
        arena_free(&c->arena);
    free(c);
    return done ? &owned->report : NULL;
}
