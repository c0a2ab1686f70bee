/* Binary cross-entropy: BCELoss of probabilities, BCEWithLogitsLoss of logits. Weights are broadcast to the
 * input's shape. */
#include "core/losses/elementwise.h"

struct bce {
    struct reduced reduced;
    const struct stability_tensor *weight;     /* or NULL */
    const struct stability_tensor *pos_weight; /* or NULL */
};

/* A pair's part of the loss or its derivative; `positive` is the weight of the target's share. */
typedef real weighted_function(real x, real t, real positive);

/* ---- weights ---------------------------------------------------------------------------------------- */

static bool broadcasts(const struct stability_shape *from, const struct stability_shape *to)
{
    for (int d = 1; d <= from->rank; d++) /* from the last dimension */
        if (d > to->rank ||
            (from->sizes[from->rank - d] != 1 && from->sizes[from->rank - d] != to->sizes[to->rank - d]))
            return false;
    return true;
}

/* Checks a weight and adds the memory of it and of its broadcast. */
static bool take_weight(struct loss_shapes *s, const struct stability_tensor *weight, const char *name)
{
    if (!weight)
        return true;
    if (broadcasts(&weight->shape, &s->inputs[0])) {
        s->workspace += 2 * (size_t)stability_shape_count(&s->inputs[0]) * s->real_size;
        return true;
    }
    char pointer[32] = "/model/loss", given[STABILITY_SHAPE_TEXT], input[STABILITY_SHAPE_TEXT];
    stability_pointer_append(pointer, sizeof(pointer), name);
    return loss_shape_fail(s, pointer, "%s of shape %s cannot be broadcast to the input's shape %s", name,
                           stability_shape_text(&weight->shape, given),
                           stability_shape_text(&s->inputs[0], input));
}

static bool shape(struct loss_shapes *s)
{
    const struct bce *bce = s->attributes;
    return loss_shape_of_pairs(s) && take_weight(s, bce->weight, "weight") &&
           take_weight(s, bce->pos_weight, "pos_weight");
}

/* Strides of the elements of `from` along the dimensions of `to`. */
static void broadcast_strides(const struct stability_shape *from, const struct stability_shape *to,
                              int64_t strides[STABILITY_MAX_RANK])
{
    int64_t stride = 1;
    for (int d = 1; d <= to->rank; d++) {
        int64_t size = d <= from->rank ? from->sizes[from->rank - d] : 1;
        strides[to->rank - d] = size == 1 ? 0 : stride;
        stride *= size;
    }
}

static void broadcast(const real *source, const struct stability_shape *from, const struct tensor *to,
                      real *destination)
{
    int64_t strides[STABILITY_MAX_RANK], index[STABILITY_MAX_RANK] = {0}, offset = 0;
    broadcast_strides(from, &to->shape, strides);
    for (int64_t i = 0; i < to->count; i++) {
        destination[i] = source[offset];
        for (int d = to->shape.rank - 1; d >= 0; d--) {
            offset += strides[d];
            if (++index[d] < to->shape.sizes[d])
                break;
            offset -= index[d] * strides[d];
            index[d] = 0;
        }
    }
}

/* A weight for each element of the input, in the workspace; NULL where there is none. */
static const real *broadcast_weight(const struct loss_pass *pass, const struct stability_tensor *weight,
                                    real **workspace)
{
    if (!weight)
        return NULL;
    const struct tensor *x = &pass->inputs[0];
    real *all = *workspace, *converted = all + x->count;
    *workspace += 2 * x->count;
    if (x->count == 0)
        return all;
    stability_convert(weight->dtype, weight->data, REAL_DTYPE, converted,
                      stability_shape_count(&weight->shape));
    broadcast(converted, &weight->shape, x, all);
    return all;
}

/* ---- passes ----------------------------------------------------------------------------------------- */

__attribute__((always_inline)) static inline double reduce(const struct loss_pass *pass,
                                                           weighted_function *term)
{
    const struct bce *bce = pass->attributes;
    const real *x = pass->inputs[0].data, *t = pass->target.data;
    real *workspace = pass->workspace;
    const real *weight = broadcast_weight(pass, bce->weight, &workspace);
    const real *positive = broadcast_weight(pass, bce->pos_weight, &workspace);
    double sum = 0;
    for (int64_t i = 0; i < pass->inputs[0].count; i++)
        sum += (double)(term(x[i], t[i], positive ? positive[i] : 1) * (weight ? weight[i] : 1));
    return sum / reduction_divisor(pass, pass->inputs[0].count);
}

