#include "core/layers/attention.h"

#include "core/layers/affine.h"
#include "core/layers/dropout.h"
#include "core/layers/explain.h"
#include "core/layers/softmax_row.h"

#include <string.h>

/* ---- where things lie ---- */

static int64_t query_rows(const struct attention *a)
{
    return a->batch * a->queries;
}

static int64_t key_rows(const struct attention *a)
{
    return a->batch * a->keys;
}

static int64_t extra_keys(const struct attention *a)
{
    return (a->bias_key ? 1 : 0) + (a->zero_key ? 1 : 0);
}

/* Weights of one query. */
static int64_t all_keys(const struct attention *a)
{
    return a->keys + extra_keys(a);
}

/* Of one sample's head. What no memory holds is told as a number that sums and products below can hold. */
static int64_t weight_count(const struct attention *a)
{
    const int64_t most = (int64_t)1 << 47;
    if (a->batch == 0)
        return 0;
    return (double)a->queries * (double)all_keys(a) < (double)most ? a->queries * all_keys(a) : most;
}

static int64_t projected_count(const struct attention *a)
{
    return (query_rows(a) + 2 * key_rows(a)) * a->embed;
}

/* q, k, v with features `leading` from row to row: (rows, 3, embed) of one input, else one after another. */
struct projected {
    real *query;
    real *key;
    real *value;
    int64_t leading;
};

static struct projected projected_at(const struct attention *a, real *memory)
{
    if (a->same)
        return (struct projected){memory, memory + a->embed, memory + 2 * a->embed, 3 * a->embed};
    real *key = memory + query_rows(a) * a->embed;
    return (struct projected){memory, key, key + key_rows(a) * a->embed, a->embed};
}

struct saved {
    struct projected projected;
    real *weights; // (batch, heads, queries, all keys)
    real *heads;   // (query rows, embed): of all heads, side by side
};

static struct saved saved_at(const struct attention *a, const real *memory_)
{
    real *memory = (real *)(uintptr_t)memory_;
    real *weights = memory + projected_count(a);
    return (struct saved){projected_at(a, memory), weights, weights + a->batch * a->heads * weight_count(a)};
}

int64_t attention_saved(const struct attention *a)
{
    return projected_count(a) + a->batch * a->heads * weight_count(a) + query_rows(a) * a->embed;
}

struct workspace {
    real *extra;            // (2, extra keys, embed): keys and values that do not come from the input
    real *dropped;          // (queries, all keys), where there is dropout
    real *extra_gradient;   // as extra
    real *weights_gradient; // (queries, all keys)
    real *heads_gradient;   // (query rows, embed)
    struct projected gradient;
};

static struct workspace workspace_at(const struct attention *a, real *memory)
{
    struct workspace w = {.extra = memory};
    w.dropped = w.extra + 2 * extra_keys(a) * a->embed;
    w.extra_gradient = w.dropped + (a->dropout > 0 ? weight_count(a) : 0);
    w.weights_gradient = w.extra_gradient + 2 * extra_keys(a) * a->embed;
    w.heads_gradient = w.weights_gradient + weight_count(a);
    w.gradient = projected_at(a, w.heads_gradient + query_rows(a) * a->embed);
    return w;
}

int64_t attention_workspace(const struct attention *a)
{
    return 4 * extra_keys(a) * a->embed + 2 * weight_count(a) + query_rows(a) * a->embed + projected_count(a);
}

double attention_flops(const struct attention *a)
{
    double queries = (double)query_rows(a), keys = (double)key_rows(a), embed = (double)a->embed;
    double projections = queries * embed * 2 + keys * (double)(a->key_size + a->value_size);
    double weights = queries * (double)all_keys(a);
    return 2 * embed * projections + weights * (4 * embed + 12 * (double)a->heads);
}

uint64_t attention_drawn(const struct attention *a)
{
    uint64_t one = (uint64_t)weight_count(a);
    return (one + one % 2) * (uint64_t)(a->batch * a->heads);
}

/* ---- projections ---- */

/* One of the three affine maps from an input. */
struct projection {
    struct affine affine;
    int64_t bias; /* where it starts in the bias */
};

