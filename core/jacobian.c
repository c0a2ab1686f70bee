#include "core/jacobian.h"

#include "core/eigen.h"
#include "core/random.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Matrices that are held at a time. */
static const double matrix_budget = 0x1p27;

struct measurement {
    struct jacobian *jacobian;
    struct jacobian_context *context;
    struct segment segment;
    struct arena scratch;
    double *seed;      /* (to) */
    double *product;   /* (to) */
    double *direction; /* (from) */
};

static bool proceed(const struct jacobian_context *context)
{
    const struct stability_options *options = context->options;
    if (!options->progress ||
        options->progress(options->progress_context, "jacobian", context->done, context->total))
        return true;
    return stability_fail(context->error, STABILITY_ERROR_CANCELLED, NULL,
                          "the work was stopped after %lld of %lld Jacobians", (long long)context->done,
                          (long long)context->total);
}

/* ---- samples ---- */

static struct sample_layout layout_of(const struct graph_value *value, int axis)
{
    struct sample_layout layout = {1, 1, 1};
    for (int d = 0; d < value->shape.rank; d++)
        *(d < axis ? &layout.outer : d == axis ? &layout.samples : &layout.inner) *= value->shape.sizes[d];
    return layout;
}

/* The index in the value of element `index` of a sample. */
static int64_t element_of(const struct sample_layout *layout, int64_t sample, int64_t index)
{
    return (index / layout->inner * layout->samples + sample) * layout->inner + index % layout->inner;
}

static int64_t size_of(const struct sample_layout *layout)
{
    return layout->outer * layout->inner;
}

static void scatter(const struct sample_layout *layout, int64_t sample, const double *part, double *whole)
{
    for (int64_t i = 0; i < size_of(layout); i++)
        whole[element_of(layout, sample, i)] = part[i];
}

static void gather(const struct sample_layout *layout, int64_t sample, const double *whole, double *part)
{
    for (int64_t i = 0; i < size_of(layout); i++)
        part[i] = whole[element_of(layout, sample, i)];
}

/* Whether a gradient is 0 but at the elements of one sample. */
static bool is_confined(const struct sample_layout *layout, int64_t sample, const double *gradient)
{
    int64_t count = layout->outer * layout->samples * layout->inner;
    for (int64_t i = 0; i < count; i++)
        if (gradient[i] != 0 && i / layout->inner % layout->samples != sample)
            return false;
    return true;
}

/* A random combination of the outputs of each sample that will be looked at must not depend on the input of
 * another one. */
static bool are_independent(struct measurement *m, const struct sample_layout *input,
                            const struct sample_layout *output)
{
    int64_t samples = m->context->settings->samples;
    size_t bytes = (size_t)(size_of(output) * output->samples) * sizeof(double);
    uint64_t stream = random_stream((uint64_t)m->context->settings->seed, "independence");
    for (int64_t sample = 0; sample < output->samples && sample < samples; sample++) {
        memset(m->seed, 0, bytes);
        random_normal(stream, 0, (size_t)size_of(output), m->product);
        scatter(output, sample, m->product, m->seed);
        if (!is_confined(input, sample, segment_pull(&m->segment, m->seed)))
            return false;
    }
    return true;
}

static bool try_axes(struct measurement *m, int input_axis, int output_axis)
{
    const struct graph *graph = m->context->run->graph;
    const struct graph_value *from = &graph->values[m->segment.from], *to = &graph->values[m->segment.to];
    if (input_axis >= from->shape.rank || output_axis >= to->shape.rank || input_axis == from->feature_dim)
        return false;
    struct sample_layout input = layout_of(from, input_axis), output = layout_of(to, output_axis);
    if (input.samples != output.samples || !are_independent(m, &input, &output))
        return false;
    m->jacobian->input = input;
    m->jacobian->output = output;
    m->jacobian->input_axis = input_axis;
    m->jacobian->output_axis = output_axis;
    return true;
}

/* Samples lie along the first dimension; along the second in sequences, unless batch_first; elsewhere once
 * dimensions are permuted. Features are no samples, even where they do not depend on each other. */
