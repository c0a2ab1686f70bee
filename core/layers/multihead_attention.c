/* MultiheadAttention: attention of one input to itself, or of queries to keys and values. */
#include "core/layers/attention.h"
#include "core/real/interval.h"

struct multihead {
    int64_t embed_dim;
    int64_t num_heads;
    double dropout;
    bool bias;
    bool add_bias_kv;
    bool add_zero_attn;
    struct optional_integer kdim; /* null: embed_dim */
    struct optional_integer vdim; /* null: embed_dim */
    bool batch_first;
    bool is_causal;
};

static const struct stability_attribute attributes[] = {
    {"embed_dim", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct multihead, embed_dim), .required = true,
     .minimum = 1, .maximum = 1 << 20, .documentation = "features of queries and of the output"},
    {"num_heads", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct multihead, num_heads), .required = true,
     .minimum = 1, .documentation = "heads, each with embed_dim / num_heads features"},
    {"dropout", STABILITY_ATTRIBUTE_REAL, offsetof(struct multihead, dropout), .maximum = 1,
     .documentation = "probability of dropout of the attention weights"},
    {"bias", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct multihead, bias), .number = true,
     .documentation = "whether the projections have biases"},
    {"add_bias_kv", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct multihead, add_bias_kv),
     .documentation = "whether a learnt key and value are added to every sample's"},
    {"add_zero_attn", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct multihead, add_zero_attn),
     .documentation = "whether a key and a value of zeros are added to every sample's"},
    {"kdim", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct multihead, kdim), .nullable = true, .minimum = 1,
     .documentation = "features of the keys' input; null: embed_dim"},
    {"vdim", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct multihead, vdim), .nullable = true, .minimum = 1,
     .documentation = "features of the values' input; null: embed_dim"},
    {"batch_first", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct multihead, batch_first),
     .documentation = "whether tensors are (batch, length, features), not (length, batch, features)"},
    {"is_causal", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct multihead, is_causal),
     .documentation = "whether a query sees no key of a later position"},
    {0},
};

enum {
    IN_PROJ_WEIGHT,
    Q_PROJ_WEIGHT,
    K_PROJ_WEIGHT,
    V_PROJ_WEIGHT,
    IN_PROJ_BIAS,
    BIAS_K,
    BIAS_V,
    OUT_PROJ_WEIGHT,
    OUT_PROJ_BIAS
};
static const struct stability_parameter parameters[] = {
    [IN_PROJ_WEIGHT] = {"in_proj_weight", "3 * embed_dim, embed_dim", .when = "packed",
                        .init = "xavier_uniform_",
                        .documentation = "of queries, keys and values; where kdim and vdim are embed_dim"},
    [Q_PROJ_WEIGHT] = {"q_proj_weight", "embed_dim, embed_dim", .when = "apart", .init = "xavier_uniform_",
                       .documentation = "where kdim or vdim is not embed_dim"},
    [K_PROJ_WEIGHT] = {"k_proj_weight", "embed_dim, kdim", .when = "apart", .init = "xavier_uniform_",
                       .documentation = "where kdim or vdim is not embed_dim"},
    [V_PROJ_WEIGHT] = {"v_proj_weight", "embed_dim, vdim", .when = "apart", .init = "xavier_uniform_",
                       .documentation = "where kdim or vdim is not embed_dim"},
    [IN_PROJ_BIAS] = {"in_proj_bias", "3 * embed_dim", .when = "bias", .init = "zeros_"},
    [BIAS_K] = {"bias_k", "1, 1, embed_dim", .when = "add_bias_kv", .init = "xavier_normal_"},
    [BIAS_V] = {"bias_v", "1, 1, embed_dim", .when = "add_bias_kv", .init = "xavier_normal_"},
    [OUT_PROJ_WEIGHT] = {"out_proj.weight", "embed_dim, embed_dim", .init = "uniform_",
                         .init_bound = "embed_dim"},
    [OUT_PROJ_BIAS] = {"out_proj.bias", "embed_dim", .when = "bias", .init = "zeros_"},
    {0},
};

static int64_t key_size(const struct multihead *m)
{
    return m->kdim.present ? m->kdim.value : m->embed_dim;
}

static int64_t value_size(const struct multihead *m)
{
    return m->vdim.present ? m->vdim.value : m->embed_dim;
}

static bool is_packed(const struct multihead *m)
{
    return key_size(m) == m->embed_dim && value_size(m) == m->embed_dim;
}

static int copies(const void *attributes_)
{
    (void)attributes_;
    return 1;
}

