/* TransformerEncoderLayer (Vaswani et al. 2017, section 3.1): attention to itself, then two affine maps with
 * an activation between them, each with dropout and a residual connection, and with a normalisation after it
 * (norm_first false) or before it:
 *
 *     middle = x + dropout(attention(attended))           attended: norm1(x), or x
 *     y = before + dropout(linear2(dropout(activation(linear1(fed)))))
 *
 * Where norm_first, fed = norm2(middle), before = middle. Else fed = norm1(middle), before = fed, and norm2
 * comes last. */
#include "core/layers/affine.h"
#include "core/layers/attention.h"
#include "core/layers/dropout.h"
#include "core/layers/gelu.h"
#include "core/layers/norm.h"
#include "core/layers/relu.h"
#include "core/real/switches.h"

#include <string.h>

struct encoder {
    int64_t d_model;
    int64_t nhead;
    int64_t dim_feedforward;
    double dropout;
    int activation;
    double layer_norm_eps;
    bool batch_first;
    bool norm_first;
    bool is_causal;
};

enum { RELU, GELU };
static const struct {
    void (*forward)(const real *x, real *y, int64_t count);
    void (*backward)(const real *x, const real *dy, real *dx, int64_t count);
} activations[] = {[RELU] = {relu_forward, relu_backward}, [GELU] = {gelu_forward, gelu_backward}};

static const struct stability_attribute attributes[] = {
    {"d_model", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct encoder, d_model), .required = true,
     .minimum = 1, .maximum = 1 << 20, .documentation = "features of input and output"},
    {"nhead", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct encoder, nhead), .required = true, .minimum = 1,
     .documentation = "heads of the attention"},
    {"dim_feedforward", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct encoder, dim_feedforward),
     .number = 2048, .minimum = 1, .maximum = 1 << 20, .documentation = "features between the affine maps"},
    {"dropout", STABILITY_ATTRIBUTE_REAL, offsetof(struct encoder, dropout), .maximum = 1, .number = 0.1,
     .documentation = "probability of dropout, of the attention weights too"},
    {"activation", STABILITY_ATTRIBUTE_CHOICE, offsetof(struct encoder, activation), .choice = "relu",
     .choices = "relu gelu", .documentation = "between the affine maps"},
    {"layer_norm_eps", STABILITY_ATTRIBUTE_REAL, offsetof(struct encoder, layer_norm_eps), .number = 1e-5,
     .maximum = INFINITY, .documentation = "added to the variances"},
    {"batch_first", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct encoder, batch_first),
     .documentation = "whether tensors are (batch, length, features), not (length, batch, features)"},
    {"norm_first", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct encoder, norm_first),
     .documentation = "whether attention and affine maps read what is normalised, not their sums"},
    {"is_causal", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct encoder, is_causal),
     .documentation = "whether a position sees no later one"},
    {0},
};

enum {
    IN_PROJ_WEIGHT,
    IN_PROJ_BIAS,
    OUT_PROJ_WEIGHT,
    OUT_PROJ_BIAS,
    LINEAR1_WEIGHT,
    LINEAR1_BIAS,
    LINEAR2_WEIGHT,
    LINEAR2_BIAS,
    NORM1_WEIGHT,
    NORM1_BIAS,
    NORM2_WEIGHT,
    NORM2_BIAS
};
static const struct stability_parameter parameters[] = {
    [IN_PROJ_WEIGHT] = {"self_attn.in_proj_weight", "3 * d_model, d_model", .init = "xavier_uniform_"},
    [IN_PROJ_BIAS] = {"self_attn.in_proj_bias", "3 * d_model", .init = "zeros_"},
    [OUT_PROJ_WEIGHT] = {"self_attn.out_proj.weight", "d_model, d_model", .init = "uniform_",
                         .init_bound = "d_model"},
    [OUT_PROJ_BIAS] = {"self_attn.out_proj.bias", "d_model", .init = "zeros_"},
    [LINEAR1_WEIGHT] = {"linear1.weight", "dim_feedforward, d_model", .init = "uniform_",
                        .init_bound = "d_model"},
    [LINEAR1_BIAS] = {"linear1.bias", "dim_feedforward", .init = "uniform_", .init_bound = "d_model"},
    [LINEAR2_WEIGHT] = {"linear2.weight", "d_model, dim_feedforward", .init = "uniform_",
                        .init_bound = "dim_feedforward"},
    [LINEAR2_BIAS] = {"linear2.bias", "d_model", .init = "uniform_", .init_bound = "dim_feedforward"},
    [NORM1_WEIGHT] = {"norm1.weight", "d_model", .init = "ones_"},
    [NORM1_BIAS] = {"norm1.bias", "d_model", .init = "zeros_"},
    [NORM2_WEIGHT] = {"norm2.weight", "d_model", .init = "ones_"},
    [NORM2_BIAS] = {"norm2.bias", "d_model", .init = "zeros_"},
    {0},
};