static void find_samples(struct measurement *m, int axis)
{
    const struct graph *graph = m->context->run->graph;
    const struct graph_value *from = &graph->values[m->segment.from], *to = &graph->values[m->segment.to];
    if (try_axes(m, axis, axis))
        return;
    for (int k = 0; k < to->shape.rank; k++)
        if (try_axes(m, axis, k))
            return;
    for (int i = 0; i < from->shape.rank; i++)
        for (int k = 0; k < to->shape.rank; k++)
            if (try_axes(m, i, k))
                return;
    m->jacobian->input = (struct sample_layout){1, 1, from->count};
    m->jacobian->output = (struct sample_layout){1, 1, to->count};
    m->jacobian->input_axis = m->jacobian->output_axis = -1;
}

/* ---- the whole matrix ---- */

static double effective_rank(const double *values, int64_t count)
{
    double sum = 0, entropy = 0;
    for (int64_t i = 0; i < count; i++)
        sum += values[i];
    for (int64_t i = 0; i < count; i++)
        if (values[i] > 0)
            entropy -= values[i] / sum * log(values[i] / sum);
    return sum > 0 ? exp(entropy) : 0;
}

static void describe(const struct jacobian *j, const double *values, struct spectrum *spectrum)
{
    int64_t least = j->rows < j->columns ? j->rows : j->columns;
    int64_t most = j->rows < j->columns ? j->columns : j->rows;
    spectrum->largest = values[0];
    spectrum->effective_rank = effective_rank(values, least);
    spectrum->rank = 0;
    spectrum->squares = 0;
    for (int64_t i = 0; i < least; i++) {
        spectrum->squares += values[i] * values[i];
        spectrum->rank += values[i] > values[0] * (double)most * DBL_EPSILON;
    }
    spectrum->smallest = spectrum->least_seen = spectrum->rank < least ? 0 : values[least - 1];
    spectrum->converged = true;
}

