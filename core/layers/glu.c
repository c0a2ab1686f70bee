/* The halves a and b of a dimension: y = a σ(b), with σ(b) = 1 / (1 + e⁻ᵇ). As (outer, 2, row) around the
 * halves' border, both lie in contiguous rows. */
#include "core/layers/dimension.h"
#include "core/real/functions.h"
#include "core/real/interval.h"

struct glu {
    int64_t dim;
};

static const struct stability_attribute attributes[] = {
    {"dim", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct glu, dim), .number = -1,
     .documentation = "dimension that is halved"},
    {0},
};

static bool shape(struct layer_shapes *s)
{
    const struct glu *glu = s->attributes;
    const struct stability_shape *x = &s->inputs[0];
    char text[STABILITY_SHAPE_TEXT];
    if (x->rank == 0)
        return layer_shape_fail(s, "inputs", "a scalar has no dimension to be halved");
    if (!dimension_check(s, "dim", glu->dim, x->rank))
        return false;
    int dim = dimension_index(glu->dim, x->rank);
    if (x->sizes[dim] % 2 != 0)
        return layer_shape_fail(s, "dim", "the size of dimension %d must be even, got %s", dim,
                                stability_shape_text(x, text));
    s->outputs[0] = *x;
    s->outputs[0].sizes[dim] /= 2;
    s->flops = 2.0 * (double)stability_shape_count(x);
    return true;
}

/* Elements of half an outer block. */
static int64_t row_of(const struct layer_pass *pass)
{
    const struct glu *glu = pass->attributes;
    struct dimension_layout layout = dimension_layout(&pass->outputs[0].shape, glu->dim);
    return layout.size * layout.inner;
}

static void forward(const struct layer_pass *pass)
{
    const int64_t row = row_of(pass);
    const real *a = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (const real *end = y + pass->outputs[0].count; y < end; y += row, a += 2 * row) {
        const real *b = a + row;
        for (int64_t i = 0; i < row; i++)
            y[i] = a[i] * real_sigmoid(b[i]);
    }
}

static void backward(const struct layer_pass *pass)
{
    const int64_t row = row_of(pass);
    const real *a = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *da = pass->input_gradients[0].data;
    for (const real *end = dy + pass->outputs[0].count; dy < end; dy += row, a += 2 * row, da += 2 * row) {
        const real *b = a + row;
        real *db = da + row;
        for (int64_t i = 0; i < row; i++) {
            real s = real_sigmoid(b[i]);
            da[i] = dy[i] * s;
            db[i] = dy[i] * a[i] * s * (1 - s);
        }
    }
}

static struct span sigmoid_span(struct span x)
{
    double slack = 16 * (double)REAL_EPSILON;
    double low = 1 / (1 + exp(-x.low)), high = 1 / (1 + exp(-x.high));
    return (struct span){low * (1 - slack), fmin(high * (1 + slack) + (double)REAL_MIN, 1)};
}

/* Elements of half an outer block of intervals. */
static int64_t half_of(const struct interval_pass *p)
{
    const struct glu *glu = p->pass.attributes;
    struct dimension_layout layout = dimension_layout(&p->outputs[0].low.shape, glu->dim);
    return layout.size * layout.inner;
}

static bool bound_forward(struct interval_pass *p)
{
    int64_t row = half_of(p);
    for (int64_t i = 0; i < p->outputs[0].low.count; i++) {
        int64_t a = i / row * 2 * row + i % row;
        struct span y =
            span_multiply(span_at(&p->inputs[0], a), sigmoid_span(span_at(&p->inputs[0], a + row)));
        interval_store(&p->outputs[0], i, y, 4 * (double)REAL_EPSILON * span_magnitude(y) + (double)REAL_MIN);
    }
    return true;
}

static bool bound_backward(struct interval_pass *p)
{
    int64_t row = half_of(p);
    const struct interval_tensor *dx = &p->input_gradients[0];
    for (int64_t i = 0; dx->low.data && i < p->outputs[0].low.count; i++) {
        int64_t a = i / row * 2 * row + i % row;
        struct span x = span_at(&p->inputs[0], a), dy = span_at(&p->output_gradients[0], i);
        struct span s = sigmoid_span(span_at(&p->inputs[0], a + row)), slope = {0, 0.2500001};
        struct span da = span_multiply(dy, s), db = span_multiply(span_multiply(dy, x), slope);
        double most = span_magnitude(dy) * span_magnitude(x);
        interval_store(dx, a, da, 4 * (double)REAL_EPSILON * span_magnitude(da) + (double)REAL_MIN);
        interval_store(dx, a + row, db,
                       most > (double)REAL_MAX ? INFINITY
                                               : 16 * (double)REAL_EPSILON * most + (double)REAL_MIN);
    }
    return true;
}

static const struct layer_bounds bounds = {.forward = bound_forward, .backward = bound_backward};

LAYER_OPS(GLU) = {
    .type = {"GLU", "torch.nn.GLU", "a times the sigmoid of b, the halves of dim", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct glu),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};