static struct projection projection(const struct attention *a, int which)
{
    int64_t rows = which == 0 ? query_rows(a) : key_rows(a);
    int64_t inputs[] = {a->embed, a->key_size, a->value_size};
    return (struct projection){affine_dense(rows, inputs[which], a->embed), which * a->embed};
}

static void project(const struct attention *a, const struct attention_parameters *p,
                    const struct attention_inputs *inputs, const struct projected *to)
{
    if (a->same) {
        struct affine affine = affine_dense(query_rows(a), a->embed, 3 * a->embed);
        affine_forward(&affine, inputs->query, p->query, p->bias, to->query);
        return;
    }
    const real *x[] = {inputs->query, inputs->key, inputs->value};
    const real *weights[] = {p->query, p->key, p->value};
    real *y[] = {to->query, to->key, to->value};
    for (int i = 0; i < 3; i++) {
        struct projection one = projection(a, i);
        affine_forward(&one.affine, x[i], weights[i], p->bias ? p->bias + one.bias : NULL, y[i]);
    }
}

static void project_backward(const struct attention *a, const struct attention_parameters *p,
                             const struct attention_inputs *inputs, const struct projected *gradient,
                             const struct attention_inputs *wanted,
                             const struct attention_parameters *gradients)
{
    if (a->same) {
        struct affine affine = affine_dense(query_rows(a), a->embed, 3 * a->embed);
        affine_backward(&affine, inputs->query, p->query, gradient->query, wanted->query, gradients->query,
                        gradients->bias);
        return;
    }
    const real *x[] = {inputs->query, inputs->key, inputs->value};
    const real *weights[] = {p->query, p->key, p->value};
    const real *dy[] = {gradient->query, gradient->key, gradient->value};
    real *dx[] = {wanted->query, wanted->key, wanted->value};
    real *dw[] = {gradients->query, gradients->key, gradients->value};
    for (int i = 0; i < 3; i++) {
        struct projection one = projection(a, i);
        affine_backward(&one.affine, x[i], weights[i], dy[i], dx[i], dw[i],
                        gradients->bias ? gradients->bias + one.bias : NULL);
    }
}

/* ---- one head of one sample ---- */

/* Matrices (length, embed / heads) of one head, with `leading` from position to position. */
struct head {
    real *data;
    int64_t leading;
};

static struct head head_at(const struct attention *a, real *rows, int64_t leading, int64_t length,
                           int64_t sample, int64_t head)
{
    real *start = rows + head * (a->embed / a->heads);
    if (a->batch_first)
        return (struct head){start + sample * length * leading, leading};
    return (struct head){start + sample * leading, a->batch * leading};
}

/* Some of a head's keys and values, which are columns `first` and on of the weights. */
struct keys {
    struct head key;
    struct head value;
    int64_t first;
    int64_t count;
};

/* The input's keys, then the extra ones, which all samples share. Gives how many such parts there are. */
static int keys_at(const struct attention *a, const struct projected *projected, real *extra, int64_t sample,
                   int64_t head, struct keys parts[2])
{
    parts[0] = (struct keys){
        .key = head_at(a, projected->key, projected->leading, a->keys, sample, head),
        .value = head_at(a, projected->value, projected->leading, a->keys, sample, head),
        .count = a->keys,
    };
    int64_t count = extra_keys(a);
    real *start = extra + head * (a->embed / a->heads);
    parts[1] = (struct keys){
        .key = {start, a->embed},
        .value = {start + count * a->embed, a->embed},
        .first = a->keys,
        .count = count,
    };
    return count > 0 ? 2 : 1;
}

static void fill_extra(const struct attention *a, const struct attention_parameters *p, real *extra)
{
    size_t row = (size_t)a->embed * sizeof(real);
    memset(extra, 0, (size_t)(2 * extra_keys(a)) * row);
    if (a->bias_key) {
        memcpy(extra, p->key_bias, row);
        memcpy(extra + extra_keys(a) * a->embed, p->value_bias, row);
    }
}