static void copy(const void *attributes_, int index, struct layer_copy *copy)
{
    const struct multihead *m = attributes_;
    (void)index;
    copy->variables[0] = (struct attribute_variable){"packed", is_packed(m)};
    copy->variables[1] = (struct attribute_variable){"apart", !is_packed(m)};
    copy->variables[2] = (struct attribute_variable){"kdim", key_size(m)};
    copy->variables[3] = (struct attribute_variable){"vdim", value_size(m)};
}

/* ---- shapes ---- */

static bool check_features(struct layer_shapes *s, int input, const char *attribute, const char *what,
                           int64_t size)
{
    const struct stability_shape *x = &s->inputs[input];
    char text[STABILITY_SHAPE_TEXT];
    return x->sizes[x->rank - 1] == size ||
           layer_shape_fail(s, attribute, "the last dimension of the %s must be %s = %lld, got %s", what,
                            attribute, (long long)size, stability_shape_text(x, text));
}

static bool check_ranks(struct layer_shapes *s, const struct multihead *m)
{
    char text[STABILITY_SHAPE_TEXT];
    if (s->input_count == 2)
        return layer_shape_fail(
            s, "inputs", "it reads 1 input, which attends to itself, or 3: query, key and value; got 2");
    for (int i = 0; i < s->input_count; i++) {
        int rank = s->inputs[i].rank;
        if ((rank != 2 && rank != 3) || rank != s->inputs[0].rank)
            return layer_shape_fail(s, "inputs",
                                    "inputs must have 3 dimensions %s, or all of them 2 without the batch, "
                                    "got %s",
                                    m->batch_first ? "(batch, length, features)"
                                                   : "(length, batch, features)",
                                    stability_shape_text(&s->inputs[i], text));
    }
    return true;
}

/* Keys and values of one length, all inputs of one batch size. */
static bool check_sizes(struct layer_shapes *s, const struct multihead *m)
{
    const struct stability_shape *query = &s->inputs[0], *key = &s->inputs[1], *value = &s->inputs[2];
    char first[STABILITY_SHAPE_TEXT], second[STABILITY_SHAPE_TEXT];
    int length = m->batch_first && query->rank == 3 ? 1 : 0;
    if (query->rank == 3 && query->sizes[1 - length] != key->sizes[1 - length])
        return layer_shape_fail(s, "inputs", "query and key must have the same batch size, got %s and %s",
                                stability_shape_text(query, first), stability_shape_text(key, second));
    for (int d = 0; d < key->rank - 1; d++)
        if (key->sizes[d] != value->sizes[d])
            return layer_shape_fail(s, "inputs",
                                    "key and value must have the same length and batch size, got %s and %s",
                                    stability_shape_text(key, first), stability_shape_text(value, second));
    return true;
}

static bool check(struct layer_shapes *s, const struct multihead *m)
{
    if (m->embed_dim % m->num_heads != 0)
        return layer_shape_fail(s, "num_heads", "embed_dim = %lld must be a multiple of num_heads = %lld",
                                (long long)m->embed_dim, (long long)m->num_heads);
    if (!check_ranks(s, m) || !check_features(s, 0, "embed_dim", "query", m->embed_dim))
        return false;
    int key = s->input_count == 3 ? 1 : 0, value = s->input_count == 3 ? 2 : 0;
    return check_features(s, key, "kdim", "key", key_size(m)) &&
           check_features(s, value, "vdim", "value", value_size(m)) &&
           (s->input_count == 1 || check_sizes(s, m));
}

static struct attention attention_of(const struct multihead *m, int input_count,
                                     const struct stability_shape *query, const struct stability_shape *key)
{
    bool batched = query->rank == 3;
    int length = batched && m->batch_first ? 1 : 0;
    return (struct attention){
        .embed = m->embed_dim,
        .heads = m->num_heads,
        .key_size = key_size(m),
        .value_size = value_size(m),
        .same = input_count == 1,
        .batch_first = batched && m->batch_first,
        .causal = m->is_causal,
        .bias_key = m->add_bias_kv,
        .zero_key = m->add_zero_attn,
        .batch = batched ? query->sizes[1 - length] : 1,
        .queries = query->sizes[length],
        .keys = key->sizes[length],
    };
}

static bool shape(struct layer_shapes *s)
{
    const struct multihead *m = s->attributes;
    if (!check(s, m))
        return false;
    s->outputs[0] = s->inputs[0];
    s->feature_dim = s->outputs[0].rank - 1;
    struct attention a =
        attention_of(m, s->input_count, &s->inputs[0], &s->inputs[s->input_count == 3 ? 1 : 0]);
    a.dropout = s->training ? m->dropout : 0;
    layer_add_reals(s, &s->saved, attention_saved(&a));
    layer_add_reals(s, &s->workspace, attention_workspace(&a));
    s->flops = attention_flops(&a);
    return true;
}

