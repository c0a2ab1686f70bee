/* Losses of a target that is 1 or -1: of a distance, of a score, of the angle between two vectors. */
#include "core/losses/elementwise.h"

/* ---- HingeEmbeddingLoss ---- */

struct margin {
    struct reduced reduced;
    double margin;
};

static real hinge_term(const void *attributes, real x, real t)
{
    real rest = (real)((const struct margin *)attributes)->margin - x;
    return (t == -1 ? 0 : x) + (t == 1 || rest < 0 ? 0 : rest);
}

static real hinge_derivative(const void *attributes, real x, real t)
{
    real rest = (real)((const struct margin *)attributes)->margin - x;
    return (real)((t != -1) - (t != 1 && rest >= 0));
}

static unsigned hinge_side(const void *attributes, real x, real t)
{
    return t != 1 && (real)((const struct margin *)attributes)->margin > x;
}

static double hinge_forward(const struct loss_pass *pass)
{
    return sum_of_pairs(pass, hinge_term) / reduction_divisor(pass, pass->inputs[0].count);
}

static void hinge_backward(const struct loss_pass *pass)
{
    derive_pairs(pass, reduction_divisor(pass, pass->inputs[0].count), hinge_derivative);
}

static uint64_t hinge_switches(const struct loss_pass *pass)
{
    return switches_of_pairs(pass, hinge_side);
}

static const struct stability_attribute hinge_attributes[] = {
    {"margin", STABILITY_ATTRIBUTE_REAL, offsetof(struct margin, margin), .number = 1,
     .documentation = "from this distance on a pair that is to be apart costs nothing"},
    REDUCTION_ROW,
    {0},
};

static bool hinge_explain(const struct loss_pass *pass, const struct layer_place *place,
                          struct layer_cause *cause)
{
    return explain_pairs(pass, place, hinge_term, "the hinge of x", cause);
}

static bool hinge_bounds(struct loss_intervals *l)
{
    return bound_pairs(l, reduction_divisor(&l->pass, l->inputs[0].low.count), hinge_term, hinge_derivative);
}

LOSS_OPS(HingeEmbeddingLoss) = {
    .type = {.type = "HingeEmbeddingLoss",
             .torch = "torch.nn.HingeEmbeddingLoss",
             .documentation = "x where t is 1, max(0, margin - x) where t is -1",
             .inputs = 1,
             .attributes = hinge_attributes},
    .attributes_size = sizeof(struct margin),
    .shape = loss_shape_of_pairs,
    .forward = hinge_forward,
    .backward = hinge_backward,
    .switches = hinge_switches,
    .explain = hinge_explain,
    .bounds = hinge_bounds,
};

/* ---- SoftMarginLoss --------------------------------------------------------------------------------- *
 * Overflows where -t x is over 88 in float32, 709 in float64, as PyTorch's does. */

static real soft_term(const void *attributes, real x, real t)
{
    (void)attributes;
    return real_log1p(real_exp(-t * x));
}

static real soft_derivative(const void *attributes, real x, real t)
{
    (void)attributes;
    real z = real_exp(-t * x);
    return -t * z / (1 + z);
}

static double soft_forward(const struct loss_pass *pass)
{
    return sum_of_pairs(pass, soft_term) / reduction_divisor(pass, pass->inputs[0].count);
}

static void soft_backward(const struct loss_pass *pass)
{
    derive_pairs(pass, reduction_divisor(pass, pass->inputs[0].count), soft_derivative);
}

static const struct stability_attribute soft_attributes[] = {REDUCTION_ROW, {0}};

static bool soft_explain(const struct loss_pass *pass, const struct layer_place *place,
                         struct layer_cause *cause)
{
    return explain_pairs(pass, place, soft_term, "log(1 + exp(-t x))", cause);
}

static bool soft_bounds(struct loss_intervals *l)
{
    return bound_pairs(l, reduction_divisor(&l->pass, l->inputs[0].low.count), soft_term, soft_derivative);
}

LOSS_OPS(SoftMarginLoss) = {
    .type = {.type = "SoftMarginLoss",
             .torch = "torch.nn.SoftMarginLoss",
             .documentation = "log(1 + exp(-t x)) of targets t that are 1 or -1",
             .inputs = 1,
             .attributes = soft_attributes},
    .attributes_size = sizeof(struct reduced),
    .shape = loss_shape_of_pairs,
    .forward = soft_forward,
    .backward = soft_backward,
    .explain = soft_explain,
    .bounds = soft_bounds,
};

/* ---- CosineEmbeddingLoss ---- */

/* Inputs (N, D) or (D). */
static bool cosine_shape(struct loss_shapes *s)
{
    const struct stability_shape *a = &s->inputs[0], *b = &s->inputs[1];
    char first[STABILITY_SHAPE_TEXT], second[STABILITY_SHAPE_TEXT], target[STABILITY_SHAPE_TEXT];
    stability_shape_text(a, first);
    if ((a->rank != 1 && a->rank != 2) || !stability_shape_equal(a, b))
        return loss_shape_fail(s, "/model/loss/inputs",
                               "both inputs must have one shape, (N, D) or (D), got %s and %s", first,
                               stability_shape_text(b, second));
    if (s->target.rank == a->rank - 1 && (a->rank == 1 || s->target.sizes[0] == a->sizes[0]))
        return true;
    return loss_shape_fail(s, "/data/target",
                           "for inputs %s the target must have one number for each row, got %s", first,
                           stability_shape_text(&s->target, target));
}

struct vectors {
    int64_t rows;
    int64_t size;
};

