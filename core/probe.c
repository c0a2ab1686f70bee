#include "core/probe.h"

#include "core/element.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 16, FEATURES = 256, PLACES = 4096, TWINS = 16 };

/* ---- how far samples are from each other ---- */

/* At most `most` of `count`, evenly spaced; returns how many apart. */
static int64_t thin(int64_t *count, int64_t most)
{
    int64_t apart = (*count + most - 1) / most;
    *count = apart > 0 ? (*count + apart - 1) / apart : 0;
    return apart;
}

static double spread_of_samples(const struct tensor *tensor, const struct kernels *kernels)
{
    double around_mean = 0, around_zero = 0;
    int64_t samples = tensor->shape.sizes[0], length = tensor->count / samples;
    struct sample_vectors v = {.count = samples, .length = length};
    v.step = thin(&v.count, SAMPLES) * length;
    v.stride = thin(&v.length, FEATURES);
    kernels->add_spread(tensor->data, &v, &around_mean, &around_zero);
    return sqrt(around_mean / around_zero);
}

static double spread_of_tokens(const struct tensor *tensor, const struct kernels *kernels)
{
    double around_mean = 0, around_zero = 0;
    int64_t tokens = tensor->shape.sizes[1], length = tensor->shape.sizes[2],
            samples = tensor->shape.sizes[0];
    struct sample_vectors v = {.count = tokens, .length = length};
    v.step = thin(&v.count, SAMPLES) * length;
    v.stride = thin(&v.length, FEATURES);
    for (int64_t n = 0; n < samples && n < 4; n++) {
        v.start = n * tokens * length;
        kernels->add_spread(tensor->data, &v, &around_mean, &around_zero);
    }
    return sqrt(around_mean / around_zero);
}

static void measure_spread(struct probes *probes, const struct run *run, int value)
{
    const struct tensor *tensor = &run->values[value];
    const struct graph_value *source = &run->graph->values[value];
    bool indices = source->integer && (source->producer >= 0 || source->indexes);
    if (indices || tensor->count == 0 || !tensor->data)
        return;
    if (tensor->shape.rank >= 2 && tensor->shape.sizes[0] >= 2 &&
        tensor->shape.sizes[0] == run->graph->batch_size)
        probes->values[value].spread = spread_of_samples(tensor, run->graph->kernels);
    if (tensor->shape.rank == 3 && tensor->shape.sizes[1] >= 2)
        probes->values[value].token_spread = spread_of_tokens(tensor, run->graph->kernels);
}

/* ---- the scale of data ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The greatest of squares, and over the median of those that are not 0; sorts them. */
static double greatest_ratio(double *squares, int64_t count, int64_t *which)
{
    double greatest = -1;
    size_t positive = 0;
    for (int64_t u = 0; u < count; u++) {
        double square = squares[u];
        if (square > greatest)
            *which = u;
        greatest = fmax(greatest, square);
        if (square > 0)
            squares[positive++] = square;
    }
    qsort(squares, positive, sizeof(*squares), compare_doubles);
    return positive ? greatest / squares[positive / 2] : NAN;
}

/* Of units along the feature dimension, over up to FEATURES of them and PLACES of each. */
static void measure_features(struct value_probe *probe, const struct tensor *tensor, int feature_dim,
                             const struct kernels *kernels)
{
    int64_t units = tensor->shape.rank > 0 ? tensor->shape.sizes[feature_dim] : 1, inner = 1;
    for (int d = feature_dim + 1; d < tensor->shape.rank; d++)
        inner *= tensor->shape.sizes[d];
    int64_t places = tensor->count / units, used = units;
    int64_t apart = thin(&used, FEATURES), step = thin(&places, PLACES);
    double squares[FEATURES] = {0}, total = 0;
    for (int64_t i = 0; i < places; i++) {
        int64_t place = i * step, first = place / inner * units * inner + place % inner;
        const char *data = tensor->data;
        kernels->add_squares(data + (size_t)first * kernels->real_size, used, apart * inner, squares);
    }
    for (int64_t u = 0; u < used; u++)
        total += squares[u];
    probe->rms = sqrt(total / ((double)used * (double)places));
    int64_t which = 0;
    probe->feature_ratio = sqrt(greatest_ratio(squares, used, &which));
    probe->feature = which * apart;
}

static bool has_weights(const struct graph_node *node)
{
    for (int k = 0; k < node->parameter_count; k++)
        if (node->parameters[k].present && !node->parameters[k].row->buffer)
            return true;
    return false;
}

static bool has_matrix(const struct graph_node *node)
{
    for (int k = 0; k < node->parameter_count; k++)
        if (node->parameters[k].present && node->parameters[k].shape.rank >= 2)
            return !node->ops->indexes && node->input_count > 0;
    return false;
}