static bool all_finite(const double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

/* Samples whose matrices fit into the budget together. */
static int64_t group_size(const struct jacobian *j)
{
    double one = sizeof(double) * (double)j->rows * (double)j->columns;
    double group = matrix_budget / one;
    return group >= (double)j->count ? j->count : group < 1 ? 1 : (int64_t)group;
}

/* Row by row, each for all samples of the group at once. */
static bool fill_matrices(struct measurement *m, int64_t first, int64_t group, double *matrices)
{
    const struct jacobian *j = m->jacobian;
    memset(m->seed, 0, (size_t)(j->rows * j->output.samples) * sizeof(double));
    for (int64_t row = 0; row < j->rows; row++) {
        if (!proceed(m->context))
            return false;
        for (int64_t s = 0; s < group; s++)
            m->seed[element_of(&j->output, first + s, row)] = 1;
        const double *gradient = segment_pull(&m->segment, m->seed);
        for (int64_t s = 0; s < group; s++) {
            m->seed[element_of(&j->output, first + s, row)] = 0;
            gather(&j->input, first + s, gradient, matrices + (s * j->rows + row) * j->columns);
        }
    }
    return true;
}

static bool measure_exactly(struct measurement *m)
{
    const struct jacobian *j = m->jacobian;
    int64_t group = group_size(j), size = j->rows * j->columns;
    int64_t least = j->rows < j->columns ? j->rows : j->columns;
    double *matrices = arena_array(&m->scratch, (size_t)(group * size), sizeof(double));
    double *values = arena_array(&m->scratch, (size_t)least, sizeof(double));
    double *work = arena_array(&m->scratch, (size_t)singular_workspace(j->rows, j->columns), sizeof(double));
    if (!matrices || !values || !work)
        return stability_fail(m->context->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                              "no memory for a Jacobian");
    for (int64_t first = 0; first < j->count; first += group) {
        int64_t taken = j->count - first < group ? j->count - first : group;
        if (!fill_matrices(m, first, taken, matrices))
            return false;
        for (int64_t s = 0; s < taken; s++) {
            double *matrix = matrices + s * size;
            if (!proceed(m->context))
                return false;
            if (all_finite(matrix, size) && singular_values(j->rows, j->columns, matrix, values, work))
                describe(j, values, &j->spectra[first + s]);
        }
    }
    return true;
}

/* ---- Lanczos' method on the smaller of J J^T and J^T J, for all samples at once ---- */

static double dot(const double *a, const double *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* u^T (J J^T u) is |J^T u|^2, and v^T (J^T J v) is |J v|^2: as far as both products are exact. Relative to
 * the greatest that was seen: the least are as exact as the greatest, absolutely. */
static void compare(struct jacobian *j, const struct lanczos *l, const double *product, double squares)
{
    double greatest = squares;
    for (int64_t i = 0; i < l->count; i++)
        greatest = fmax(greatest, l->diagonal[i]);
    double error = fabs(dot(lanczos_vector(l), product, l->size) - squares);
    if (greatest > 0 && error > j->push_error * greatest)
        j->push_error = error / greatest;
}

/* One product for each sample that has not come to its end. `between` and `result` have room for a sample's
 * part of both sides. */
static bool multiply(struct measurement *m, struct lanczos *lanczos, double *between, double *result)
{
    struct jacobian *j = m->jacobian;
    bool by_rows = j->rows <= j->columns;
    const struct sample_layout *side = by_rows ? &j->output : &j->input,
                               *other = by_rows ? &j->input : &j->output;
    double *start = by_rows ? m->seed : m->direction;
    memset(start, 0, (size_t)(size_of(side) * side->samples) * sizeof(double));
    for (int64_t s = 0; s < j->count; s++)
        if (!lanczos[s].exhausted)
            scatter(side, s, lanczos_vector(&lanczos[s]), start);
    const double *middle, *end;
    if (by_rows) {
        middle = segment_pull(&m->segment, m->seed);
        segment_push(&m->segment, middle, m->product);
        end = m->product;
    } else {
        segment_push(&m->segment, m->direction, m->product);
        middle = m->product;
        end = segment_pull(&m->segment, m->product);
    }
    for (int64_t s = 0; s < j->count; s++) {
        if (lanczos[s].exhausted)
            continue;
        gather(other, s, middle, between);
        gather(side, s, end, result);
        if (!all_finite(result, size_of(side)) || !all_finite(between, size_of(other)))
            return false;
        compare(j, &lanczos[s], result, dot(between, between, size_of(other)));
        lanczos_advance(&lanczos[s], result);
    }
    return true;
}

/* What is known of one sample by now; false while it has not converged. */
static bool conclude(double push_error, double tolerance, struct lanczos *l, struct spectrum *spectrum)
{
    if (!lanczos_solve(l))
        return true;
    double greatest = l->values[l->count - 1], least = fmax(l->values[0], 0);
    /* Products are exact to push_error of the greatest eigenvalue: what is far smaller drowns in that. */
    bool least_known =
        (l->exhausted || l->bounds[0] <= tolerance * least) && push_error * greatest <= tolerance * least;
    spectrum->largest = sqrt(fmax(greatest, 0));
    spectrum->smallest = least_known ? sqrt(least) : NAN;
    spectrum->least_seen = sqrt(fmax(least, push_error * greatest));
    spectrum->converged = l->exhausted || l->bounds[l->count - 1] <= tolerance * greatest;
    spectrum->iterations = l->count;
    return spectrum->converged && least_known;
}

/* Solving costs little beside a product, but not nothing. */
static bool is_due(int64_t iteration)
{
    return iteration % 8 == 0;
}

static bool measure_by_lanczos(struct measurement *m)
{
    struct jacobian *j = m->jacobian;
    const struct jacobian_settings *settings = m->context->settings;
    int64_t size = j->rows < j->columns ? j->rows : j->columns;
    int64_t limit = settings->iterations < size ? settings->iterations : size;
    struct lanczos *lanczos = arena_array(&m->scratch, (size_t)j->count, sizeof(*lanczos));
    double *between = arena_array(&m->scratch, (size_t)(j->rows + j->columns), sizeof(double));
    double *result = arena_array(&m->scratch, (size_t)(j->rows + j->columns), sizeof(double));
    bool room = lanczos && between && result;
    for (int64_t s = 0; room && s < j->count; s++)
        room = lanczos_open(&lanczos[s], size, limit,
                            random_stream((uint64_t)(settings->seed + s), "jacobian"), &m->scratch);
    if (!room)
        return stability_fail(m->context->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                              "no memory for a Jacobian");
    bool done = false;
    for (int64_t i = 0; i < limit && !done; i++) {
        if (!proceed(m->context))
            return false;
        if (!multiply(m, lanczos, between, result))
            return true; /* not finite: nothing is known */
        done = is_due(i) || i == limit - 1;
        for (int64_t s = 0; s < j->count && (is_due(i) || i == limit - 1); s++)
            done &= conclude(j->push_error, settings->tolerance, &lanczos[s], &j->spectra[s]);
    }
    return true;
}

/* ---- one segment ---- */

static bool prepare(struct measurement *m, int axis)
{
    struct jacobian *j = m->jacobian;
    const struct graph *graph = m->context->run->graph;
    const struct jacobian_settings *settings = m->context->settings;
    m->seed = arena_array(&m->scratch, (size_t)graph->values[m->segment.to].count, sizeof(double));
    m->product = arena_array(&m->scratch, (size_t)graph->values[m->segment.to].count, sizeof(double));
    m->direction = arena_array(&m->scratch, (size_t)graph->values[m->segment.from].count, sizeof(double));
    if (!m->seed || !m->product || !m->direction)
        return stability_fail(m->context->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                              "no memory for a Jacobian");
    find_samples(m, axis);
    j->rows = size_of(&j->output);
    j->columns = size_of(&j->input);
    j->count = j->output.samples < settings->samples ? j->output.samples : settings->samples;
    j->spectra = arena_array(m->context->arena, (size_t)j->count, sizeof(*j->spectra));
    if (!j->spectra)
        return stability_fail(m->context->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                              "no memory for a Jacobian");
    for (int64_t s = 0; s < j->count; s++)
        j->spectra[s] = (struct spectrum){s, NAN, NAN, NAN, NAN, NAN, -1, false, 0};
    return true;
}

static bool fits(int64_t rows, int64_t columns, const struct jacobian_settings *settings)
{
    int64_t least = rows < columns ? rows : columns;
    return least <= settings->exact && rows <= 8 * settings->exact &&
           sizeof(double) * (double)rows * (double)columns <= matrix_budget;
}

bool jacobian_measure(struct jacobian *jacobian, struct jacobian_context *context, int from, int to, int axis)
{
    struct measurement m = {.jacobian = jacobian, .context = context};
    *jacobian = (struct jacobian){0};
    bool done = segment_open(&m.segment, context->run, from, to, context->error) && prepare(&m, axis);
    if (done) {
        jacobian->exact = fits(jacobian->rows, jacobian->columns, context->settings);
        bool empty = jacobian->rows == 0 || jacobian->columns == 0 || jacobian->count == 0;
        done = empty || (jacobian->exact ? measure_exactly(&m) : measure_by_lanczos(&m));
    }
    segment_close(&m.segment);
    arena_free(&m.scratch);
    context->done++;
    return done;
}

/* Matrices or Krylov spaces of `samples` Jacobians that big. */
static double work_bytes(double rows, double columns, double samples,
                         const struct jacobian_settings *settings)
{
    double least = fmin(rows, columns), limit = fmin((double)settings->iterations, least);
    double one = sizeof(double) * rows * columns;
    if (fits((int64_t)rows, (int64_t)columns, settings))
        return fmax(fmin(samples * one, matrix_budget), one) + one + 64 * (rows + columns);
    return samples * ((limit + 1) * sizeof(double) * least + 64 * limit) + 16 * (rows + columns);
}

double jacobian_bytes(const struct graph *graph, int from, int to, const struct jacobian_settings *settings,
                      struct arena *arena)
{
    const struct graph_value *input = &graph->values[from], *output = &graph->values[to];
    double inputs = (double)input->count, outputs = (double)output->count;
    double samples = input->shape.rank > 0 ? fmax((double)input->shape.sizes[0], 1) : 1;
    double taken = fmin(samples, (double)settings->samples);
    /* Whether samples depend on each other is not known yet. */
    double work = fmax(work_bytes(inputs, outputs, 1, settings),
                       work_bytes(inputs / samples, outputs / samples, taken, settings));
    double segment = segment_bytes(graph, from, to, arena);
    return segment < 0 ? -1 : segment + sizeof(double) * (2 * outputs + inputs) + work;
}