static struct vectors vectors_of(const struct loss_pass *pass)
{
    const struct stability_shape *shape = &pass->inputs[0].shape;
    return shape->rank == 1 ? (struct vectors){1, shape->sizes[0]}
                            : (struct vectors){shape->sizes[0], shape->sizes[1]};
}

/* cos = a·b / √((|a|² + 1e-12) (|b|² + 1e-12)), with PyTorch's 1e-12, which is a float32 */
struct cosine {
    double a; /* |a|² + 1e-12 */
    double b;
    double value;
};

static struct cosine cosine_of(const struct loss_pass *pass, int64_t row, int64_t size)
{
    const double least = 1e-12F;
    const real *a = (const real *)pass->inputs[0].data + row * size;
    const real *b = (const real *)pass->inputs[1].data + row * size;
    struct cosine cosine = {sum_of_products(a, a, size) + least, sum_of_products(b, b, size) + least, 0};
    cosine.value = sum_of_products(a, b, size) / sqrt(cosine.a * cosine.b);
    return cosine;
}

/* What a row adds to the loss; its derivative by the cosine goes to *slope. */
static double row_loss(const struct loss_pass *pass, int64_t row, double cosine, double *slope)
{
    double margin = ((const struct margin *)pass->attributes)->margin;
    real target = ((const real *)pass->target.data)[row];
    *slope = target == 1 ? -1 : target == -1 && cosine >= margin ? 1 : 0;
    if (target == 1)
        return 1 - cosine;
    return target == -1 && !(cosine < margin) ? cosine - margin : 0;
}

static double cosine_forward(const struct loss_pass *pass)
{
    struct vectors vectors = vectors_of(pass);
    double sum = 0, slope;
    for (int64_t row = 0; row < vectors.rows; row++)
        sum += row_loss(pass, row, cosine_of(pass, row, vectors.size).value, &slope);
    return sum / reduction_divisor(pass, vectors.rows);
}

/* da = slope (b / √(A B) - cos a / A), with A = |a|² + 1e-12 */
static void derive_vector(const real *a, const real *b, double plus, double minus, int64_t size, real *da)
{
    for (int64_t i = 0; da && i < size; i++)
        da[i] = (real)(plus * (double)b[i] - minus * (double)a[i]);
}

static void cosine_backward(const struct loss_pass *pass)
{
    struct vectors vectors = vectors_of(pass);
    double divisor = reduction_divisor(pass, vectors.rows);
    for (int64_t row = 0; row < vectors.rows; row++) {
        int64_t offset = row * vectors.size;
        const real *a = (const real *)pass->inputs[0].data + offset;
        const real *b = (const real *)pass->inputs[1].data + offset;
        real *da = pass->input_gradients[0].data, *db = pass->input_gradients[1].data;
        struct cosine cosine = cosine_of(pass, row, vectors.size);
        double slope;
        row_loss(pass, row, cosine.value, &slope);
        slope /= divisor;
        double plus = slope / sqrt(cosine.a * cosine.b);
        derive_vector(a, b, plus, slope * cosine.value / cosine.a, vectors.size, da ? da + offset : NULL);
        derive_vector(b, a, plus, slope * cosine.value / cosine.b, vectors.size, db ? db + offset : NULL);
    }
}

static uint64_t cosine_switches(const struct loss_pass *pass)
{
    struct vectors vectors = vectors_of(pass);
    uint64_t hash = 0;
    for (int64_t row = 0; row < vectors.rows; row++) {
        double slope;
        row_loss(pass, row, cosine_of(pass, row, vectors.size).value, &slope);
        hash += switch_number((uint64_t)row, slope != 0);
    }
    return hash;
}

static const struct stability_attribute cosine_attributes[] = {
    {"margin", STABILITY_ATTRIBUTE_REAL, offsetof(struct margin, margin),
     .documentation = "a cosine that a pair which is to be apart may have for nothing"},
    REDUCTION_ROW,
    {0},
};

/* |b| / √(A B) and |a| / A are at most 1 / √A, which is at most 1e6. */
static bool cosine_bounds(struct loss_intervals *l)
{
    struct loss_pass pass = l->pass;
    struct tensor inputs[] = {l->inputs[0].low, l->inputs[1].low};
    pass.inputs = inputs;
    struct vectors vectors = vectors_of(&pass);
    double margin = ((const struct margin *)pass.attributes)->margin;
    double divisor = reduction_divisor(&pass, vectors.rows), x = 0;
    for (int k = 0; k < 2; k++)
        x = fmax(x, span_magnitude(span_of(&l->inputs[k])));
    bool known = isfinite(x * x * x * x * (double)vectors.size * (double)vectors.size) && divisor > 0;
    for (int k = 0; k < 2; k++) {
        double most = known ? 2.0001e6 / divisor : INFINITY;
        interval_fill(&l->input_gradients[k], -most, most);
    }
    double most = known ? (double)vectors.rows / divisor * (2.001 + fabs(margin)) : INFINITY;
    l->low = -most;
    l->high = most;
    return true;
}

LOSS_OPS(CosineEmbeddingLoss) = {
    .type = {.type = "CosineEmbeddingLoss",
             .torch = "torch.nn.CosineEmbeddingLoss",
             .documentation =
                 "of the cosine of two inputs: 1 - cos where t is 1, max(0, cos - margin) where it is -1",
             .inputs = 2,
             .attributes = cosine_attributes},
    .attributes_size = sizeof(struct margin),
    .shape = cosine_shape,
    .forward = cosine_forward,
    .backward = cosine_backward,
    .switches = cosine_switches,
    .bounds = cosine_bounds,
};
