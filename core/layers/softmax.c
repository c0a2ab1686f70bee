/* Softmax, Softmin and LogSoftmax over one dimension, shifted by the greatest element so that no exponential
 * overflows. A tensor is (outer, size, inner) around the dimension; where inner is 1 its rows are contiguous,
 * else up to COLUMNS of them are walked side by side. */
#include "core/layers/dimension.h"
#include "core/layers/explain.h"
#include "core/layers/softmax_row.h"
#include "core/real/functions.h"
#include "core/real/interval.h"

#include <string.h>

enum { COLUMNS = 128 };

struct softmax {
    struct optional_integer dim;
};

static const struct stability_attribute attributes[] = {
    {"dim", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct softmax, dim), .nullable = true,
     .documentation = "dimension that sums to 1; null: 0 where there are 0, 1 or 3 dimensions, else 1"},
    {0},
};

/* Some neighbouring columns of one (size, inner) block; where inner is 1 its only one: a contiguous row. */
struct columns {
    struct dimension_layout layout;
    int64_t outer;
    int64_t first;
    int64_t count;
    int64_t offset; /* of the first element of the first column */
};

static int64_t dimension(const void *attributes_, int rank)
{
    const struct softmax *softmax = attributes_;
    if (softmax->dim.present)
        return softmax->dim.value;
    return rank == 0 || rank == 1 || rank == 3 ? 0 : 1;
}

static bool shape(struct layer_shapes *s)
{
    int rank = s->inputs[0].rank;
    if (!dimension_check(s, "dim", dimension(s->attributes, rank), rank))
        return false;
    s->outputs[0] = s->inputs[0];
    s->flops = 5.0 * (double)stability_shape_count(&s->inputs[0]);
    return true;
}

static bool place(struct columns *c)
{
    int64_t left = c->layout.inner - c->first;
    c->count = left < COLUMNS ? left : COLUMNS;
    c->offset = c->outer * c->layout.size * c->layout.inner + c->first;
    return c->outer < c->layout.outer;
}

static bool first_columns(struct columns *c, const struct layer_pass *pass)
{
    const struct stability_shape *s = &pass->outputs[0].shape;
    *c = (struct columns){.layout = dimension_layout(s, dimension(pass->attributes, s->rank))};
    return pass->outputs[0].count > 0 && place(c);
}

static bool next_columns(struct columns *c)
{
    c->first += c->count;
    if (c->first == c->layout.inner) {
        c->first = 0;
        c->outer++;
    }
    return place(c);
}

/* ---- a row */

static void log_softmax_row(const real *x, real *y, int64_t count)
{
    real greatest;
    real log_sum = (real)log(row_exponentials(x, y, count, &greatest));
    for (int64_t i = 0; i < count; i++)
        y[i] = x[i] - greatest - log_sum;
}

static void log_softmax_row_gradient(const real *y, const real *dy, real *dx, int64_t count)
{
    real sum = (real)sum_of(dy, count);
    for (int64_t i = 0; i < count; i++)
        dx[i] = dy[i] - real_exp(y[i]) * sum;
}

/* ---- columns side by side */

static void columns_exponentials(const real *x, real *y, const struct columns *c, real *greatest,
                                 double *sums)
{
    for (int64_t i = 0; i < c->count; i++) {
        greatest[i] = -INFINITY;
        sums[i] = 0;
    }
    for (int64_t k = 0; k < c->layout.size; k++, x += c->layout.inner)
        for (int64_t i = 0; i < c->count; i++)
            greatest[i] = greater_of(x[i], greatest[i]);
    x -= c->layout.size * c->layout.inner;
    for (int64_t k = 0; k < c->layout.size; k++, x += c->layout.inner, y += c->layout.inner)
        for (int64_t i = 0; i < c->count; i++) {
            y[i] = real_exp(x[i] - greatest[i]);
            sums[i] += (double)y[i];
        }
}

static void softmax_columns(const real *x, real *y, const struct columns *c)
{
    real greatest[COLUMNS], scale[COLUMNS];
    double sums[COLUMNS];
    columns_exponentials(x, y, c, greatest, sums);
    for (int64_t i = 0; i < c->count; i++)
        scale[i] = (real)(1 / sums[i]);
    for (int64_t k = 0; k < c->layout.size; k++, y += c->layout.inner)
        for (int64_t i = 0; i < c->count; i++)
            y[i] *= scale[i];
}

