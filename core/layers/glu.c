/* The halves a and b of a dimension: y = a σ(b), with σ(b) = 1 / (1 + e⁻ᵇ). As (outer, 2, row) around the
 * halves' border, both lie in contiguous rows. */
#include "core/layers/dimension.h"
#include "core/real/functions.h"

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

LAYER_OPS(GLU) = {
    .type = {"GLU", "torch.nn.GLU", "a times the sigmoid of b, the halves of dim", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct glu),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_OUTPUTS,
};