/* Whether a value comes from the model's inputs, or an embedding of them, by layers without weights alone. */
static bool is_raw(const struct graph *graph, int value)
{
    for (;;) {
        int producer = graph->values[value].producer;
        if (producer < 0)
            return !graph->values[value].indexes;
        const struct graph_node *node = &graph->nodes[producer];
        if (node->ops->indexes)
            return true;
        if (node->input_count != 1 || has_weights(node) || node->ops->type.parameters)
            return false;
        value = node->inputs[0];
    }
}

static void measure_raw(struct probes *probes, const struct run *run, int index)
{
    const struct graph_node *node = &run->graph->nodes[index];
    if (!has_matrix(node))
        return;
    int value = node->inputs[0];
    if (!is_raw(run->graph, value) || probes->values[value].raw || run->values[value].count == 0)
        return;
    probes->values[value].raw = true;
    measure_features(&probes->values[value], &run->values[value], run->graph->values[value].feature_dim,
                     run->graph->kernels);
}

/* Along the first dimension. */
static bool has_equal_samples(const struct run *run, int input)
{
    const struct tensor *tensor = &run->values[input];
    int64_t samples = tensor->shape.rank > 0 ? tensor->shape.sizes[0] : 0;
    if (samples == 0 || samples != run->graph->batch_size || tensor->count == 0)
        return false;
    size_t bytes = (size_t)(tensor->count / samples) * run->graph->kernels->real_size;
    const char *data = tensor->data;
    int64_t equal = 1;
    while (equal < samples && memcmp(data, data + (size_t)equal * bytes, bytes) == 0)
        equal++;
    return equal == samples;
}

void probe_inputs(struct probes *probes, const struct run *run)
{
    probes->samples_are_equal = run->graph->model_input_count > 0;
    for (int i = 0; i < run->graph->model_input_count; i++) {
        const struct tensor *tensor = &run->values[i];
        struct stability_statistics statistics;
        measure_spread(probes, run, i);
        probes->samples_are_equal = probes->samples_are_equal && has_equal_samples(run, i);
        if (run->graph->values[i].indexes)
            continue;
        run->graph->kernels->statistics(tensor->data, tensor->count, &statistics);
        probes->input_squares[i] = statistics.all.rms * statistics.all.rms;
    }
}

void probe_node(struct probes *probes, const struct run *run, int node)
{
    measure_raw(probes, run, node);
    measure_spread(probes, run, run->graph->nodes[node].first_output);
}

/* ---- weights ---- */

void probe_weight(struct probes *probes, const struct run *run, int slot)
{
    const struct tensor *weight = &run->parameters[slot];
    int64_t rows = weight->shape.rank >= 2 ? weight->shape.sizes[0] : 0;
    if (rows == 0 || weight->count == 0)
        return;
    int64_t columns = weight->count / rows;
    bool down = rows > columns;
    struct sample_vectors v = {.count = down ? columns : rows,
                               .step = down ? 1 : columns,
                               .length = down ? rows : columns,
                               .stride = down ? columns : 1};
    v.step *= thin(&v.count, SAMPLE_VECTORS);
    double products[SAMPLE_VECTORS][SAMPLE_VECTORS] = {0};
    double lengths[SAMPLE_VECTORS], greatest = 0, longest = 0, shortest = INFINITY;
    run->graph->kernels->add_gram(weight->data, &v, products);
    for (int64_t i = 0; i < v.count; i++) {
        lengths[i] = sqrt(products[i][i]);
        longest = fmax(longest, lengths[i]);
        shortest = fmin(shortest, lengths[i]);
        for (int64_t k = 0; k < i; k++)
            greatest = fmax(greatest, fabs(products[i][k] / (lengths[i] * lengths[k])));
    }
    probes->weights[slot].orthogonality = v.count > 1 ? greatest : NAN;
    probes->weights[slot].length_spread = longest / shortest - 1;
}

static bool rows_agree(const struct tensor *tensor, enum stability_dtype dtype, int64_t a, int64_t b,
                       int64_t columns, double tolerance)
{
    for (int64_t k = 0; k < columns; k++) {
        double x = element_at(tensor->data, dtype, a * columns + k),
               y = element_at(tensor->data, dtype, b * columns + k);
        if (!(fabs(x - y) <= tolerance * (fabs(x) + fabs(y))))
            return false;
    }
    return true;
}

static bool row_is_zero(const struct tensor *tensor, enum stability_dtype dtype, int64_t row, int64_t columns)
{
    int64_t k = 0;
    while (k < columns && element_at(tensor->data, dtype, row * columns + k) == 0)
        k++;
    return k == columns;
}

/* The same for equal numbers. */
static uint32_t key_of(double number)
{
    float narrow = (float)number + 0.0F; /* -0 becomes 0 */
    uint32_t key;
    memcpy(&key, &narrow, sizeof(key));
    return key;
}

static bool holds(const uint32_t keys[TWINS], uint32_t key)
{
    uint32_t equal = 0;
    for (int k = 0; k < TWINS; k++)
        equal |= keys[k] == key;
    return equal;
}