static void log_softmax_columns(const real *x, real *y, const struct columns *c)
{
    real greatest[COLUMNS], log_sum[COLUMNS];
    double sums[COLUMNS];
    columns_exponentials(x, y, c, greatest, sums);
    for (int64_t i = 0; i < c->count; i++)
        log_sum[i] = (real)log(sums[i]);
    for (int64_t k = 0; k < c->layout.size; k++, x += c->layout.inner, y += c->layout.inner)
        for (int64_t i = 0; i < c->count; i++)
            y[i] = x[i] - greatest[i] - log_sum[i];
}

static void softmax_columns_gradient(const real *y, const real *dy, real *dx, const struct columns *c)
{
    double products[COLUMNS] = {0};
    int64_t inner = c->layout.inner;
    for (int64_t k = 0; k < c->layout.size; k++)
        for (int64_t i = 0; i < c->count; i++)
            products[i] += (double)y[k * inner + i] * (double)dy[k * inner + i];
    for (int64_t k = 0; k < c->layout.size; k++)
        for (int64_t i = 0; i < c->count; i++)
            dx[k * inner + i] = y[k * inner + i] * (dy[k * inner + i] - (real)products[i]);
}

static void log_softmax_columns_gradient(const real *y, const real *dy, real *dx, const struct columns *c)
{
    double sums[COLUMNS] = {0};
    int64_t inner = c->layout.inner;
    for (int64_t k = 0; k < c->layout.size; k++)
        for (int64_t i = 0; i < c->count; i++)
            sums[i] += (double)dy[k * inner + i];
    for (int64_t k = 0; k < c->layout.size; k++)
        for (int64_t i = 0; i < c->count; i++)
            dx[k * inner + i] = dy[k * inner + i] - real_exp(y[k * inner + i]) * (real)sums[i];
}

/* ---- the whole */

/* y of x, which may be y: by functions of a row, and of columns. */
__attribute__((always_inline)) static inline void
forward_rows(const struct layer_pass *pass, const real *x, void (*row)(const real *x, real *y, int64_t size),
             void (*columns)(const real *x, real *y, const struct columns *c))
{
    real *y = pass->outputs[0].data;
    struct columns c;
    for (bool more = first_columns(&c, pass); more; more = next_columns(&c)) {
        if (c.layout.inner == 1)
            row(x + c.offset, y + c.offset, c.layout.size);
        else
            columns(x + c.offset, y + c.offset, &c);
    }
}

/* dx of y and dy. */
__attribute__((always_inline)) static inline void
backward_rows(const struct layer_pass *pass,
              void (*row)(const real *y, const real *dy, real *dx, int64_t size),
              void (*columns)(const real *y, const real *dy, real *dx, const struct columns *c))
{
    const real *y = pass->outputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    struct columns c;
    for (bool more = first_columns(&c, pass); more; more = next_columns(&c)) {
        if (c.layout.inner == 1)
            row(y + c.offset, dy + c.offset, dx + c.offset, c.layout.size);
        else
            columns(y + c.offset, dy + c.offset, dx + c.offset, &c);
    }
}

static void softmax_forward(const struct layer_pass *pass)
{
    forward_rows(pass, pass->inputs[0].data, softmax_row, softmax_columns);
}

static void softmax_backward(const struct layer_pass *pass)
{
    backward_rows(pass, softmax_row_gradient, softmax_columns_gradient);
}

static void softmin_forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = -x[i];
    forward_rows(pass, y, softmax_row, softmax_columns);
}

static void softmin_backward(const struct layer_pass *pass)
{
    real *dx = pass->input_gradients[0].data;
    softmax_backward(pass);
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = -dx[i];
}

static void log_softmax_forward(const struct layer_pass *pass)
{
    forward_rows(pass, pass->inputs[0].data, log_softmax_row, log_softmax_columns);
}

static void log_softmax_backward(const struct layer_pass *pass)
{
    backward_rows(pass, log_softmax_row_gradient, log_softmax_columns_gradient);
}

/* Of finite rows no pass makes a NaN; the greatest element is taken off, which an infinity does not survive.
 */
static bool explain_as(real sign, const struct layer_pass *pass, const struct layer_place *place,
                       struct layer_cause *cause)
{
    const struct tensor *x = &pass->inputs[0];
    struct dimension_layout l = dimension_layout(&x->shape, dimension(pass->attributes, x->shape.rank));
    int64_t start = place->element / (l.size * l.inner) * l.size * l.inner + place->element % l.inner;
    int64_t greatest = start;
    if (place->backward)
        return false;
    for (int64_t k = 0; k < l.size; k++)
        if (sign * ((const real *)x->data)[start + k * l.inner] > sign * ((const real *)x->data)[greatest])
            greatest = start + k * l.inner;
    double most = explain_operand(cause, "input", x, greatest);
    if (isinf(most))
        return explain_say(cause, "inf - inf: %s and is taken off",
                           (double)sign * most > 0 ? "the greatest element of the row is infinite"
                                                   : "every element of the row is -inf, the greatest too,");
    return explain_say(cause, "%.6g less the greatest element of the row, %.6g, overflows " REAL_NAME,
                       explain_operand(cause, "input", x, place->element), most);
}

