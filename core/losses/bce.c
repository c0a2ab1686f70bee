/* Binary cross-entropy: BCELoss of probabilities, BCEWithLogitsLoss of logits. Weights are broadcast to the
 * input's shape. */
#include "core/layers/broadcast.h"
#include "core/losses/elementwise.h"

struct bce {
    struct reduced reduced;
    const struct stability_tensor *weight;     /* or NULL */
    const struct stability_tensor *pos_weight; /* or NULL */
};

/* A pair's part of the loss or its derivative; `positive` is the weight of the target's share. */
typedef real weighted_function(real x, real t, real positive);

/* ---- weights ---- */

static bool broadcasts(const struct stability_shape *from, const struct stability_shape *to)
{
    for (int d = 1; d <= from->rank; d++) /* from the last dimension */
        if (d > to->rank ||
            (from->sizes[from->rank - d] != 1 && from->sizes[from->rank - d] != to->sizes[to->rank - d]))
            return false;
    return true;
}

/* Checks a weight and adds its memory. */
static bool take_weight(struct loss_shapes *s, const struct stability_tensor *weight, const char *name)
{
    s->workspace += (weight ? (size_t)stability_shape_count(&weight->shape) : 1) * s->real_size;
    if (!weight || broadcasts(&weight->shape, &s->inputs[0]))
        return true;
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

/* A weight as reals in the workspace, which it moves on; a single 1 where there is none. */
static const real *convert_weight(const struct stability_tensor *weight, real **workspace)
{
    real *converted = *workspace;
    int64_t count = weight ? stability_shape_count(&weight->shape) : 1;
    if (weight)
        stability_convert(weight->dtype, weight->data, REAL_DTYPE, converted, count);
    else
        converted[0] = 1;
    *workspace += count;
    return converted;
}

/* The walk over the input with its weights. */
struct weighted {
    struct broadcast walk;
    const real *weight;
    const real *positive;
};

static bool weighted_first(struct weighted *w, const struct loss_pass *pass)
{
    static const struct stability_shape scalar = {0};
    const struct bce *bce = pass->attributes;
    real *workspace = pass->workspace;
    w->weight = convert_weight(bce->weight, &workspace);
    w->positive = convert_weight(bce->pos_weight, &workspace);
    return broadcast_first(&w->walk, &pass->inputs[0].shape, bce->weight ? &bce->weight->shape : &scalar,
                           bce->pos_weight ? &bce->pos_weight->shape : &scalar);
}

static real weight_at(const struct weighted *w, int64_t i)
{
    return w->weight[w->walk.operand[0] + i * w->walk.step[0]];
}

static real positive_at(const struct weighted *w, int64_t i)
{
    return w->positive[w->walk.operand[1] + i * w->walk.step[1]];
}

/* ---- passes ---- */

__attribute__((always_inline)) static inline double reduce(const struct loss_pass *pass,
                                                           weighted_function *term)
{
    const real *x = pass->inputs[0].data, *t = pass->target.data;
    struct weighted w;
    double sum = 0;
    for (bool more = weighted_first(&w, pass); more; more = broadcast_next(&w.walk))
        for (int64_t i = 0; i < w.walk.row; i++) {
            int64_t k = w.walk.whole + i;
            sum += (double)(term(x[k], t[k], positive_at(&w, i)) * weight_at(&w, i));
        }
    return sum / reduction_divisor(pass, pass->inputs[0].count);
}

__attribute__((always_inline)) static inline void derive(const struct loss_pass *pass,
                                                         weighted_function *derivative)
{
    const real *x = pass->inputs[0].data, *t = pass->target.data;
    real *dx = pass->input_gradients[0].data;
    real scale = (real)(1 / reduction_divisor(pass, pass->inputs[0].count));
    struct weighted w;
    for (bool more = dx && weighted_first(&w, pass); more; more = broadcast_next(&w.walk))
        for (int64_t i = 0; i < w.walk.row; i++) {
            int64_t k = w.walk.whole + i;
            dx[k] = derivative(x[k], t[k], positive_at(&w, i)) * weight_at(&w, i) * scale;
        }
}

/* Weights and targets of which a loss is convex. */
static bool is_convex(const struct loss_pass *pass)
{
    bool convex = true;
    struct weighted w;
    for (bool more = weighted_first(&w, pass); more; more = broadcast_next(&w.walk))
        for (int64_t i = 0; i < w.walk.row; i++) {
            real t = ((const real *)pass->target.data)[w.walk.whole + i];
            convex &= t >= 0 && t <= 1 && weight_at(&w, i) >= 0 && positive_at(&w, i) >= 0;
        }
    return convex;
}

static bool bound_weighted(struct loss_intervals *l, weighted_function *term, weighted_function *derivative)
{
    struct loss_pass pass = l->pass;
    const struct interval_tensor *dx = &l->input_gradients[0];
    struct span sum = {0, 0};
    struct weighted w;
    pass.inputs = &l->inputs[0].low;
    double divisor = reduction_divisor(&pass, pass.inputs[0].count);
    bool convex = is_convex(&pass);
    for (bool more = weighted_first(&w, &pass); more; more = broadcast_next(&w.walk))
        for (int64_t i = 0; i < w.walk.row; i++) {
            int64_t k = w.walk.whole + i;
            struct span x = span_at(&l->inputs[0], k);
            real t = ((const real *)pass.target.data)[k], positive = positive_at(&w, i);
            double weight = (double)weight_at(&w, i), scale = weight / divisor;
            double slope = (double)derivative((real)x.low, t, positive);
            double last = (double)derivative((real)x.high, t, positive);
            double size = fabs(slope) + fabs(last) + (1 + fabs((double)positive)) * (1 + fabs((double)t));
            struct span one = bound_term((double)term((real)x.low, t, positive),
                                         (double)term((real)x.high, t, positive), slope, x);
            struct span d = {fmin(slope, last) * scale, fmax(slope, last) * scale};
            sum = span_add(sum, (struct span){one.low * weight, one.high * weight});
            if (dx->low.data)
                interval_store(dx, k, convex ? d : (struct span){-INFINITY, INFINITY},
                               isnan(slope) || isnan(last)
                                   ? NAN
                                   : 16 * (double)REAL_EPSILON * size * fabs(scale) + (double)REAL_MIN);
        }
    double error = (double)pass.inputs[0].count * DBL_EPSILON * span_magnitude(sum);
    l->low = convex ? (sum.low - error) / divisor : -INFINITY;
    l->high = convex ? (sum.high + error) / divisor : INFINITY;
    return true;
}

#define WEIGHT_ROW                                                                                         \
    {                                                                                                      \
        "weight", STABILITY_ATTRIBUTE_TENSOR, offsetof(struct bce, weight),                                \
            .nullable = true, .documentation = "a factor for each element, broadcast to the input's shape" \
    }

/* ---- BCELoss ---- */

static real clamped_log(real x)
{
    real value = real_log(x);
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
    real variance = (1 - x) * x, least = (real)1e-12F; /* PyTorch's, which is a float32 */
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

static real unweighted_term(const void *attributes, real x, real t)
{
    (void)attributes;
    return term(x, t, 1);
}

static bool explain(const struct loss_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    return explain_pairs(pass, place, unweighted_term,
                         "log(x) or log(1 - x) in -(t log x + (1 - t) log(1 - x))", cause);
}

static bool bounds(struct loss_intervals *l)
{
    return bound_weighted(l, term, derivative);
}

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
    .explain = explain,
    .bounds = bounds,
};

/* ---- BCEWithLogitsLoss ---- */

/* (1 - t) log(1 + eˣ) + positive t log(1 + e⁻ˣ): of terms that do not cancel each other, so that a small loss
 * is not lost. */
static real logit_term(real x, real t, real positive)
{
    return (1 - t) * real_softplus(x) + positive * t * real_softplus(-x);
}

static real logit_derivative(real x, real t, real positive)
{
    real sigmoid = real_sigmoid(x);
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

static real unweighted_logit_term(const void *attributes, real x, real t)
{
    (void)attributes;
    return logit_term(x, t, 1);
}

static bool explain_logits(const struct loss_pass *pass, const struct layer_place *place,
                           struct layer_cause *cause)
{
    return explain_pairs(pass, place, unweighted_logit_term, "(1 - t) x + log(1 + exp(-x))", cause);
}

static bool bound_logits(struct loss_intervals *l)
{
    return bound_weighted(l, logit_term, logit_derivative);
}

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
    .explain = explain_logits,
    .bounds = bound_logits,
};
