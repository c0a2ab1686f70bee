/* Upsample: along each spatial dimension an output element is a weighted sum of a few input elements, its
 * taps: 1 (nearest), 2 (linear) or 4 (cubic). The dimensions follow one another, those that shrink most
 * first, so that nothing between is larger than the input or the output. */
#include "core/layer.h"
#include "core/real/interval.h"
#include "core/real/real.h"

#include <string.h>

enum { DIMS = 3, TAPS = 4 };

struct upsample {
    struct integers size;
    const struct stability_tensor *scale_factor; /* a number or one for each dimension; NULL */
    int mode;
    bool align_corners;
    bool recompute_scale_factor;
};

enum { NEAREST, LINEAR, BILINEAR, BICUBIC, TRILINEAR };
static const struct {
    int taps;
    int minimum_dims;
    int maximum_dims;
} modes[] = {
    [NEAREST] = {1, 1, 3}, [LINEAR] = {2, 1, 1},    [BILINEAR] = {2, 2, 2},
    [BICUBIC] = {4, 2, 2}, [TRILINEAR] = {2, 3, 3},
};

static const struct stability_attribute attributes[] = {
    {"size", STABILITY_ATTRIBUTE_INTEGERS, offsetof(struct upsample, size), .nullable = true, .minimum = 1,
     .documentation = "of the output's spatial dimensions"},
    {"scale_factor", STABILITY_ATTRIBUTE_TENSOR, offsetof(struct upsample, scale_factor),
     .documentation = "number or list of numbers: what the spatial sizes are multiplied by, rounded down"},
    {"mode", STABILITY_ATTRIBUTE_CHOICE, offsetof(struct upsample, mode), .choice = "nearest",
     .choices = "nearest linear bilinear bicubic trilinear",
     .documentation = "which elements of the input an element of the output is made of"},
    {"align_corners", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct upsample, align_corners), .nullable = true,
     .documentation = "whether the centres of the corner elements coincide, not the tensors' edges"},
    {"recompute_scale_factor", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct upsample, recompute_scale_factor),
     .nullable = true,
     .documentation = "whether positions follow from the rounded sizes, not from scale_factor itself"},
    {0},
};

/* ---- shapes ---- */

/* A spatial dimension. */
struct axis {
    int dim; /* of the tensors */
    int64_t in;
    int64_t out;
    double step; /* from one output position to the next, in the input; 0: it follows from the sizes */
};

/* In the order of their passes. */
struct axes {
    int count;
    struct axis items[DIMS];
};

static double scale_factor(const struct upsample *u, int64_t i)
{
    double factors[DIMS];
    int64_t count = stability_shape_count(&u->scale_factor->shape);
    stability_convert(u->scale_factor->dtype, u->scale_factor->data, STABILITY_FLOAT64, factors, count);
    return factors[count == 1 ? 0 : i];
}

static bool shrinks_more(const struct axis *a, const struct axis *b)
{
    return a->out * b->in < b->out * a->in;
}

/* Sizes from the tensors' shapes; all are positive and below 2^31. */
static struct axes axes_of(const struct upsample *u, const struct stability_shape *x,
                           const struct stability_shape *y)
{
    struct axes axes = {.count = x->rank - 2};
    for (int i = 0; i < axes.count; i++) {
        struct axis axis = {.dim = i + 2, .in = x->sizes[i + 2], .out = y->sizes[i + 2]};
        if (u->scale_factor && !u->recompute_scale_factor)
            axis.step = 1 / scale_factor(u, i);
        int place = i;
        while (place > 0 && !shrinks_more(&axes.items[place - 1], &axis)) {
            axes.items[place] = axes.items[place - 1];
            place--;
        }
        axes.items[place] = axis;
    }
    return axes;
}

static bool check_attributes(struct layer_shapes *s, const struct upsample *u, int dims)
{
    char text[STABILITY_SHAPE_TEXT];
    if (dims < modes[u->mode].minimum_dims || dims > modes[u->mode].maximum_dims)
        return layer_shape_fail(s, "mode",
                                "this mode is for inputs (batch, channels, %d%s spatial dimensions), got %s",
                                modes[u->mode].minimum_dims, u->mode == NEAREST ? " to 3" : "",
                                stability_shape_text(&s->inputs[0], text));
    if (u->size.present == (u->scale_factor != NULL))
        return layer_shape_fail(s, "size", "either size or scale_factor must be given, %s",
                                u->size.present ? "got both" : "got neither");
    if (u->size.present && !u->size.single && u->size.count != dims)
        return layer_shape_fail(s, "size", "expected %d sizes or one for all, got %d", dims, u->size.count);
    int64_t factors = u->scale_factor ? stability_shape_count(&u->scale_factor->shape) : 1;
    if (factors != 1 && factors != dims)
        return layer_shape_fail(s, "scale_factor", "expected %d factors or one for all, got %lld", dims,
                                (long long)factors);
    if (u->mode == NEAREST && u->align_corners)
        return layer_shape_fail(s, "align_corners", "it has no meaning with mode 'nearest'");
    if (u->recompute_scale_factor && u->size.present)
        return layer_shape_fail(s, "recompute_scale_factor", "it has no meaning with size");
    return true;
}