__attribute__((always_inline)) static inline void derive(const struct loss_pass *pass,
                                                         weighted_function *derivative)
{
    const struct bce *bce = pass->attributes;
    const real *x = pass->inputs[0].data, *t = pass->target.data;
    real *dx = pass->input_gradients[0].data;
    real *workspace = pass->workspace;
    const real *weight = broadcast_weight(pass, bce->weight, &workspace);
    const real *positive = broadcast_weight(pass, bce->pos_weight, &workspace);
    real scale = (real)(1 / reduction_divisor(pass, pass->inputs[0].count));
    for (int64_t i = 0; dx && i < pass->inputs[0].count; i++)
        dx[i] = derivative(x[i], t[i], positive ? positive[i] : 1) * (weight ? weight[i] : 1) * scale;
}

#define WEIGHT_ROW                                                                                         \
    {                                                                                                      \
        "weight", STABILITY_ATTRIBUTE_TENSOR, offsetof(struct bce, weight),                                \
            .nullable = true, .documentation = "a factor for each element, broadcast to the input's shape" \
    }

/* ---- BCELoss ---------------------------------------------------------------------------------------- */

static real clamped_log(real x)
{
    real value = log(x);
    return value < -100 ? -100 : value; /* so that NaN stays NaN */
}

static real term(real x, real t, real positive)
{
    (void)positive;
    return (t - 1) * clamped_log(1 - x) - t * clamped_log(x);
}

static real derivative(real x, real t, real positive)
{
    (void)positive;
    real variance = (1 - x) * x, least = (real)1e-12;
    return (x - t) / (variance < least ? least : variance);
}

static double forward(const struct loss_pass *pass)
{
    return reduce(pass, term);
}

static void backward(const struct loss_pass *pass)
{
    derive(pass, derivative);
}

static const struct stability_attribute attributes[] = {REDUCTION_ROW, WEIGHT_ROW, {0}};

LOSS_OPS(BCELoss) = {
    .type = {.type = "BCELoss",
             .torch = "torch.nn.BCELoss",
             .documentation = "-(t log x + (1 - t) log(1 - x)) of probabilities x; logarithms end at -100",
             .inputs = 1,
             .attributes = attributes},
    .attributes_size = sizeof(struct bce),
    .shape = shape,
    .forward = forward,
    .backward = backward,
};

/* ---- BCEWithLogitsLoss ------------------------------------------------------------------------------ */

/* (1 - t) x + (1 + (positive - 1) t) log(1 + e⁻ˣ) */
static real logit_term(real x, real t, real positive)
{
    real softplus = (x < 0 ? -x : 0) + log1p(exp(-fabs(x)));
    return (1 - t) * x + (1 + (positive - 1) * t) * softplus;
}

static real logit_derivative(real x, real t, real positive)
{
    real sigmoid = 1 / (1 + exp(-x));
    return (positive * t + 1 - t) * sigmoid - positive * t;
}

static double forward_logits(const struct loss_pass *pass)
{
    return reduce(pass, logit_term);
}

static void backward_logits(const struct loss_pass *pass)
{
    derive(pass, logit_derivative);
}

static const struct stability_attribute logit_attributes[] = {
    REDUCTION_ROW,
    WEIGHT_ROW,
    {"pos_weight", STABILITY_ATTRIBUTE_TENSOR, offsetof(struct bce, pos_weight), .nullable = true,
     .documentation = "a weight of the positive targets, broadcast to the input's shape"},
    {0},
};

LOSS_OPS(BCEWithLogitsLoss) = {
    .type = {.type = "BCEWithLogitsLoss",
             .torch = "torch.nn.BCEWithLogitsLoss",
             .documentation = "BCELoss of sigmoid(x), without its overflow",
             .inputs = 1,
             .attributes = logit_attributes},
    .attributes_size = sizeof(struct bce),
    .shape = shape,
    .forward = forward_logits,
    .backward = backward_logits,
};
