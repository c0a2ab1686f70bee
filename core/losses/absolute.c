/* |x - t| and its relatives that are quadratic near 0. */
#include "core/losses/elementwise.h"

static int64_t terms(const struct loss_pass *pass)
{
    return pass->inputs[0].count;
}

static real sign(real x)
{
    return (real)((x > 0) - (x < 0));
}

/* ---- L1Loss ---- */

static real l1_term(const void *attributes, real x, real t)
{
    (void)attributes;
    return fabs(x - t);
}

static real l1_derivative(const void *attributes, real x, real t)
{
    (void)attributes;
    return sign(x - t);
}

static double l1_forward(const struct loss_pass *pass)
{
    return sum_of_pairs(pass, l1_term) / reduction_divisor(pass, terms(pass));
}

static void l1_backward(const struct loss_pass *pass)
{
    derive_pairs(pass, reduction_divisor(pass, terms(pass)), l1_derivative);
}

static unsigned l1_side(const void *attributes, real x, real t)
{
    (void)attributes;
    return x > t;
}

static uint64_t l1_switches(const struct loss_pass *pass)
{
    return switches_of_pairs(pass, l1_side);
}

static const struct stability_attribute l1_attributes[] = {REDUCTION_ROW, {0}};

static bool l1_explain(const struct loss_pass *pass, const struct layer_place *place,
                       struct layer_cause *cause)
{
    return explain_pairs(pass, place, l1_term, "|x - t|", cause);
}

static bool l1_bounds(struct loss_intervals *l)
{
    return bound_pairs(l, reduction_divisor(&l->pass, l->inputs[0].low.count), l1_term, l1_derivative);
}

LOSS_OPS(L1Loss) = {
    .type = {.type = "L1Loss",
             .torch = "torch.nn.L1Loss",
             .documentation = "absolute differences, |x - t|",
             .inputs = 1,
             .attributes = l1_attributes},
    .attributes_size = sizeof(struct reduced),
    .shape = loss_shape_of_pairs,
    .forward = l1_forward,
    .backward = l1_backward,
    .switches = l1_switches,
    .explain = l1_explain,
    .bounds = l1_bounds,
};

/* ---- quadratic near 0 ---- */

/* Below the quadratic part, in it, above it. */
static unsigned side_of(real difference, real end)
{
    return difference > end ? 2 : difference > -end;
}

/* ---- SmoothL1Loss ---- */

struct smooth_l1 {
    struct reduced reduced;
    double beta;
};

static real smooth_l1_term(const void *attributes, real x, real t)
{
    real beta = (real)((const struct smooth_l1 *)attributes)->beta;
    real distance = fabs(x - t);
    return distance < beta ? (real)0.5 * distance * distance / beta : distance - (real)0.5 * beta;
}

static real smooth_l1_derivative(const void *attributes, real x, real t)
{
    real beta = (real)((const struct smooth_l1 *)attributes)->beta;
    real difference = x - t;
    return fabs(difference) >= beta ? sign(difference) : difference / beta; /* so that NaN stays NaN */
}

static double smooth_l1_forward(const struct loss_pass *pass)
{
    return sum_of_pairs(pass, smooth_l1_term) / reduction_divisor(pass, terms(pass));
}

static void smooth_l1_backward(const struct loss_pass *pass)
{
    derive_pairs(pass, reduction_divisor(pass, terms(pass)), smooth_l1_derivative);
}

static unsigned smooth_l1_side(const void *attributes, real x, real t)
{
    return side_of(x - t, (real)((const struct smooth_l1 *)attributes)->beta);
}

static uint64_t smooth_l1_switches(const struct loss_pass *pass)
{
    return switches_of_pairs(pass, smooth_l1_side);
}

static const struct stability_attribute smooth_l1_attributes[] = {
    REDUCTION_ROW,
    {"beta", STABILITY_ATTRIBUTE_REAL, offsetof(struct smooth_l1, beta), .maximum = INFINITY, .number = 1,
     .documentation = "below this difference the loss is quadratic; 0 is L1Loss"},
    {0},
};

static bool smooth_l1_explain(const struct loss_pass *pass, const struct layer_place *place,
                              struct layer_cause *cause)
{
    return explain_pairs(pass, place, smooth_l1_term, "the smooth |x - t|", cause);
}

static bool smooth_l1_bounds(struct loss_intervals *l)
{
    return bound_pairs(l, reduction_divisor(&l->pass, l->inputs[0].low.count), smooth_l1_term,
                       smooth_l1_derivative);
}

LOSS_OPS(SmoothL1Loss) = {
    .type = {.type = "SmoothL1Loss",
             .torch = "torch.nn.SmoothL1Loss",
             .documentation = "with d = |x - t|: d² / (2 beta) below beta, else d - beta / 2",
             .inputs = 1,
             .attributes = smooth_l1_attributes},
    .attributes_size = sizeof(struct smooth_l1),
    .shape = loss_shape_of_pairs,
    .forward = smooth_l1_forward,
    .backward = smooth_l1_backward,
    .switches = smooth_l1_switches,
    .explain = smooth_l1_explain,
    .bounds = smooth_l1_bounds,
};

/* ---- HuberLoss ---- */

struct huber {
    struct reduced reduced;
    double delta;
};

static real huber_term(const void *attributes, real x, real t)
{
    real delta = (real)((const struct huber *)attributes)->delta;
    real distance = fabs(x - t);
    return distance <= delta ? (real)0.5 * distance * distance : delta * (distance - (real)0.5 * delta);
}

static real huber_derivative(const void *attributes, real x, real t)
{
    real delta = (real)((const struct huber *)attributes)->delta;
    real difference = x - t;
    return fabs(difference) > delta ? delta * sign(difference) : difference;
}

static double huber_forward(const struct loss_pass *pass)
{
    return sum_of_pairs(pass, huber_term) / reduction_divisor(pass, terms(pass));
}

static void huber_backward(const struct loss_pass *pass)
{
    derive_pairs(pass, reduction_divisor(pass, terms(pass)), huber_derivative);
}

static unsigned huber_side(const void *attributes, real x, real t)
{
    return side_of(x - t, (real)((const struct huber *)attributes)->delta);
}

static uint64_t huber_switches(const struct loss_pass *pass)
{
    return switches_of_pairs(pass, huber_side);
}

static const struct stability_attribute huber_attributes[] = {
    REDUCTION_ROW,
    {"delta", STABILITY_ATTRIBUTE_REAL, offsetof(struct huber, delta), .exclusive = true, .maximum = INFINITY,
     .number = 1, .documentation = "up to this difference the loss is quadratic"},
    {0},
};

static bool huber_explain(const struct loss_pass *pass, const struct layer_place *place,
                          struct layer_cause *cause)
{
    return explain_pairs(pass, place, huber_term, "the loss of x - t", cause);
}

static bool huber_bounds(struct loss_intervals *l)
{
    return bound_pairs(l, reduction_divisor(&l->pass, l->inputs[0].low.count), huber_term, huber_derivative);
}

LOSS_OPS(HuberLoss) = {
    .type = {.type = "HuberLoss",
             .torch = "torch.nn.HuberLoss",
             .documentation = "with d = |x - t|: d² / 2 up to delta, else delta (d - delta / 2)",
             .inputs = 1,
             .attributes = huber_attributes},
    .attributes_size = sizeof(struct huber),
    .shape = loss_shape_of_pairs,
    .forward = huber_forward,
    .backward = huber_backward,
    .switches = huber_switches,
    .explain = huber_explain,
    .bounds = huber_bounds,
};