/* ---- parts and where they lie ---- */

/* The parts of a layer, and offsets in reals. */
struct parts {
    const struct encoder *encoder;
    int64_t rows;
    struct attention attention;
    struct norm norm[2];
    /* in pass->saved */
    int64_t attention_saved;
    int64_t norm_saved[2];
    int64_t attended;  /* (rows, d_model): where norm_first */
    int64_t middle;    /* (rows, d_model) */
    int64_t fed;       /* (rows, d_model) */
    int64_t hidden;    /* (rows, dim_feedforward): output of linear1 */
    int64_t activated; /* (rows, dim_feedforward): input of linear2 */
    int64_t last;      /* (rows, d_model): input of norm2, where it comes last */
    int64_t saved;
    /* in pass->workspace, all but the first for the backward pass */
    int64_t scratch; /* of attention and normalisations */
    int64_t wide;    /* (rows, dim_feedforward) */
    int64_t outer;   /* (rows, d_model) */
    int64_t inner;   /* (rows, d_model) */
    int64_t sum;     /* (rows, d_model) */
    int64_t workspace;
};

static int64_t take(int64_t *total, int64_t count)
{
    int64_t start = *total;
    *total += (count + 15) / 16 * 16;
    return start;
}

static struct attention attention_of(const struct encoder *e, const struct stability_shape *x)
{
    bool batched = x->rank == 3;
    int length = batched && e->batch_first ? 1 : 0;
    return (struct attention){
        .embed = e->d_model,
        .heads = e->nhead,
        .key_size = e->d_model,
        .value_size = e->d_model,
        .same = true,
        .batch_first = batched && e->batch_first,
        .causal = e->is_causal,
        .batch = batched ? x->sizes[1 - length] : 1,
        .queries = x->sizes[length],
        .keys = x->sizes[length],
    };
}

static void place(struct parts *p)
{
    const struct encoder *e = p->encoder;
    int64_t model = p->rows * e->d_model, wide = p->rows * e->dim_feedforward;
    p->attention_saved = take(&p->saved, attention_saved(&p->attention));
    for (int i = 0; i < 2; i++)
        p->norm_saved[i] = take(&p->saved, norm_saved(&p->norm[i]));
    p->attended = take(&p->saved, e->norm_first ? model : 0);
    p->middle = take(&p->saved, model);
    p->fed = take(&p->saved, model);
    p->hidden = take(&p->saved, wide);
    p->activated = take(&p->saved, wide);
    p->last = take(&p->saved, e->norm_first ? 0 : model);
    int64_t attention = attention_workspace(&p->attention);
    int64_t norm = norm_workspace(&p->norm[0]) * (int64_t)(sizeof(double) / sizeof(real));
    p->scratch = take(&p->workspace, attention > norm ? attention : norm);
    p->wide = take(&p->workspace, wide);
    p->outer = take(&p->workspace, model);
    p->inner = take(&p->workspace, model);
    p->sum = take(&p->workspace, model);
}