/* Added, not assigned: what is NaN stays NaN, as in PyTorch. */
static void mask(const struct attention *a, real *scores)
{
    for (int64_t q = 0; a->causal && q < a->queries; q++)
        for (int64_t k = q + 1; k < a->keys; k++)
            scores[q * all_keys(a) + k] += -INFINITY;
}

static real score_factor(const struct attention *a)
{
    return 1 / sqrt((real)(a->embed / a->heads));
}

/* The weights after dropout, or as they are. */
static const real *drop(const struct attention *a, int64_t index, const real *weights, real *to)
{
    if (a->dropout == 0)
        return weights;
    uint64_t one = (uint64_t)weight_count(a);
    dropout_apply(a->stream, a->first + (uint64_t)index * (one + one % 2), a->dropout, weights, to,
                  weight_count(a));
    return to;
}

static void head_forward(const struct attention *a, const struct saved *saved, const struct workspace *w,
                         int64_t sample, int64_t head)
{
    const struct projected *projected = &saved->projected;
    int64_t index = sample * a->heads + head, size = a->embed / a->heads, columns = all_keys(a);
    real *weights = saved->weights + index * weight_count(a);
    struct head query = head_at(a, projected->query, projected->leading, a->queries, sample, head);
    struct head output = head_at(a, saved->heads, a->embed, a->queries, sample, head);
    struct keys parts[2];
    int count = keys_at(a, projected, w->extra, sample, head, parts);
    for (int i = 0; i < count; i++)
        gemm_strided(PLAIN, TRANSPOSED, a->queries, parts[i].count, size, score_factor(a), query.data,
                     query.leading, parts[i].key.data, parts[i].key.leading, 0, weights + parts[i].first,
                     columns);
    mask(a, weights);
    for (int64_t q = 0; q < a->queries; q++)
        softmax_row(weights + q * columns, weights + q * columns, columns);
    const real *dropped = drop(a, index, weights, w->dropped);
    for (int i = 0; i < count; i++)
        gemm_strided(PLAIN, PLAIN, a->queries, size, parts[i].count, 1, dropped + parts[i].first, columns,
                     parts[i].value.data, parts[i].value.leading, (real)i, output.data, output.leading);
}

/* Gradients of the weights, before dropout, and of the values. */
static void values_backward(const struct attention *a, const struct saved *saved, const struct workspace *w,
                            int64_t sample, int64_t head)
{
    int64_t index = sample * a->heads + head, size = a->embed / a->heads, columns = all_keys(a);
    const real *dropped = drop(a, index, saved->weights + index * weight_count(a), w->dropped);
    struct head output = head_at(a, w->heads_gradient, a->embed, a->queries, sample, head);
    struct keys parts[2], gradients[2];
    int count = keys_at(a, &saved->projected, w->extra, sample, head, parts);
    keys_at(a, &w->gradient, w->extra_gradient, sample, head, gradients);
    for (int i = 0; i < count; i++) {
        gemm_strided(PLAIN, TRANSPOSED, a->queries, parts[i].count, size, 1, output.data, output.leading,
                     parts[i].value.data, parts[i].value.leading, 0, w->weights_gradient + parts[i].first,
                     columns);
        gemm_strided(TRANSPOSED, PLAIN, parts[i].count, size, a->queries, 1, dropped + parts[i].first,
                     columns, output.data, output.leading, (real)i, gradients[i].value.data,
                     gradients[i].value.leading);
    }
    drop(a, index, w->weights_gradient, w->weights_gradient);
}

