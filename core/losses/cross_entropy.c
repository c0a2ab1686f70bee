/* Classification: CrossEntropyLoss of logits, NLLLoss of their log-softmax.
 *
 * The input is (C), (N, C) or (N, C, d1, ...), the target class indices of shape (), (N) or (N, d1, ...), or
 * for CrossEntropyLoss class probabilities of the input's shape. With w the class weights, q the target's
 * distribution (one-hot or given, smoothed by label_smoothing) and p = softmax(x), a row's loss is
 * sum_c q_c w_c (-log p_c); its gradient is p_c * sum_k q_k w_k - q_c w_c. */
#include "core/losses/reduction.h"
#include "core/real/real.h"

struct cross_entropy {
    struct reduced reduced;
    const struct stability_tensor *weight; /* (C) or NULL */
    int64_t ignore_index;
    double label_smoothing; /* 0 for NLLLoss */
};

/* Rows of classes: element c of row (n, i) is at (n * classes + c) * inner + i. */
struct layout {
    const struct cross_entropy *loss;
    int64_t classes;
    int64_t inner;
    int64_t rows;
    const real *x;
    const real *target;
    const real *weight; /* (C), NULL: all 1 */
    real weight_sum;
    bool probabilities;
};

#define CLASS_ROWS                                                                                       \
    REDUCTION_ROW,                                                                                       \
        {"weight", STABILITY_ATTRIBUTE_TENSOR, offsetof(struct cross_entropy, weight), .nullable = true, \
         .documentation = "a weight for each class; a mean is taken by them"},                           \
    {                                                                                                    \
        "ignore_index", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct cross_entropy, ignore_index),       \
            .number = -100, .documentation = "rows whose target is this index take no part"              \
    }

/* ---- shapes ---- */

static int class_dimension(const struct stability_shape *x)
{
    return x->rank == 1 ? 0 : 1;
}

static struct stability_shape without_classes(const struct stability_shape *x)
{
    struct stability_shape shape = {.rank = x->rank - 1};
    for (int d = 0, k = 0; d < x->rank; d++)
        if (d != class_dimension(x))
            shape.sizes[k++] = x->sizes[d];
    return shape;
}

static bool check_weight(struct loss_shapes *s)
{
    const struct stability_tensor *weight = ((const struct cross_entropy *)s->attributes)->weight;
    char text[STABILITY_SHAPE_TEXT];
    if (!weight || (weight->shape.rank == 1 && weight->shape.sizes[0] == s->classes))
        return true;
    return loss_shape_fail(s, "/model/loss/weight",
                           "weight must have shape (%lld), one for each class, got %s", (long long)s->classes,
                           stability_shape_text(&weight->shape, text));
}

static bool shape_of_classes(struct loss_shapes *s)
{
    const struct cross_entropy *loss = s->attributes;
    const struct stability_shape *x = &s->inputs[0];
    if (x->rank == 0)
        return loss_shape_fail(s, "/model/loss", "the input must be (C), (N, C) or (N, C, d1, ...), got ()");
    s->classes = x->sizes[class_dimension(x)];
    s->ignore_index = loss->ignore_index;
    s->workspace = loss->weight ? (size_t)s->classes * s->real_size : 0;
    int64_t exact = s->real_size == sizeof(float) ? 1 << 24 : (int64_t)1 << 53;
    if (s->classes > exact)
        return loss_shape_fail(s, "/model/loss", "%lld classes are more than this precision can index, %lld",
                               (long long)s->classes, (long long)exact);
    return check_weight(s);
}

static bool fail_target(struct loss_shapes *s, const char *otherwise)
{
    char input[STABILITY_SHAPE_TEXT], expected[STABILITY_SHAPE_TEXT], target[STABILITY_SHAPE_TEXT];
    struct stability_shape indices = without_classes(&s->inputs[0]);
    return loss_shape_fail(
        s, "/data/target", "for an input %s the target must be class indices of shape %s%s, got shape %s",
        stability_shape_text(&s->inputs[0], input), stability_shape_text(&indices, expected), otherwise,
        stability_shape_text(&s->target, target));
}

static bool target_is_indices(struct loss_shapes *s)
{
    struct stability_shape indices = without_classes(&s->inputs[0]);
    s->wants_integers = stability_shape_equal(&indices, &s->target);
    return s->wants_integers;
}

static bool shape_nll(struct loss_shapes *s)
{
    return shape_of_classes(s) && (target_is_indices(s) || fail_target(s, ""));
}