static struct parts parts_of(const struct encoder *e, const struct stability_shape *x, double dropout)
{
    struct parts p = {.encoder = e, .attention = attention_of(e, x)};
    p.attention.dropout = dropout;
    p.rows = p.attention.batch * p.attention.queries;
    for (int i = 0; i < 2; i++)
        p.norm[i] = norm_of_rows(p.rows, e->d_model, e->layer_norm_eps);
    place(&p);
    return p;
}

static struct parts parts_of_pass(const struct layer_pass *pass)
{
    const struct encoder *e = pass->attributes;
    struct parts p = parts_of(e, &pass->inputs[0].shape, pass->drops ? e->dropout : 0);
    p.attention.stream = pass->seed;
    p.norm[0].weight = pass->parameters[NORM1_WEIGHT].data;
    p.norm[0].bias = pass->parameters[NORM1_BIAS].data;
    p.norm[1].weight = pass->parameters[NORM2_WEIGHT].data;
    p.norm[1].bias = pass->parameters[NORM2_BIAS].data;
    return p;
}

static bool shape(struct layer_shapes *s)
{
    const struct encoder *e = s->attributes;
    const struct stability_shape *x = &s->inputs[0];
    char text[STABILITY_SHAPE_TEXT];
    if (x->rank != 2 && x->rank != 3)
        return layer_shape_fail(s, "inputs",
                                "the input must have 3 dimensions %s or 2 without the batch, got %s",
                                e->batch_first ? "(batch, length, features)" : "(length, batch, features)",
                                stability_shape_text(x, text));
    if (x->sizes[x->rank - 1] != e->d_model)
        return layer_shape_fail(s, "d_model", "the input's last dimension must be d_model = %lld, got %s",
                                (long long)e->d_model, stability_shape_text(x, text));
    if (e->d_model % e->nhead != 0)
        return layer_shape_fail(s, "nhead", "d_model = %lld must be a multiple of nhead = %lld",
                                (long long)e->d_model, (long long)e->nhead);
    s->outputs[0] = *x;
    s->feature_dim = x->rank - 1;
    struct parts p = parts_of(e, x, s->training ? e->dropout : 0);
    layer_add_reals(s, &s->saved, p.saved);
    layer_add_reals(s, &s->workspace, p.workspace);
    double model = (double)p.rows * (double)e->d_model, wide = (double)e->dim_feedforward;
    s->flops = attention_flops(&p.attention) + 4 * model * wide + 18 * model + (double)p.rows * wide;
    return true;
}

/* ---- passes ---- */

static real *saved_at(const struct layer_pass *pass, int64_t offset)
{
    return (real *)pass->saved + offset;
}

static real *workspace_at(const struct layer_pass *pass, int64_t offset)
{
    return (real *)pass->workspace + offset;
}

static struct affine linear1(const struct parts *p)
{
    return affine_dense(p->rows, p->encoder->d_model, p->encoder->dim_feedforward);
}

static struct affine linear2(const struct parts *p)
{
    return affine_dense(p->rows, p->encoder->dim_feedforward, p->encoder->d_model);
}

static struct attention_parameters attention_parameters(const struct parts *p, const struct tensor *tensors)
{
    struct attention_parameters result = {
        .bias = tensors[IN_PROJ_BIAS].data,
        .out = tensors[OUT_PROJ_WEIGHT].data,
        .out_bias = tensors[OUT_PROJ_BIAS].data,
    };
    attention_unpack(&result, tensors[IN_PROJ_WEIGHT].data, p->encoder->d_model);
    return result;
}

/* The dropouts beside that of the attention weights, whose part of the stream comes first. */
enum dropout { AFTER_ATTENTION, AFTER_ACTIVATION, AFTER_LINEAR2 };

static int64_t dropout_count(const struct parts *p, enum dropout which)
{
    return p->rows * (which == AFTER_ACTIVATION ? p->encoder->dim_feedforward : p->encoder->d_model);
}