static bool set_size(struct layer_shapes *s, const struct upsample *u, int i)
{
    int64_t in = s->inputs[0].sizes[i + 2];
    double out = 0;
    if (u->size.present)
        out = (double)u->size.items[u->size.single ? 0 : i];
    else
        out = floor((double)in * scale_factor(u, i));
    if (in < 1 || !(out >= 1 && out <= INT32_MAX))
        return layer_shape_fail(s, u->size.present ? "size" : "scale_factor",
                                "sizes must be positive and below 2^31, got %lld and %g from it",
                                (long long)in, out);
    s->outputs[0].sizes[i + 2] = (int64_t)out;
    return true;
}

/* Elements of the two tensors between passes: the greater of those that there are. */
static int64_t between_count(const struct layer_shapes *s, const struct axes *axes)
{
    struct stability_shape shape = s->inputs[0];
    int64_t greatest = 0;
    for (int i = 0; i < axes->count - 1; i++) {
        shape.sizes[axes->items[i].dim] = axes->items[i].out;
        int64_t count = stability_shape_count(&shape);
        greatest = count > greatest ? count : greatest;
    }
    return greatest;
}

static bool shape(struct layer_shapes *s)
{
    const struct upsample *u = s->attributes;
    const struct stability_shape *x = &s->inputs[0];
    if (!check_attributes(s, u, x->rank - 2))
        return false;
    s->outputs[0] = *x;
    for (int i = 0; i < x->rank - 2; i++)
        if (!set_size(s, u, i))
            return false;
    int64_t count = stability_shape_count(&s->outputs[0]);
    if (count < 0)
        return true; /* refused by the caller */
    struct axes axes = axes_of(u, x, &s->outputs[0]);
    int64_t between = between_count(s, &axes);
    for (int i = 0; i < 2; i++)
        layer_add_reals(s, &s->workspace, between);
    for (int i = 0; i < 2 * axes.count; i++)
        layer_add_reals(s, &s->workspace, TAPS * axes.items[i / 2].out);
    s->flops = 2.0 * modes[u->mode].taps * ((double)count + (double)(axes.count - 1) * (double)between);
    s->feature_dim = 1;
    return true;
}

/* ---- taps ---- */

/* Output element o is the sum of weights[o * count + t] times input element indices[o * count + t]. */
struct taps {
    int count;
    int32_t *indices;
    real *weights;
};

static int32_t within(const struct axis *axis, int64_t index)
{
    return (int32_t)(index < 0 ? 0 : index < axis->in ? index : axis->in - 1);
}

/* Rounded as PyTorch does, since a position may lie on an edge. */
static void nearest_taps(const struct axis *axis, const struct taps *taps)
{
    real step = axis->step > 0 ? (real)axis->step : (real)axis->in / (real)axis->out;
    for (int64_t o = 0; o < axis->out; o++) {
        taps->indices[o] = within(axis, (int64_t)floorf((float)(step * (real)o)));
        taps->weights[o] = 1;
    }
}

static double position(const struct axis *axis, bool align_corners, int64_t o)
{
    if (align_corners)
        return axis->out > 1 ? (double)o * (double)(axis->in - 1) / (double)(axis->out - 1) : 0;
    double step = axis->step > 0 ? axis->step : (double)axis->in / (double)axis->out;
    return step * ((double)o + 0.5) - 0.5;
}

static void linear_taps(const struct axis *axis, bool align_corners, const struct taps *taps)
{
    for (int64_t o = 0; o < axis->out; o++) {
        double at = axis->in == axis->out ? (double)o : position(axis, align_corners, o);
        at = at < 0 ? 0 : at;
        int32_t index = within(axis, (int64_t)at);
        double rest = at - index < 1 ? at - index : 1;
        taps->indices[2 * o] = index;
        taps->indices[2 * o + 1] = within(axis, index + 1);
        taps->weights[2 * o] = (real)(1 - rest);
        taps->weights[2 * o + 1] = (real)rest;
    }
}