static bool shape_cross_entropy(struct loss_shapes *s)
{
    if (!shape_of_classes(s))
        return false;
    int64_t count = stability_shape_count(&s->inputs[0]);
    s->saved = s->classes ? 2 * (size_t)(count / s->classes) * s->real_size : 0;
    if (target_is_indices(s))
        return true;
    if (!stability_shape_equal(&s->inputs[0], &s->target))
        return fail_target(s, " or class probabilities of the input's shape");
    if (s->ignore_index >= 0)
        return loss_shape_fail(s, "/model/loss/ignore_index",
                               "ignore_index is an index: it cannot be given with class probabilities");
    return true;
}

static struct layout layout_of(const struct loss_pass *pass)
{
    const struct stability_shape *shape = &pass->inputs[0].shape;
    struct layout layout = {
        .loss = pass->attributes,
        .classes = shape->sizes[class_dimension(shape)],
        .inner = 1,
        .x = pass->inputs[0].data,
        .target = pass->target.data,
        .probabilities = !pass->target_is_integer,
    };
    for (int d = 2; d < shape->rank; d++)
        layout.inner *= shape->sizes[d];
    layout.rows = layout.classes ? pass->inputs[0].count / layout.classes : 0;
    layout.weight_sum = (real)layout.classes;
    const struct stability_tensor *weight = layout.loss->weight;
    if (!weight)
        return layout;
    real *converted = pass->workspace;
    stability_convert(weight->dtype, weight->data, REAL_DTYPE, converted, layout.classes);
    layout.weight = converted;
    layout.weight_sum = 0;
    for (int64_t c = 0; c < layout.classes; c++)
        layout.weight_sum += converted[c];
    return layout;
}

/* ---- targets ---- */

static int64_t row_start(const struct layout *l, int64_t row)
{
    return row / l->inner * l->classes * l->inner + row % l->inner;
}

static real class_weight(const struct layout *l, int64_t c)
{
    return l->weight ? l->weight[c] : 1;
}

static bool is_ignored(const struct layout *l, int64_t row)
{
    return !l->probabilities && l->target[row] == (real)l->loss->ignore_index;
}

/* What the sum over rows is divided by: of a mean, the weights of the rows' classes. */
static double divisor(const struct layout *l)
{
    if (l->loss->reduced.reduction == REDUCTION_SUM)
        return 1;
    if (l->probabilities)
        return (double)l->rows;
    double sum = 0;
    for (int64_t row = 0; row < l->rows; row++)
        if (!is_ignored(l, row))
            sum += (double)class_weight(l, (int64_t)l->target[row]);
    return sum;
}

/* q_c w_c of a row with class probabilities; `start` is the row's in the input, whose shape they share. */
static real soft_weight(const struct layout *l, int64_t start, int64_t c)
{
    real smoothing = (real)l->loss->label_smoothing;
    real q = l->target[start + c * l->inner] * (1 - smoothing) + smoothing / (real)l->classes;
    return q * class_weight(l, c);
}

/* ---- CrossEntropyLoss ---- */

/* log p_c = x_c - greatest - log_sum */
struct normalizer {
    real greatest;
    real log_sum;
};

static struct normalizer normalize(const struct layout *l, const real *x)
{
    real greatest = -(real)INFINITY;
    double sum = 0;
    for (int64_t c = 0; c < l->classes; c++)
        greatest = x[c * l->inner] > greatest ? x[c * l->inner] : greatest;
    for (int64_t c = 0; c < l->classes; c++)
        sum += (double)exp(x[c * l->inner] - greatest);
    return (struct normalizer){greatest, (real)log(sum)};
}

static real negative_log(const struct layout *l, const struct normalizer *n, const real *x, int64_t c)
{
    return n->log_sum - (x[c * l->inner] - n->greatest);
}

static double loss_of_row(const struct layout *l, const struct normalizer *n, int64_t row)
{
    int64_t start = row_start(l, row);
    const real *x = l->x + start;
    double smoothing = l->loss->label_smoothing, all = 0;
    if (l->probabilities) {
        for (int64_t c = 0; c < l->classes; c++)
            all += (double)(soft_weight(l, start, c) * negative_log(l, n, x, c));
        return all;
    }
    if (is_ignored(l, row))
        return 0;
    int64_t target = (int64_t)l->target[row];
    double one = (double)(class_weight(l, target) * negative_log(l, n, x, target));
    if (smoothing == 0)
        return one;
    for (int64_t c = 0; c < l->classes; c++)
        all += (double)(class_weight(l, c) * negative_log(l, n, x, c));
    return (1 - smoothing) * one + smoothing / (double)l->classes * all;
}

static double forward_cross_entropy(const struct loss_pass *pass)
{
    struct layout l = layout_of(pass);
    struct normalizer *normalizers = pass->saved;
    double sum = 0;
    for (int64_t row = 0; row < l.rows; row++) {
        normalizers[row] = normalize(&l, l.x + row_start(&l, row));
        sum += loss_of_row(&l, &normalizers[row], row);
    }
    return sum / divisor(&l);
}