/* What `from` is after a dropout: itself, where it is not active. */
static const real *drop(const struct parts *p, enum dropout which, const real *from, real *to)
{
    if (p->attention.dropout == 0)
        return from;
    uint64_t first = attention_drawn(&p->attention);
    for (enum dropout earlier = AFTER_ATTENTION; earlier < which; earlier++)
        first += (uint64_t)dropout_count(p, earlier) + (uint64_t)(dropout_count(p, earlier) % 2);
    dropout_apply(p->attention.stream, first, p->attention.dropout, from, to, dropout_count(p, which));
    return to;
}

static void normalise(const struct parts *p, const struct layer_pass *pass, int which, const real *x, real *y)
{
    norm_forward(&p->norm[which], x, y, saved_at(pass, p->norm_saved[which]), pass->workspace);
}

/* y += x */
static void add(const real *x, real *y, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        y[i] += x[i];
}

static void attention_half(const struct parts *p, const struct layer_pass *pass)
{
    real *x = pass->inputs[0].data, *middle = saved_at(pass, p->middle), *attended = x;
    if (p->encoder->norm_first) {
        attended = saved_at(pass, p->attended);
        normalise(p, pass, 0, x, attended);
    }
    struct attention_parameters weights = attention_parameters(p, pass->parameters);
    struct attention_inputs inputs = {.query = attended};
    attention_forward(&p->attention, &weights, &inputs, middle, saved_at(pass, p->attention_saved),
                      workspace_at(pass, p->scratch));
    drop(p, AFTER_ATTENTION, middle, middle);
    add(x, middle, pass->inputs[0].count);
}

static void affine_half(const struct parts *p, const struct layer_pass *pass, real *sum)
{
    real *middle = saved_at(pass, p->middle), *fed = saved_at(pass, p->fed);
    real *hidden = saved_at(pass, p->hidden), *activated = saved_at(pass, p->activated);
    struct affine first = linear1(p), second = linear2(p);
    normalise(p, pass, p->encoder->norm_first ? 1 : 0, middle, fed);
    affine_forward(&first, fed, pass->parameters[LINEAR1_WEIGHT].data, pass->parameters[LINEAR1_BIAS].data,
                   hidden);
    activations[p->encoder->activation].forward(hidden, activated, dropout_count(p, AFTER_ACTIVATION));
    drop(p, AFTER_ACTIVATION, activated, activated);
    affine_forward(&second, activated, pass->parameters[LINEAR2_WEIGHT].data,
                   pass->parameters[LINEAR2_BIAS].data, sum);
    drop(p, AFTER_LINEAR2, sum, sum);
    add(p->encoder->norm_first ? middle : fed, sum, pass->inputs[0].count);
}

static void forward(const struct layer_pass *pass)
{
    struct parts p = parts_of_pass(pass);
    real *y = pass->outputs[0].data, *last = saved_at(pass, p.last);
    attention_half(&p, pass);
    affine_half(&p, pass, p.encoder->norm_first ? y : last);
    if (!p.encoder->norm_first)
        normalise(&p, pass, 1, last, y);
}

static void normalise_backward(const struct parts *p, const struct layer_pass *pass, int which, const real *x,
                               const real *dy, real *dx)
{
    const struct tensor *gradients = pass->parameter_gradients + (which == 0 ? NORM1_WEIGHT : NORM2_WEIGHT);
    struct norm_gradients wanted = {.dx = dx, .weight = gradients[0].data, .bias = gradients[1].data};
    norm_backward(&p->norm[which], x, dy, saved_at(pass, p->norm_saved[which]), pass->workspace, &wanted);
}