/* The fraction of rows that equal another one: in `a`, and in `b` too where that is given, ignoring zero rows
 * where it is not. Rows are compared with the first TWINS that differ from each other. Products of equal
 * numbers may be summed in another order: numbers of `b` that agree to 1e-4 are the same. */
static double equal_rows(const struct tensor *a, const struct tensor *b, enum stability_dtype dtype)
{
    int64_t rows = a->shape.rank >= 2 ? a->shape.sizes[0] : 0, firsts[TWINS], equal = 0;
    int64_t columns = rows > 0 ? a->count / rows : 0;
    bool counted[TWINS] = {0};
    uint32_t keys[TWINS] = {0}; /* of the first elements of `firsts`: most rows differ there already */
    int first_count = 0;
    if (rows < 2 || columns == 0)
        return NAN;
    for (int64_t i = 0; i < rows; i++) {
        int match = 0;
        if (!b && row_is_zero(a, dtype, i, columns))
            continue;
        uint32_t key = key_of(element_at(a->data, dtype, i * columns));
        if (!holds(keys, key))
            match = first_count;
        while (match < first_count && !(rows_agree(a, dtype, firsts[match], i, columns, 0) &&
                                        (!b || rows_agree(b, dtype, firsts[match], i, columns, 1e-4))))
            match++;
        if (match < first_count) {
            equal += counted[match] ? 1 : 2;
            counted[match] = true;
        } else if (first_count < TWINS) {
            keys[first_count] = key;
            firsts[first_count++] = i;
        }
    }
    return (double)equal / (double)rows;
}

void probe_weight_gradient(struct probes *probes, const struct run *run, int slot)
{
    const struct tensor *weight = &run->parameters[slot];
    enum stability_dtype dtype = run->graph->kernels->dtype;
    probes->weights[slot].twin_fraction = equal_rows(weight, &run->parameter_gradients[slot], dtype);
    probes->weights[slot].equal_fraction = equal_rows(weight, NULL, dtype);
}

/* ---- the loss ---- */

/* Over up to SAMPLES samples and one place of each. */
static void measure_rows(struct loss_probe *probe, const struct tensor *tensor, enum stability_dtype dtype)
{
    int dim = tensor->shape.rank == 1 ? 0 : 1;
    if (tensor->shape.rank == 0 || tensor->count == 0)
        return;
    int64_t classes = tensor->shape.sizes[dim], inner = 1, samples = dim ? tensor->shape.sizes[0] : 1;
    for (int d = dim + 1; d < tensor->shape.rank; d++)
        inner *= tensor->shape.sizes[d];
    int64_t step = thin(&samples, SAMPLES) * classes * inner;
    probe->log_sum_exp = 0;
    for (int64_t i = 0; i < samples; i++) {
        double exponentials = 0;
        for (int64_t c = 0; c < classes; c++)
            exponentials += exp(element_at(tensor->data, dtype, i * step + c * inner));
        probe->log_sum_exp = fmax(probe->log_sum_exp, fabs(log(exponentials)));
    }
}

static void compare_targets(struct loss_probe *probe, const struct tensor *target, enum stability_dtype dtype)
{
    int64_t equal = 1;
    probe->first_target = target->count > 0 ? element_at(target->data, dtype, 0) : (double)NAN;
    while (equal < target->count && element_at(target->data, dtype, equal) == probe->first_target)
        equal++;
    probe->target_is_constant = equal == target->count;
}

void probe_loss(struct probes *probes, const struct run *run)
{
    const struct loss_pass *pass = &run->loss_pass;
    compare_targets(&probes->loss, &pass->target, run->graph->kernels->dtype);
    measure_rows(&probes->loss, &pass->inputs[0], run->graph->kernels->dtype);
    probes->loss.has_target = !run->graph->target_is_integer && pass->target.count > 0;
    if (probes->loss.has_target)
        run->graph->kernels->statistics(pass->target.data, pass->target.count, &probes->loss.target);
}

bool probes_prepare(struct probes *probes, const struct graph *graph, struct arena *arena)
{
    *probes = (struct probes){
        .values = arena_array(arena, (size_t)graph->value_count, sizeof(*probes->values)),
        .weights = arena_array(arena, (size_t)graph->parameter_slots, sizeof(*probes->weights)),
        .input_squares = arena_array(arena, (size_t)graph->model_input_count, sizeof(double)),
        .loss = {.log_sum_exp = NAN},
    };
    if (!probes->values || !probes->weights || !probes->input_squares)
        return false;
    for (int i = 0; i < graph->value_count; i++)
        probes->values[i] =
            (struct value_probe){.spread = NAN, .token_spread = NAN, .rms = NAN, .feature_ratio = NAN};
    for (int i = 0; i < graph->parameter_slots; i++)
        probes->weights[i] = (struct weight_probe){NAN, NAN, NAN, NAN};
    for (int i = 0; i < graph->model_input_count; i++)
        probes->input_squares[i] = NAN;
    return true;
}
