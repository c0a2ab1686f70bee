/* Rows of a table, by index. */
#include "core/layer.h"
#include "core/real/interval.h"
#include "core/real/real.h"

#include <string.h>

struct embedding {
    int64_t num_embeddings;
    int64_t embedding_dim;
    struct optional_integer padding_idx;
    struct optional_real max_norm;
    double norm_type;
    bool scale_grad_by_freq;
};

static const struct stability_attribute attributes[] = {
    {"num_embeddings", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct embedding, num_embeddings),
     .required = true, .minimum = 1, .documentation = "rows of the table"},
    {"embedding_dim", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct embedding, embedding_dim),
     .required = true, .minimum = 1, .documentation = "length of a row"},
    {"padding_idx", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct embedding, padding_idx), .nullable = true,
     .documentation =
         "a row that gets no gradient, and is zero where the table is drawn as PyTorch draws it; "
         "a negative index counts from the end"},
    {"max_norm", STABILITY_ATTRIBUTE_REAL, offsetof(struct embedding, max_norm), .nullable = true,
     .documentation = "rows that are looked up with a greater norm are scaled down to it; the report shows "
                      "the table as it was sent"},
    {"norm_type", STABILITY_ATTRIBUTE_REAL, offsetof(struct embedding, norm_type), .exclusive = true,
     .maximum = INFINITY, .number = 2, .documentation = "the p of the p-norm that max_norm bounds"},
    {"scale_grad_by_freq", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct embedding, scale_grad_by_freq),
     .documentation = "whether a row's gradient is divided by how often the row is looked up"},
    {0},
};

static const struct stability_parameter parameters[] = {
    {"weight", "num_embeddings, embedding_dim", .init = "normal_"},
    {0},
};

static int64_t index_bound(const void *attributes_of_type)
{
    return ((const struct embedding *)attributes_of_type)->num_embeddings;
}

static bool shape(struct layer_shapes *s)
{
    const struct embedding *embedding = s->attributes;
    const struct stability_shape *x = &s->inputs[0];
    int64_t rows = embedding->num_embeddings, padding = embedding->padding_idx.value;
    if (embedding->padding_idx.present && (padding < -rows || padding >= rows))
        return layer_shape_fail(s, "padding_idx", "padding_idx must be from %lld to %lld, got %lld",
                                (long long)-rows, (long long)rows - 1, (long long)padding);
    if (x->rank == STABILITY_MAX_RANK)
        return layer_shape_fail(
            s, NULL, "the input has %d dimensions already, the output would have one more", x->rank);
    s->outputs[0] = *x;
    s->outputs[0].sizes[s->outputs[0].rank++] = embedding->embedding_dim;
    s->feature_dim = x->rank;
    if (embedding->scale_grad_by_freq)
        layer_add_reals(s, &s->workspace, rows);
    return true;
}

/* The row that gets no gradient, or -1. */
static int64_t padding_row(const struct embedding *embedding)
{
    int64_t row = embedding->padding_idx.value;
    if (!embedding->padding_idx.present)
        return -1;
    return row < 0 ? row + embedding->num_embeddings : row;
}

static void after_draw(const void *attributes_of_type, int parameter, void *data)
{
    (void)parameter;
    const struct embedding *embedding = attributes_of_type;
    int64_t row = padding_row(embedding);
    if (row >= 0)
        memset((real *)data + row * embedding->embedding_dim, 0,
               (size_t)embedding->embedding_dim * sizeof(real));
}

/* The p-norm of a row. */
static double norm_of(const real *row, const struct embedding *embedding)
{
    double sum = 0;
    for (int64_t i = 0; i < embedding->embedding_dim; i++)
        sum += pow(fabs((double)row[i]), embedding->norm_type);
    return pow(sum, 1 / embedding->norm_type);
}