static bool explain(const struct layer_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    return explain_as(1, pass, place, cause);
}

static bool explain_softmin(const struct layer_pass *pass, const struct layer_place *place,
                            struct layer_cause *cause)
{
    return explain_as(-1, pass, place, cause);
}

/* ---- bounds: of a row, softmax grows with its own element and falls with the others */

/* A row of intervals. */
struct row {
    int64_t start;
    int64_t stride;
    int64_t size;
    double greatest; /* of all upper ends */
    double low_sum;  /* of exp(x - greatest) */
    double high_sum;
};

static struct span signed_span(const struct interval_tensor *x, int64_t i, double sign)
{
    struct span span = span_at(x, i);
    return sign > 0 ? span : (struct span){-span.high, -span.low};
}

static struct row row_at(const struct interval_pass *p, int64_t index, double sign)
{
    const struct stability_shape *s = &p->inputs[0].low.shape;
    struct dimension_layout l = dimension_layout(s, dimension(p->pass.attributes, s->rank));
    struct row row = {index / l.inner * l.size * l.inner + index % l.inner, l.inner, l.size, -INFINITY, 0, 0};
    for (int64_t k = 0; k < row.size; k++)
        row.greatest = fmax(row.greatest, signed_span(&p->inputs[0], row.start + k * row.stride, sign).high);
    for (int64_t k = 0; k < row.size; k++) {
        struct span x = signed_span(&p->inputs[0], row.start + k * row.stride, sign);
        row.low_sum += exp(x.low - row.greatest);
        row.high_sum += exp(x.high - row.greatest);
    }
    row.low_sum *= 1 - (double)row.size * DBL_EPSILON;
    row.high_sum *= 1 + (double)row.size * DBL_EPSILON;
    return row;
}

static int64_t row_count(const struct interval_pass *p)
{
    const struct stability_shape *s = &p->inputs[0].low.shape;
    struct dimension_layout l = dimension_layout(s, dimension(p->pass.attributes, s->rank));
    return l.size > 0 ? l.outer * l.inner : 0;
}

/* Exponentials of one element's ends, and bounds of the sum of the others'. */
struct share {
    struct span own;
    struct span rest;
    double below; /* how far the lower end is below the greatest */
};

static struct share share_at(const struct interval_pass *p, const struct row *row, int64_t k, double sign)
{
    struct span x = signed_span(&p->inputs[0], row->start + k * row->stride, sign);
    struct share share = {.own = {exp(x.low - row->greatest), exp(x.high - row->greatest)},
                          .below = row->greatest - x.low};
    share.rest.low = fmax(row->low_sum - share.own.low, 0);
    share.rest.high = fmax(row->high_sum - share.own.high, 0);
    return share;
}

static bool bound_as(struct interval_pass *p, double sign)
{
    for (int64_t r = 0; r < row_count(p); r++) {
        struct row row = row_at(p, r, sign);
        for (int64_t k = 0; k < row.size; k++) {
            struct share share = share_at(p, &row, k, sign);
            double most = share.own.high + share.rest.low;
            struct span y = {share.own.low / (share.own.low + share.rest.high),
                             most > 1e-290 ? share.own.high / most : 1};
            double error =
                (double)REAL_EPSILON * (32 + 4 * fmin(share.below, 800)) + (double)row.size * DBL_EPSILON;
            y.low = isnan(y.low) ? 0 : fmax(y.low * (1 - error) - (double)REAL_MIN, 0);
            y.high = fmin(y.high * (1 + error) + (double)REAL_MIN, 1 + 64 * (double)REAL_EPSILON);
            interval_store(&p->outputs[0], row.start + k * row.stride, y, 0);
        }
    }
    return true;
}

static bool bound_softmax(struct interval_pass *p)
{
    return bound_as(p, 1);
}

static bool bound_softmin(struct interval_pass *p)
{
    return bound_as(p, -1);
}

