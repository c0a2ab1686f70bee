/* Softmax, Softmin and LogSoftmax over one dimension, shifted by the greatest element so that no exponential
 * overflows. A tensor is (outer, size, inner) around the dimension; where inner is 1 its rows are contiguous,
 * else up to COLUMNS of them are walked side by side. */
#include "core/layers/dimension.h"
#include "core/layers/explain.h"
#include "core/layers/softmax_row.h"
#include "core/real/functions.h"

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

/* Softmax of x, which may be y. */
static void softmax_of(const struct layer_pass *pass, const real *x)
{
    real *y = pass->outputs[0].data;
    struct columns c;
    for (bool more = first_columns(&c, pass); more; more = next_columns(&c)) {
        if (c.layout.inner == 1)
            softmax_row(x + c.offset, y + c.offset, c.layout.size);
        else
            softmax_columns(x + c.offset, y + c.offset, &c);
    }
}

static void softmax_forward(const struct layer_pass *pass)
{
    softmax_of(pass, pass->inputs[0].data);
}

static void softmax_backward(const struct layer_pass *pass)
{
    const real *y = pass->outputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    struct columns c;
    for (bool more = first_columns(&c, pass); more; more = next_columns(&c)) {
        if (c.layout.inner == 1)
            softmax_row_gradient(y + c.offset, dy + c.offset, dx + c.offset, c.layout.size);
        else
            softmax_columns_gradient(y + c.offset, dy + c.offset, dx + c.offset, &c);
    }
}

static void softmin_forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = -x[i];
    softmax_of(pass, y);
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
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    struct columns c;
    for (bool more = first_columns(&c, pass); more; more = next_columns(&c)) {
        if (c.layout.inner == 1)
            log_softmax_row(x + c.offset, y + c.offset, c.layout.size);
        else
            log_softmax_columns(x + c.offset, y + c.offset, &c);
    }
}

static void log_softmax_backward(const struct layer_pass *pass)
{
    const real *y = pass->outputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    struct columns c;
    for (bool more = first_columns(&c, pass); more; more = next_columns(&c)) {
        if (c.layout.inner == 1)
            log_softmax_row_gradient(y + c.offset, dy + c.offset, dx + c.offset, c.layout.size);
        else
            log_softmax_columns_gradient(y + c.offset, dy + c.offset, dx + c.offset, &c);
    }
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

LAYER_OPS(Softmax) = {
    .type = {"Softmax", "torch.nn.Softmax", "exp(x) / sum of exp(x) over dim", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct softmax),
    .shape = shape,
    .forward = softmax_forward,
    .backward = softmax_backward,
    .unread = LAYER_UNREAD_INPUTS,
    .explain = explain,
};

LAYER_OPS(Softmin) = {
    .type = {"Softmin", "torch.nn.Softmin", "exp(-x) / sum of exp(-x) over dim", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct softmax),
    .shape = shape,
    .forward = softmin_forward,
    .backward = softmin_backward,
    .unread = LAYER_UNREAD_INPUTS,
    .explain = explain_softmin,
};

LAYER_OPS(LogSoftmax) = {
    .type = {"LogSoftmax", "torch.nn.LogSoftmax", "x - log of the sum of exp(x) over dim",
             .minimum_inputs = 1, .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct softmax),
    .shape = shape,
    .forward = log_softmax_forward,
    .backward = log_softmax_backward,
    .unread = LAYER_UNREAD_INPUTS,
    .explain = explain,
};