/* From the gradient of the sum that affine_half gives to that of `middle`, in the workspace's sum. */
static void affine_half_backward(const struct parts *p, const struct layer_pass *pass, const real *gradient)
{
    real *inner = workspace_at(pass, p->inner), *wide = workspace_at(pass, p->wide);
    real *sum = workspace_at(pass, p->sum), *middle = saved_at(pass, p->middle);
    const struct tensor *gradients = pass->parameter_gradients;
    struct affine first = linear1(p), second = linear2(p);
    affine_backward(&second, saved_at(pass, p->activated), pass->parameters[LINEAR2_WEIGHT].data,
                    drop(p, AFTER_LINEAR2, gradient, inner), wide, gradients[LINEAR2_WEIGHT].data,
                    gradients[LINEAR2_BIAS].data);
    drop(p, AFTER_ACTIVATION, wide, wide);
    activations[p->encoder->activation].backward(saved_at(pass, p->hidden), wide, wide,
                                                 dropout_count(p, AFTER_ACTIVATION));
    affine_backward(&first, saved_at(pass, p->fed), pass->parameters[LINEAR1_WEIGHT].data, wide, inner,
                    gradients[LINEAR1_WEIGHT].data, gradients[LINEAR1_BIAS].data);
    if (p->encoder->norm_first) {
        normalise_backward(p, pass, 1, middle, inner, sum);
        add(gradient, sum, pass->inputs[0].count);
    } else {
        add(gradient, inner, pass->inputs[0].count);
        normalise_backward(p, pass, 0, middle, inner, sum);
    }
}

/* From the gradient of `middle`, in the workspace's sum, to that of x. */
static void attention_half_backward(const struct parts *p, const struct layer_pass *pass)
{
    bool norm_first = p->encoder->norm_first;
    real *sum = workspace_at(pass, p->sum), *outer = workspace_at(pass, p->outer);
    real *x = pass->inputs[0].data, *dx = pass->input_gradients[0].data;
    struct attention_parameters weights = attention_parameters(p, pass->parameters);
    struct attention_parameters gradients = attention_parameters(p, pass->parameter_gradients);
    struct attention_inputs inputs = {.query = norm_first ? saved_at(pass, p->attended) : x};
    struct attention_inputs wanted = {.query = norm_first ? outer : dx};
    attention_backward(
        &p->attention, &weights, &inputs, drop(p, AFTER_ATTENTION, sum, workspace_at(pass, p->inner)),
        saved_at(pass, p->attention_saved), workspace_at(pass, p->scratch), &wanted, &gradients);
    if (norm_first)
        normalise_backward(p, pass, 0, x, outer, dx);
    if (dx)
        add(sum, dx, pass->inputs[0].count);
}

static void backward(const struct layer_pass *pass)
{
    struct parts p = parts_of_pass(pass);
    const real *gradient = pass->output_gradients[0].data;
    if (!p.encoder->norm_first) {
        real *outer = workspace_at(pass, p.outer);
        normalise_backward(&p, pass, 1, saved_at(pass, p.last), gradient, outer);
        gradient = outer;
    }
    affine_half_backward(&p, pass, gradient);
    attention_half_backward(&p, pass);
}

static uint64_t switches(const struct layer_pass *pass)
{
    struct parts p = parts_of_pass(pass);
    if (p.encoder->activation != RELU)
        return 0;
    return switches_above(saved_at(pass, p.hidden), dropout_count(&p, AFTER_ACTIVATION), 0);
}

static bool explain(const struct layer_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    struct parts p = parts_of_pass(pass);
    return !place->backward &&
           attention_explain(&p.attention, saved_at(pass, p.attention_saved), place->element, cause);
}

LAYER_OPS(TransformerEncoderLayer) = {
    .type = {.type = "TransformerEncoderLayer",
             .torch = "torch.nn.TransformerEncoderLayer",
             .documentation = "attention of the input to itself and two affine maps with an activation, each "
                              "with a residual connection and a normalisation",
             .minimum_inputs = 1,
             .maximum_inputs = 1,
             .attributes = attributes,
             .parameters = parameters},
    .attributes_size = sizeof(struct encoder),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .switches = switches,
    .explain = explain,
};