/* Keys 1981, Cubic convolution interpolation for digital image processing, with a = -3/4: of an element at
 * distance x <= 1, and of one at 1 <= x <= 2. */
static double cubic_near(double x)
{
    return (1.25 * x - 2.25) * x * x + 1;
}

static double cubic_far(double x)
{
    return ((-0.75 * x + 3.75) * x - 6) * x + 3;
}

static void cubic_taps(const struct axis *axis, bool align_corners, const struct taps *taps)
{
    for (int64_t o = 0; o < axis->out; o++) {
        double at = position(axis, align_corners, o);
        int64_t index = (int64_t)floor(at);
        index = index < axis->in ? index : axis->in - 1;
        double rest = at - (double)index < 1 ? at - (double)index : 1;
        double weights[] = {cubic_far(1 + rest), cubic_near(rest), cubic_near(1 - rest), cubic_far(2 - rest)};
        for (int t = 0; t < 4; t++) {
            taps->indices[4 * o + t] = within(axis, index - 1 + t);
            taps->weights[4 * o + t] = (real)weights[t];
        }
    }
}

static void fill_taps(const struct upsample *u, const struct axis *axis, const struct taps *taps)
{
    if (taps->count == 1)
        nearest_taps(axis, taps);
    else if (taps->count == 2)
        linear_taps(axis, u->align_corners, taps);
    else
        cubic_taps(axis, u->align_corners, taps);
}

/* ---- passes ---- */

/* Around one dimension: x is (outer, in, inner), y (outer, out, inner). */
struct stretch {
    int64_t outer;
    int64_t in;
    int64_t out;
    int64_t inner;
    struct taps taps;
};

/* Where inner is 1: from and to one row. */
static void row_forward(const struct stretch *s, const real *x, real *y)
{
    int count = s->taps.count;
    const int32_t *indices = s->taps.indices;
    const real *weights = s->taps.weights;
    for (int64_t o = 0; o < s->out; o++, indices += count, weights += count) {
        real sum = weights[0] * x[indices[0]];
        for (int t = 1; t < count; t++)
            sum += weights[t] * x[indices[t]];
        y[o] = sum;
    }
}

/* A row's sums run on while the index stays, so that they need not be read back from memory. */
static void nearest_row_backward(const struct stretch *s, const real *dy, real *dx)
{
    const int32_t *indices = s->taps.indices;
    real sum = 0;
    for (int64_t o = 0; o < s->out; o++) {
        sum += dy[o];
        if (o + 1 == s->out || indices[o + 1] != indices[o]) {
            dx[indices[o]] = sum;
            sum = 0;
        }
    }
}

static void row_backward(const struct stretch *s, const real *dy, real *dx)
{
    int count = s->taps.count;
    const int32_t *indices = s->taps.indices;
    const real *weights = s->taps.weights;
    for (int64_t o = 0; o < s->out; o++, indices += count, weights += count)
        for (int t = 0; t < count; t++)
            dx[indices[t]] += weights[t] * dy[o];
}

/* Else: each element of a row is `inner` of them. */
static void rows_forward(const struct stretch *s, const real *x, real *y)
{
    int count = s->taps.count;
    for (int64_t o = 0; o < s->out; o++, y += s->inner)
        for (int t = 0; t < count; t++) {
            real weight = s->taps.weights[o * count + t];
            const real *from = x + s->taps.indices[o * count + t] * s->inner;
            for (int64_t i = 0; i < s->inner; i++)
                y[i] = t == 0 ? weight * from[i] : y[i] + weight * from[i];
        }
}

static void rows_backward(const struct stretch *s, const real *dy, real *dx)
{
    int count = s->taps.count;
    for (int64_t o = 0; o < s->out; o++, dy += s->inner)
        for (int t = 0; t < count; t++) {
            real weight = s->taps.weights[o * count + t];
            real *to = dx + s->taps.indices[o * count + t] * s->inner;
            for (int64_t i = 0; i < s->inner; i++)
                to[i] += weight * dy[i];
        }
}

static void stretch_forward(const struct stretch *s, const real *x, real *y)
{
    for (int64_t outer = 0; outer < s->outer; outer++, x += s->in * s->inner, y += s->out * s->inner)
        (s->inner == 1 ? row_forward : rows_forward)(s, x, y);
}

