/* What losses of classes share: rows of scores or of log-probabilities, targets and class weights.
 *
 * The input is (C), (N, C) or (N, C, d1, ...), the target class indices of shape (), (N) or (N, d1, ...). */
#ifndef LOSSES_CLASSES_H
#define LOSSES_CLASSES_H

#include "core/layers/explain.h"
#include "core/losses/reduction.h"

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

static inline int class_dimension(const struct stability_shape *x)
{
    return x->rank == 1 ? 0 : 1;
}

static inline struct stability_shape without_classes(const struct stability_shape *x)
{
    struct stability_shape shape = {.rank = x->rank - 1};
    for (int d = 0, k = 0; d < x->rank; d++)
        if (d != class_dimension(x))
            shape.sizes[k++] = x->sizes[d];
    return shape;
}

static inline bool check_weight(struct loss_shapes *s)
{
    const struct stability_tensor *weight = ((const struct cross_entropy *)s->attributes)->weight;
    char text[STABILITY_SHAPE_TEXT];
    if (!weight || (weight->shape.rank == 1 && weight->shape.sizes[0] == s->classes))
        return true;
    return loss_shape_fail(s, "/model/loss/weight",
                           "weight must have shape (%lld), one for each class, got %s", (long long)s->classes,
                           stability_shape_text(&weight->shape, text));
}

static inline bool shape_of_classes(struct loss_shapes *s)
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

static inline bool fail_target(struct loss_shapes *s, const char *otherwise)
{
    char input[STABILITY_SHAPE_TEXT], expected[STABILITY_SHAPE_TEXT], target[STABILITY_SHAPE_TEXT];
    struct stability_shape indices = without_classes(&s->inputs[0]);
    return loss_shape_fail(
        s, "/data/target", "for an input %s the target must be class indices of shape %s%s, got shape %s",
        stability_shape_text(&s->inputs[0], input), stability_shape_text(&indices, expected), otherwise,
        stability_shape_text(&s->target, target));
}

static inline bool target_is_indices(struct loss_shapes *s)
{
    struct stability_shape indices = without_classes(&s->inputs[0]);
    s->wants_integers = stability_shape_equal(&indices, &s->target);
    return s->wants_integers;
}

static inline struct layout layout_of(const struct loss_pass *pass)
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

static inline int64_t row_start(const struct layout *l, int64_t row)
{
    return row / l->inner * l->classes * l->inner + row % l->inner;
}

static inline real class_weight(const struct layout *l, int64_t c)
{
    return l->weight ? l->weight[c] : 1;
}

static inline bool is_ignored(const struct layout *l, int64_t row)
{
    return !l->probabilities && l->target[row] == (real)l->loss->ignore_index;
}

/* What the sum over rows is divided by: of a mean, the weights of the rows' classes. */
static inline double divisor(const struct layout *l)
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

/* As loss_ops.explain: a mean over nothing. */
static inline bool explain_divisor(const struct layout *l, struct layer_cause *cause)
{
    if (divisor(l) != 0)
        return false;
    return explain_say(cause, "0/0: the mean of no rows%s",
                       l->rows == 0 ? ""
                                    : ", or of rows whose classes all have the weight 0; every target may be "
                                      "ignore_index");
}

#endif
