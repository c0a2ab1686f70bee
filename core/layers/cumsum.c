/* Running sums along one dimension, accumulated in float64; the gradient's run from the end. As
 * (outer, size, inner) around the dimension, up to COLUMNS neighbouring columns are walked side by side. */
#include "core/layers/dimension.h"
#include "core/layers/explain.h"
#include "core/real/interval.h"

enum { COLUMNS = 256 };

struct cumsum {
    int64_t dim;
};

static const struct stability_attribute attributes[] = {
    {"dim", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct cumsum, dim), .required = true,
     .documentation = "dimension along which is summed"},
    {0},
};

static bool shape(struct layer_shapes *s)
{
    const struct cumsum *cumsum = s->attributes;
    return dimension_check(s, "dim", cumsum->dim, s->inputs[0].rank) && layer_shape_same(s);
}

/* A column of `size` elements that are `stride` apart; a negative one walks from the end. */
static void accumulate(const real *from, real *to, int64_t size, int64_t stride)
{
    double sum = 0;
    for (int64_t k = 0; k < size; k++) {
        sum += (double)from[k * stride];
        to[k * stride] = (real)sum;
    }
}

/* Several columns side by side. */
static void accumulate_columns(const real *from, real *to, int64_t columns, int64_t size, int64_t stride)
{
    double sums[COLUMNS] = {0};
    for (int64_t k = 0; k < size; k++, from += stride, to += stride)
        for (int64_t i = 0; i < columns; i++) {
            sums[i] += (double)from[i];
            to[i] = (real)sums[i];
        }
}

static void run(const struct layer_pass *pass, const real *from, real *to, bool from_the_end)
{
    const struct cumsum *cumsum = pass->attributes;
    struct dimension_layout layout = dimension_layout(&pass->outputs[0].shape, cumsum->dim);
    int64_t block = layout.size * layout.inner;
    int64_t last = from_the_end ? block - layout.inner : 0;
    int64_t stride = from_the_end ? -layout.inner : layout.inner;
    for (int64_t o = 0; o < layout.outer && block > 0; o++, from += block, to += block)
        for (int64_t i = 0; i < layout.inner; i += COLUMNS) {
            int64_t columns = layout.inner - i < COLUMNS ? layout.inner - i : COLUMNS;
            if (columns == 1)
                accumulate(from + last + i, to + last + i, layout.size, stride);
            else
                accumulate_columns(from + last + i, to + last + i, columns, layout.size, stride);
        }
}

static void forward(const struct layer_pass *pass)
{
    run(pass, pass->inputs[0].data, pass->outputs[0].data, false);
}

static void backward(const struct layer_pass *pass)
{
    run(pass, pass->output_gradients[0].data, pass->input_gradients[0].data, true);
}

static bool explain(const struct layer_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    const struct cumsum *cumsum = pass->attributes;
    const struct tensor *of = place->backward ? &pass->output_gradients[0] : &pass->inputs[0];
    struct dimension_layout l = dimension_layout(&of->shape, cumsum->dim);
    int64_t position = place->element / l.inner % l.size;
    struct explain_factor column = {place->backward ? OUTPUT_GRADIENT : "input", of,
                                    place->element - (place->backward ? 0 : position * l.inner), l.inner};
    return explain_sum(cause, place->backward ? l.size - position : position + 1, &column);
}

static const struct layer_bounds bounds = {
    .forward = interval_monotone_forward, .backward = interval_linear_backward, .terms = interval_no_terms};

LAYER_OPS(CumSum) = {
    .type = {"CumSum", "torch.cumsum", "sums of x up to each element along dim", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct cumsum),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .explain = explain,
    .bounds = &bounds,
};