/* dx_c = scale p_c mass, for all classes */
static void add_softmax(const struct layout *l, const struct normalizer *n, int64_t start, real scaled_mass,
                        real *dx)
{
    for (int64_t c = 0; c < l->classes; c++)
        dx[start + c * l->inner] = exp(-negative_log(l, n, l->x + start, c)) * scaled_mass;
}

static void derive_soft_row(const struct layout *l, const struct normalizer *n, int64_t start, real scale,
                            real *dx)
{
    real mass = 0;
    for (int64_t c = 0; c < l->classes; c++)
        mass += soft_weight(l, start, c);
    add_softmax(l, n, start, mass * scale, dx);
    for (int64_t c = 0; c < l->classes; c++)
        dx[start + c * l->inner] -= soft_weight(l, start, c) * scale;
}

static void derive_row(const struct layout *l, const struct normalizer *n, int64_t row, real scale, real *dx)
{
    int64_t start = row_start(l, row);
    if (is_ignored(l, row)) {
        add_softmax(l, n, start, 0, dx); /* so that a NaN shows */
        return;
    }
    real smoothing = (real)l->loss->label_smoothing;
    real share = smoothing / (real)l->classes;
    int64_t target = (int64_t)l->target[row];
    real own = (1 - smoothing) * class_weight(l, target);
    add_softmax(l, n, start, (own + share * l->weight_sum) * scale, dx);
    dx[start + target * l->inner] -= own * scale;
    for (int64_t c = 0; share != 0 && c < l->classes; c++)
        dx[start + c * l->inner] -= share * class_weight(l, c) * scale;
}

static void backward_cross_entropy(const struct loss_pass *pass)
{
    struct layout l = layout_of(pass);
    const struct normalizer *normalizers = pass->saved;
    real *dx = pass->input_gradients[0].data;
    real scale = (real)(1 / divisor(&l));
    for (int64_t row = 0; dx && row < l.rows; row++) {
        if (l.probabilities)
            derive_soft_row(&l, &normalizers[row], row_start(&l, row), scale, dx);
        else
            derive_row(&l, &normalizers[row], row, scale, dx);
    }
}

static const struct stability_attribute cross_entropy_attributes[] = {
    CLASS_ROWS,
    {"label_smoothing", STABILITY_ATTRIBUTE_REAL, offsetof(struct cross_entropy, label_smoothing),
     .maximum = 1, .documentation = "how much of the target is spread evenly over all classes"},
    {0},
};

LOSS_OPS(CrossEntropyLoss) = {
    .type = {.type = "CrossEntropyLoss",
             .torch = "torch.nn.CrossEntropyLoss",
             .documentation = "negative log-likelihood of class indices or probabilities under softmax(x)",
             .inputs = 1,
             .attributes = cross_entropy_attributes},
    .attributes_size = sizeof(struct cross_entropy),
    .shape = shape_cross_entropy,
    .forward = forward_cross_entropy,
    .backward = backward_cross_entropy,
};

/* ---- NLLLoss ---- */

static double forward_nll(const struct loss_pass *pass)
{
    struct layout l = layout_of(pass);
    double sum = 0;
    for (int64_t row = 0; row < l.rows; row++) {
        if (is_ignored(&l, row))
            continue;
        int64_t target = (int64_t)l.target[row];
        sum -= (double)(class_weight(&l, target) * l.x[row_start(&l, row) + target * l.inner]);
    }
    return sum / divisor(&l);
}

static void backward_nll(const struct loss_pass *pass)
{
    struct layout l = layout_of(pass);
    real *dx = pass->input_gradients[0].data;
    real scale = (real)(1 / divisor(&l));
    for (int64_t i = 0; dx && i < pass->inputs[0].count; i++)
        dx[i] = 0;
    for (int64_t row = 0; dx && row < l.rows; row++) {
        if (is_ignored(&l, row))
            continue;
        int64_t target = (int64_t)l.target[row];
        dx[row_start(&l, row) + target * l.inner] = -class_weight(&l, target) * scale;
    }
}

static const struct stability_attribute nll_attributes[] = {CLASS_ROWS, {0}};

LOSS_OPS(NLLLoss) = {
    .type = {.type = "NLLLoss",
             .torch = "torch.nn.NLLLoss",
             .documentation = "negative log-likelihood of class indices: -x at the target's class",
             .inputs = 1,
             .attributes = nll_attributes},
    .attributes_size = sizeof(struct cross_entropy),
    .shape = shape_nll,
    .forward = forward_nll,
    .backward = backward_nll,
};