static void head_backward(const struct attention *a, const struct saved *saved, const struct workspace *w,
                          int64_t sample, int64_t head)
{
    int64_t index = sample * a->heads + head, size = a->embed / a->heads, columns = all_keys(a);
    const real *weights = saved->weights + index * weight_count(a);
    values_backward(a, saved, w, sample, head);
    for (int64_t q = 0; q < a->queries; q++)
        softmax_row_gradient(weights + q * columns, w->weights_gradient + q * columns,
                             w->weights_gradient + q * columns, columns);
    int64_t leading = saved->projected.leading;
    struct head query = head_at(a, saved->projected.query, leading, a->queries, sample, head);
    struct head query_gradient = head_at(a, w->gradient.query, leading, a->queries, sample, head);
    struct keys parts[2], gradients[2];
    int count = keys_at(a, &saved->projected, w->extra, sample, head, parts);
    keys_at(a, &w->gradient, w->extra_gradient, sample, head, gradients);
    for (int i = 0; i < count; i++) {
        const real *scores = w->weights_gradient + parts[i].first;
        gemm_strided(PLAIN, PLAIN, a->queries, size, parts[i].count, score_factor(a), scores, columns,
                     parts[i].key.data, parts[i].key.leading, (real)i, query_gradient.data,
                     query_gradient.leading);
        gemm_strided(TRANSPOSED, PLAIN, parts[i].count, size, a->queries, score_factor(a), scores, columns,
                     query.data, query.leading, (real)i, gradients[i].key.data, gradients[i].key.leading);
    }
}

/* ---- the whole ---- */

/* Samples to walk over: none where all are empty, however many there are. */
static int64_t sample_count(const struct attention *a)
{
    return query_rows(a) + key_rows(a) > 0 ? a->batch : 0;
}

void attention_forward(const struct attention *a, const struct attention_parameters *parameters,
                       const struct attention_inputs *inputs, real *output, real *saved_, real *workspace)
{
    struct saved saved = saved_at(a, saved_);
    struct workspace w = workspace_at(a, workspace);
    int64_t samples = sample_count(a);
    project(a, parameters, inputs, &saved.projected);
    fill_extra(a, parameters, w.extra);
    for (int64_t sample = 0; sample < samples; sample++)
        for (int64_t head = 0; head < a->heads; head++)
            head_forward(a, &saved, &w, sample, head);
    struct affine out = affine_dense(query_rows(a), a->embed, a->embed);
    affine_forward(&out, saved.heads, parameters->out, parameters->out_bias, output);
}

void attention_backward(const struct attention *a, const struct attention_parameters *parameters,
                        const struct attention_inputs *inputs, const real *output_gradient,
                        const real *saved_, real *workspace, const struct attention_inputs *wanted,
                        const struct attention_parameters *gradients)
{
    struct saved saved = saved_at(a, saved_);
    struct workspace w = workspace_at(a, workspace);
    struct affine out = affine_dense(query_rows(a), a->embed, a->embed);
    int64_t samples = sample_count(a);
    size_t extra = (size_t)(extra_keys(a) * a->embed) * sizeof(real);
    affine_backward(&out, saved.heads, parameters->out, output_gradient, w.heads_gradient, gradients->out,
                    gradients->out_bias);
    fill_extra(a, parameters, w.extra);
    memset(w.extra_gradient, 0, 2 * extra);
    for (int64_t sample = 0; sample < samples; sample++)
        for (int64_t head = 0; head < a->heads; head++)
            head_backward(a, &saved, &w, sample, head);
    project_backward(a, parameters, inputs, &w.gradient, wanted, gradients);
    if (gradients->key_bias)
        memcpy(gradients->key_bias, w.extra_gradient, (size_t)a->embed * sizeof(real));
    if (gradients->value_bias)
        memcpy(gradients->value_bias, w.extra_gradient + extra_keys(a) * a->embed,
               (size_t)a->embed * sizeof(real));
}

bool attention_explain(const struct attention *a, const real *saved_, int64_t element,
                       struct layer_cause *cause)
{
    struct saved saved = saved_at(a, saved_);
    int64_t row = element / a->embed;
    int64_t sample = a->batch_first ? row / a->queries : row % a->batch;
    int64_t query = a->batch_first ? row % a->queries : row / a->batch;
    for (int64_t head = 0; head < a->heads; head++) {
        const real *weights = saved.weights + ((sample * a->heads + head) * a->queries + query) * all_keys(a);
        if (!isnan(greatest_of(weights, all_keys(a))))
            continue;
        return explain_say(cause,
                           "in head %lld, scores q k / √%lld of query %lld are not finite in " REAL_NAME
                           ", and so their softmax is NaN",
                           (long long)head, (long long)(a->embed / a->heads), (long long)query);
    }
    return false;
}