/* ---- passes ---- */

static struct attention attention_of_pass(const struct layer_pass *pass)
{
    const struct multihead *m = pass->attributes;
    const struct tensor *key = &pass->inputs[pass->input_count == 3 ? 1 : 0];
    struct attention a = attention_of(m, pass->input_count, &pass->inputs[0].shape, &key->shape);
    a.dropout = pass->drops ? m->dropout : 0;
    a.stream = pass->seed;
    return a;
}

static struct attention_parameters parameters_of(const struct multihead *m, const struct tensor *tensors)
{
    struct attention_parameters p = {
        .query = tensors[Q_PROJ_WEIGHT].data,
        .key = tensors[K_PROJ_WEIGHT].data,
        .value = tensors[V_PROJ_WEIGHT].data,
        .bias = tensors[IN_PROJ_BIAS].data,
        .key_bias = tensors[BIAS_K].data,
        .value_bias = tensors[BIAS_V].data,
        .out = tensors[OUT_PROJ_WEIGHT].data,
        .out_bias = tensors[OUT_PROJ_BIAS].data,
    };
    if (is_packed(m))
        attention_unpack(&p, tensors[IN_PROJ_WEIGHT].data, m->embed_dim);
    return p;
}

static struct attention_inputs inputs_of(const struct layer_pass *pass, const struct tensor *tensors)
{
    struct attention_inputs inputs = {.query = tensors[0].data};
    if (pass->input_count == 3) {
        inputs.key = tensors[1].data;
        inputs.value = tensors[2].data;
    }
    return inputs;
}

static void forward(const struct layer_pass *pass)
{
    struct attention a = attention_of_pass(pass);
    struct attention_parameters p = parameters_of(pass->attributes, pass->parameters);
    struct attention_inputs inputs = inputs_of(pass, pass->inputs);
    attention_forward(&a, &p, &inputs, pass->outputs[0].data, pass->saved, pass->workspace);
}

static void backward(const struct layer_pass *pass)
{
    struct attention a = attention_of_pass(pass);
    struct attention_parameters p = parameters_of(pass->attributes, pass->parameters);
    struct attention_parameters gradients = parameters_of(pass->attributes, pass->parameter_gradients);
    struct attention_inputs inputs = inputs_of(pass, pass->inputs);
    struct attention_inputs wanted = inputs_of(pass, pass->input_gradients);
    attention_backward(&a, &p, &inputs, pass->output_gradients[0].data, pass->saved, pass->workspace, &wanted,
                       &gradients);
}

static bool explain(const struct layer_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    struct attention a = attention_of_pass(pass);
    return !place->backward && attention_explain(&a, pass->saved, place->element, cause);
}

/* ---- bounds: by magnitudes; a head's output is a mean of values, its weights' gradients are means too ----
 */

enum { QUERY, KEY, VALUE, PROJECTIONS };

struct magnitudes {
    struct attention attention;
    double inputs[PROJECTIONS];
    double projected[PROJECTIONS]; /* of q, k, v */
    double mean;                   /* of the heads' output: v, with dropout's factor */
    double keep;                   /* that factor */
    double margin;                 /* for rounding: a factor above 1 */
    bool known;                    /* no score and no sum overflows */
};

static const struct interval_tensor *projection(const struct interval_pass *p, int which, int64_t *rows)
{
    const struct multihead *m = p->pass.attributes;
    *rows = is_packed(m) ? 3 * m->embed_dim : m->embed_dim;
    return &p->parameters[is_packed(m) ? IN_PROJ_WEIGHT : Q_PROJ_WEIGHT + which];
}

static bool magnitudes_of(struct interval_pass *p, struct magnitudes *m)
{
    struct layer_pass pass;
    if (!interval_low_pass(p, &pass))
        return false;
    struct attention a = attention_of_pass(&pass);
    *m = (struct magnitudes){.attention = a, .keep = a.dropout < 1 ? 1 / (1 - a.dropout) : 1};
    double terms = (double)(a.embed + a.key_size + a.value_size + (a.queries + a.keys + 2) * (a.batch + 1));
    m->margin = 1 + 64 * terms * (double)REAL_EPSILON;
    for (int k = 0; k < PROJECTIONS; k++) {
        int64_t rows;
        const struct interval_tensor *weight = projection(p, k, &rows);
        m->inputs[k] = interval_magnitude(&p->inputs[p->pass.input_count == 3 ? k : 0]);
        m->projected[k] = interval_row_sum(weight, rows, false) * m->inputs[k] * m->margin;
        m->projected[k] += interval_magnitude(&p->parameters[IN_PROJ_BIAS]);
    }
    m->projected[KEY] = fmax(m->projected[KEY], interval_magnitude(&p->parameters[BIAS_K]));
    m->projected[VALUE] = fmax(m->projected[VALUE], interval_magnitude(&p->parameters[BIAS_V]));
    m->mean = m->projected[VALUE] * m->keep * m->margin;
    double score = m->projected[QUERY] * m->projected[KEY] * (double)a.embed * m->margin;
    m->known = 4 * score <= (double)REAL_MAX && 4 * m->mean * m->keep <= (double)REAL_MAX;
    return true;
}