/* dx = y (dy - Σ y dy), the sum being a mean of dy. */
static bool bound_gradient(struct interval_pass *p, double sign)
{
    const struct interval_tensor *dx = &p->input_gradients[0], *dy = &p->output_gradients[0];
    for (int64_t r = 0; dx->low.data && r < row_count(p); r++) {
        struct row row = row_at(p, r, sign);
        struct span all = {INFINITY, -INFINITY};
        for (int64_t k = 0; k < row.size; k++) {
            struct span one = span_at(dy, row.start + k * row.stride);
            all = (struct span){fmin(all.low, one.low), fmax(all.high, one.high)};
        }
        double error = ((double)REAL_EPSILON * 64 + (double)row.size * DBL_EPSILON) * span_magnitude(all);
        for (int64_t k = 0; k < row.size; k++) {
            int64_t i = row.start + k * row.stride;
            struct span d = span_multiply(span_at(&p->outputs[0], i), span_subtract(span_at(dy, i), all));
            interval_store(dx, i, sign > 0 ? d : (struct span){-d.high, -d.low}, error + (double)REAL_MIN);
        }
    }
    return true;
}

static bool bound_softmax_backward(struct interval_pass *p)
{
    return bound_gradient(p, 1);
}

static bool bound_softmin_backward(struct interval_pass *p)
{
    return bound_gradient(p, -1);
}

static bool bound_log_softmax(struct interval_pass *p)
{
    for (int64_t r = 0; r < row_count(p); r++) {
        struct row row = row_at(p, r, 1);
        for (int64_t k = 0; k < row.size; k++) {
            int64_t i = row.start + k * row.stride;
            struct share share = share_at(p, &row, k, 1);
            struct span x = span_at(&p->inputs[0], i);
            double most = share.own.high + share.rest.low;
            struct span y = {x.low - row.greatest - log(share.own.low + share.rest.high),
                             most > 1e-290 ? fmin(x.high - row.greatest - log(most), 0) : 0};
            if (share.own.low + share.rest.high < 1e-290)
                y.low = x.low - row.greatest - log((double)row.size);
            double error = (double)REAL_EPSILON * 16 * (1 + share.below + log((double)row.size)) +
                           (double)row.size * DBL_EPSILON;
            interval_store(&p->outputs[0], i, y, error);
        }
    }
    return true;
}

/* dx = dy - exp(y) Σ dy */
static bool bound_log_softmax_backward(struct interval_pass *p)
{
    const struct interval_tensor *dx = &p->input_gradients[0], *dy = &p->output_gradients[0];
    for (int64_t r = 0; dx->low.data && r < row_count(p); r++) {
        struct row row = row_at(p, r, 1);
        struct span sum = {0, 0};
        double size = 0;
        for (int64_t k = 0; k < row.size; k++) {
            sum = span_add(sum, span_at(dy, row.start + k * row.stride));
            size += span_magnitude(span_at(dy, row.start + k * row.stride));
        }
        double error = ((double)REAL_EPSILON * 64 + (double)row.size * DBL_EPSILON) * size;
        for (int64_t k = 0; k < row.size; k++) {
            int64_t i = row.start + k * row.stride;
            struct span y = span_at(&p->outputs[0], i), share = {exp(y.low), fmin(exp(y.high), 1.0001)};
            interval_store(dx, i, span_subtract(span_at(dy, i), span_multiply(share, sum)),
                           error + (double)REAL_MIN);
        }
    }
    return true;
}

static const struct layer_bounds bounds = {.forward = bound_softmax, .backward = bound_softmax_backward};

LAYER_OPS(Softmax) = {
    .type = {"Softmax", "torch.nn.Softmax", "exp(x) / sum of exp(x) over dim", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct softmax),
    .shape = shape,
    .forward = softmax_forward,
    .backward = softmax_backward,
    .unread = LAYER_UNREAD_INPUTS,
    .explain = explain,
    .bounds = &bounds,
};

static const struct layer_bounds softmin_bounds = {.forward = bound_softmin,
                                                   .backward = bound_softmin_backward};

LAYER_OPS(Softmin) = {
    .type = {"Softmin", "torch.nn.Softmin", "exp(-x) / sum of exp(-x) over dim", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct softmax),
    .shape = shape,
    .forward = softmin_forward,
    .backward = softmin_backward,
    .unread = LAYER_UNREAD_INPUTS,
    .explain = explain_softmin,
    .bounds = &softmin_bounds,
};

static const struct layer_bounds log_bounds = {.forward = bound_log_softmax,
                                               .backward = bound_log_softmax_backward};

LAYER_OPS(LogSoftmax) = {
    .type = {"LogSoftmax", "torch.nn.LogSoftmax", "x - log of the sum of exp(x) over dim",
             .minimum_inputs = 1, .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct softmax),
    .shape = shape,
    .forward = log_softmax_forward,
    .backward = log_softmax_backward,
    .unread = LAYER_UNREAD_INPUTS,
    .explain = explain,
    .bounds = &log_bounds,
};