static void forward(const struct layer_pass *pass)
{
    const struct embedding *embedding = pass->attributes;
    const real *indices = pass->inputs[0].data;
    const real *weight = pass->parameters[0].data;
    int64_t length = embedding->embedding_dim;
    for (int64_t i = 0; i < pass->inputs[0].count; i++) {
        const real *row = weight + (int64_t)indices[i] * length;
        real *y = (real *)pass->outputs[0].data + i * length;
        memcpy(y, row, (size_t)length * sizeof(real));
        double norm = embedding->max_norm.present ? norm_of(row, embedding) : 0;
        if (norm <= embedding->max_norm.value || !embedding->max_norm.present)
            continue;
        real scale = (real)(embedding->max_norm.value / (norm + 1e-7));
        for (int64_t k = 0; k < length; k++)
            y[k] *= scale;
    }
}

static void count_lookups(const struct layer_pass *pass, real *counts)
{
    const struct embedding *embedding = pass->attributes;
    const real *indices = pass->inputs[0].data;
    for (int64_t row = 0; row < embedding->num_embeddings; row++)
        counts[row] = 0;
    for (int64_t i = 0; i < pass->inputs[0].count; i++)
        counts[(int64_t)indices[i]]++;
}

static void backward(const struct layer_pass *pass)
{
    const struct embedding *embedding = pass->attributes;
    const real *indices = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *weight_gradient = pass->parameter_gradients[0].data;
    real *counts = embedding->scale_grad_by_freq ? pass->workspace : NULL;
    int64_t length = embedding->embedding_dim, padding = padding_row(embedding);
    if (!weight_gradient)
        return;
    if (counts)
        count_lookups(pass, counts);
    memset(weight_gradient, 0, (size_t)(embedding->num_embeddings * length) * sizeof(real));
    for (int64_t i = 0; i < pass->inputs[0].count; i++) {
        int64_t index = (int64_t)indices[i];
        if (index == padding)
            continue;
        real scale = counts ? 1 / counts[index] : 1;
        for (int64_t k = 0; k < length; k++)
            weight_gradient[index * length + k] += dy[i * length + k] * scale;
    }
}

/* Not for the row of padding_idx, for one whose gradient is scaled by its frequency, or for one that max_norm
 * scales down: PyTorch takes that factor for a constant. */
static bool is_derivative(const struct layer_pass *pass, int parameter, int64_t element)
{
    (void)parameter;
    const struct embedding *embedding = pass->attributes;
    const real *indices = pass->inputs[0].data, *weight = pass->parameters[0].data;
    int64_t index = element / embedding->embedding_dim, lookups = 0;
    for (int64_t i = 0; embedding->scale_grad_by_freq && i < pass->inputs[0].count; i++)
        lookups += (int64_t)indices[i] == index;
    bool scaled_down = embedding->max_norm.present && norm_of(weight + index * embedding->embedding_dim,
                                                              embedding) > embedding->max_norm.value;
    return index != padding_row(embedding) && lookups <= 1 && !scaled_down;
}

static double lookups(const struct interval_pass *p)
{
    return (double)p->inputs[0].low.count;
}

/* A row that is scaled down lies between itself and 0. */
static bool bound_forward(struct interval_pass *p)
{
    const struct embedding *embedding = p->pass.attributes;
    struct embedding unbounded = *embedding;
    unbounded.max_norm.present = false;
    p->pass.attributes = &unbounded;
    bool done = interval_move_forward(p);
    p->pass.attributes = embedding;
    for (int64_t i = 0; done && embedding->max_norm.present && i < p->outputs[0].low.count; i++)
        interval_store(&p->outputs[0], i, span_with_zero(span_at(&p->outputs[0], i)), 0);
    return done;
}

static const struct layer_bounds bounds = {
    .forward = bound_forward, .backward = interval_linear_backward, .terms = lookups};

LAYER_OPS(Embedding) = {
    .type = {.type = "Embedding",
             .torch = "torch.nn.Embedding",
             .documentation = "rows of a table, by an input of integers",
             .minimum_inputs = 1,
             .maximum_inputs = 1,
             .attributes = attributes,
             .parameters = parameters},
    .attributes_size = sizeof(struct embedding),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .indexes = true,
    .index_bound = index_bound,
    .is_derivative = is_derivative,
    .after_draw = after_draw,
    .bounds = &bounds,
};