static void stretch_backward(const struct stretch *s, const real *dy, real *dx)
{
    memset(dx, 0, (size_t)(s->outer * s->in * s->inner) * sizeof(real));
    for (int64_t outer = 0; outer < s->outer; outer++, dx += s->in * s->inner, dy += s->out * s->inner)
        (s->inner > 1 ? rows_backward : s->taps.count == 1 ? nearest_row_backward : row_backward)(s, dy, dx);
}

/* The passes of both directions, with the tensors between them in turn in one of two buffers. */
struct passes {
    int count;
    struct stretch items[DIMS];
    real *buffers[2];
};

static struct passes passes_of(const struct layer_pass *pass)
{
    const struct upsample *u = pass->attributes;
    struct stability_shape shape = pass->inputs[0].shape;
    struct axes axes = axes_of(u, &shape, &pass->outputs[0].shape);
    struct passes passes = {.count = axes.count};
    real *memory = pass->workspace;
    for (int p = 0; p < axes.count; p++) {
        const struct axis *axis = &axes.items[p];
        struct stretch *s = &passes.items[p];
        *s = (struct stretch){.outer = 1, .in = axis->in, .out = axis->out, .inner = 1};
        for (int d = 0; d < shape.rank; d++)
            if (d != axis->dim)
                *(d < axis->dim ? &s->outer : &s->inner) *= shape.sizes[d];
        shape.sizes[axis->dim] = axis->out;
        s->taps = (struct taps){modes[u->mode].taps, (int32_t *)(memory + TAPS * axis->out), memory};
        memory += 2 * TAPS * axis->out;
        fill_taps(u, axis, &s->taps);
    }
    int64_t between = 0;
    for (int p = 0; p < axes.count - 1; p++) {
        const struct stretch *s = &passes.items[p];
        int64_t count = s->outer * s->out * s->inner;
        between = count > between ? count : between;
    }
    passes.buffers[0] = memory;
    passes.buffers[1] = memory + between;
    return passes;
}

static void forward(const struct layer_pass *pass)
{
    struct passes passes = passes_of(pass);
    const real *x = pass->inputs[0].data;
    for (int p = 0; p < passes.count; p++) {
        real *y = p == passes.count - 1 ? pass->outputs[0].data : passes.buffers[p % 2];
        stretch_forward(&passes.items[p], x, y);
        x = y;
    }
}

static void backward(const struct layer_pass *pass)
{
    struct passes passes = passes_of(pass);
    const real *dy = pass->output_gradients[0].data;
    for (int p = passes.count - 1; p >= 0; p--) {
        real *dx = p == 0 ? pass->input_gradients[0].data : passes.buffers[p % 2];
        stretch_backward(&passes.items[p], dy, dx);
        dy = dx;
    }
}

/* Of outputs that an element may be a part of. */
static double terms(const struct interval_pass *p)
{
    const struct stability_shape *x = &p->inputs[0].low.shape, *y = &p->outputs[0].low.shape;
    double count = 1;
    for (int d = 2; d < x->rank; d++)
        count *= 8 * (ceil((double)y->sizes[d] / fmax((double)x->sizes[d], 1)) + 1);
    return count;
}

static bool is_monotone(const struct interval_pass *p)
{
    return ((const struct upsample *)p->pass.attributes)->mode != BICUBIC;
}

/* In one dimension the magnitudes of a cubic's four weights add up to at most 11/8. */
static bool bound_forward(struct interval_pass *p)
{
    double most = 1.375 * 1.375 * 1.001 * interval_magnitude(&p->inputs[0]);
    if (is_monotone(p))
        return interval_monotone_forward(p);
    interval_fill(&p->outputs[0], -most, most);
    return true;
}

static bool bound_backward(struct interval_pass *p)
{
    double most = terms(p) * 1.001 * interval_magnitude(&p->output_gradients[0]);
    if (is_monotone(p))
        return interval_linear_backward(p);
    interval_fill(&p->input_gradients[0], -most, most);
    return true;
}

static const struct layer_bounds bounds = {
    .forward = bound_forward, .backward = bound_backward, .terms = terms};

LAYER_OPS(Upsample) = {
    .type = {.type = "Upsample",
             .torch = "torch.nn.Upsample",
             .documentation = "(batch, channels, spatial dimensions) resampled to another size",
             .minimum_inputs = 1,
             .maximum_inputs = 1,
             .attributes = attributes},
    .attributes_size = sizeof(struct upsample),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};