static bool bound_forward(struct interval_pass *p)
{
    struct magnitudes m;
    if (!magnitudes_of(p, &m))
        return false;
    double most = interval_row_sum(&p->parameters[OUT_PROJ_WEIGHT], m.attention.embed, false) * m.mean;
    most = (most + interval_magnitude(&p->parameters[OUT_PROJ_BIAS])) * m.margin;
    interval_fill(&p->outputs[0], m.known ? -most : -INFINITY, m.known ? most : INFINITY);
    return true;
}

/* Gradients of q, k and v, by that of the output. */
static void gradients_of(const struct interval_pass *p, const struct magnitudes *m, double dy,
                         double gradients[PROJECTIONS])
{
    const struct attention *a = &m->attention;
    double size = (double)a->embed / (double)a->heads, queries = (double)a->queries;
    double heads = interval_row_sum(&p->parameters[OUT_PROJ_WEIGHT], a->embed, true) * dy * m->margin;
    double weights = size * heads * m->projected[VALUE] * m->keep * m->margin;
    double scores = 2 * weights / sqrt(size) * m->margin; /* summed up over the keys of a query */
    gradients[QUERY] = scores * m->projected[KEY] * m->margin;
    gradients[KEY] = scores * queries * m->projected[QUERY] * m->margin;
    gradients[VALUE] = heads * queries * m->keep * m->margin;
    double most = fmax(fmax(gradients[QUERY], gradients[KEY]), fmax(gradients[VALUE], 4 * weights));
    for (int k = 0; k < PROJECTIONS && !(most * size * 4 <= (double)REAL_MAX); k++)
        gradients[k] = INFINITY;
}

static void fill_magnitude(const struct interval_tensor *tensor, double most)
{
    most = isnan(most) ? INFINITY : most;
    interval_fill(tensor, -most, most);
}

static bool bound_backward(struct interval_pass *p)
{
    struct magnitudes m;
    double gradients[PROJECTIONS], dy = interval_magnitude(&p->output_gradients[0]), most = 0, all = 0;
    if (!magnitudes_of(p, &m))
        return false;
    if (!m.known) {
        interval_give_up(p, true);
        return true;
    }
    gradients_of(p, &m, dy, gradients);
    double rows = (double)(m.attention.batch * (m.attention.queries + m.attention.keys)) * m.margin;
    for (int k = 0; k < PROJECTIONS; k++) {
        int64_t count;
        const struct interval_tensor *weight = projection(p, k, &count);
        double dx = interval_row_sum(weight, count, true) * gradients[k] * m.margin;
        all += dx;
        most = fmax(most, rows * gradients[k]);
        fill_magnitude(&p->parameter_gradients[Q_PROJ_WEIGHT + k], rows * gradients[k] * m.inputs[k]);
        if (p->pass.input_count == 3)
            fill_magnitude(&p->input_gradients[k], dx);
    }
    if (p->pass.input_count == 1)
        fill_magnitude(&p->input_gradients[0], all * m.margin);
    fill_magnitude(&p->parameter_gradients[IN_PROJ_WEIGHT], most * m.inputs[0]);
    fill_magnitude(&p->parameter_gradients[IN_PROJ_BIAS], most);
    fill_magnitude(&p->parameter_gradients[BIAS_K], most);
    fill_magnitude(&p->parameter_gradients[BIAS_V], most);
    fill_magnitude(&p->parameter_gradients[OUT_PROJ_WEIGHT], rows * dy * m.mean);
    fill_magnitude(&p->parameter_gradients[OUT_PROJ_BIAS], rows * dy);
    return true;
}

static const struct layer_bounds bounds = {.forward = bound_forward, .backward = bound_backward};

LAYER_OPS(MultiheadAttention) = {
    .type = {.type = "MultiheadAttention",
             .torch = "torch.nn.MultiheadAttention",
             .documentation = "attention of one input to itself, or of the first of three to the others, its "
                              "keys and values",
             .minimum_inputs = 1,
             .maximum_inputs = 3,
             .attributes = attributes,
             .parameters = parameters},
    .attributes_size = sizeof(struct multihead),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .copies = copies,
    .copy = copy,
    .explain = explain,
    .bounds = &bounds,
};
