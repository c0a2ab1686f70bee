/* The pooling family over (batch, channels, [height,] width): for each output a window of the input, whose
 * greatest element or mean it is. One-dimensional types are two-dimensional ones of height 1. */
#include "core/layer.h"
#include "core/real/interval.h"
#include "core/real/switches.h"

#include <math.h>
#include <string.h>

struct pool {
    struct integers kernel_size;
    struct integers stride; /* null: kernel_size */
    struct integers padding;
    struct integers dilation; /* max only */
    bool ceil_mode;
    bool count_include_pad;                   /* average only */
    struct optional_integer divisor_override; /* average only */
    struct integers output_size;              /* adaptive only */
};

/* One dimension of the windows. */
struct axis {
    int64_t in;
    int64_t out;
    int64_t kernel;
    int64_t stride;
    int64_t padding;
    int64_t dilation;
    bool adaptive;
};

/* Elements start, start + step ... below end, all inside the input; `spread` counts those in the padding too.
 */
struct window {
    int64_t start;
    int64_t end;
    int64_t spread;
};

static struct window window_at(const struct axis *axis, int64_t o)
{
    if (axis->adaptive) { /* floor(o in / out) to ceil((o + 1) in / out) */
        int64_t start = o * axis->in / axis->out;
        int64_t end = ((o + 1) * axis->in + axis->out - 1) / axis->out;
        return (struct window){start, end, end - start};
    }
    int64_t start = o * axis->stride - axis->padding;
    int64_t end = start + axis->dilation * (axis->kernel - 1) + 1;
    int64_t padded_end = end < axis->in + axis->padding ? end : axis->in + axis->padding;
    struct window window = {start, end < axis->in ? end : axis->in, padded_end - start};
    if (start < 0)
        window.start = start + (-start + axis->dilation - 1) / axis->dilation * axis->dilation;
    return window;
}

/* ---- shapes ---- */

static struct axis axis_of(const struct pool *pool, int dim, int64_t in)
{
    if (pool->kernel_size.count == 0) {
        int64_t out = pool->output_size.items[dim];
        return (struct axis){.in = in, .out = out < 0 ? in : out, .dilation = 1, .adaptive = true};
    }
    return (struct axis){
        .in = in,
        .kernel = pool->kernel_size.items[dim],
        .stride = pool->stride.present ? pool->stride.items[dim] : pool->kernel_size.items[dim],
        .padding = pool->padding.items[dim],
        .dilation = pool->dilation.count ? pool->dilation.items[dim] : 1,
    };
}

static int dims_of(const struct pool *pool)
{
    return pool->kernel_size.count ? pool->kernel_size.count : pool->output_size.count;
}

static bool set_output(struct layer_shapes *s, const struct pool *pool, struct axis *axis)
{
    if (axis->in == 0 && !(axis->adaptive && axis->out == 0))
        return layer_shape_fail(s, "inputs", "an empty input cannot be pooled");
    if (axis->adaptive)
        return true;
    if (axis->kernel > INT32_MAX || axis->stride > INT32_MAX || axis->dilation > INT32_MAX)
        return layer_shape_fail(s, "kernel_size", "sizes must be below 2^31");
    if (axis->padding > axis->kernel / 2)
        return layer_shape_fail(s, "padding", "padding can be at most half of kernel_size = %lld, got %lld",
                                (long long)axis->kernel, (long long)axis->padding);
    int64_t extent = axis->dilation * (axis->kernel - 1) + 1;
    int64_t room = axis->in + 2 * axis->padding - extent;
    bool cut = pool->ceil_mode && room < 0 && room > -axis->stride; /* one window, beyond the input's end */
    if (room < 0 && !cut)
        return layer_shape_fail(s, "kernel_size",
                                "a window that spans %lld elements does not fit into the padded input's "
                                "%lld",
                                (long long)extent, (long long)(axis->in + 2 * axis->padding));
    axis->out = cut ? 1 : room / axis->stride + 1;
    if (pool->ceil_mode && !cut && room % axis->stride != 0 &&
        axis->out * axis->stride < axis->in + axis->padding)
        axis->out++; /* the last window starts inside the input or the padding before it */
    for (int64_t o = 0; axis->in < axis->dilation && o < axis->out && o * axis->stride < axis->padding; o++) {
        struct window window = window_at(axis, o);
        if (window.start >= window.end)
            return layer_shape_fail(s, "dilation", "window %lld steps over the whole input of %lld elements",
                                    (long long)o, (long long)axis->in);
    }
    return true;
}

static bool pool_shape(struct layer_shapes *s, bool saves_indices)
{
    const struct pool *pool = s->attributes;
    const struct stability_shape *x = &s->inputs[0];
    int dims = dims_of(pool);
    char text[STABILITY_SHAPE_TEXT];
    if (x->rank != dims + 2 && x->rank != dims + 1)
        return layer_shape_fail(s, "inputs",
                                "the input must have %d dimensions (batch, channels, %d spatial ones) or %d "
                                "without the batch, got %s",
                                dims + 2, dims, dims + 1, stability_shape_text(x, text));
    s->outputs[0] = *x;
    s->feature_dim = x->rank - dims - 1;
    double window = 1;
    for (int i = 0; i < dims; i++) {
        int64_t *size = &s->outputs[0].sizes[x->rank - dims + i];
        struct axis axis = axis_of(pool, i, *size);
        if (!set_output(s, pool, &axis))
            return false;
        *size = axis.out;
        window *=
            axis.adaptive ? ceil((double)axis.in / (double)(axis.out ? axis.out : 1)) : (double)axis.kernel;
    }
    int64_t count = stability_shape_count(&s->outputs[0]);
    if (count < 0)
        return true; /* refused by the caller */
    s->flops = (double)count * window;
    s->saved = saves_indices ? (size_t)count * sizeof(int32_t) : 0;
    return true;
}

static bool max_shape(struct layer_shapes *s)
{
    return pool_shape(s, true);
}

static bool average_shape(struct layer_shapes *s)
{
    return pool_shape(s, false);
}

/* ---- passes ---- */

struct planes {
    int64_t count;
    struct axis height;
    struct axis width;
};

static struct planes planes_of(const struct layer_pass *pass)
{
    const struct pool *pool = pass->attributes;
    const struct stability_shape *x = &pass->inputs[0].shape, *y = &pass->outputs[0].shape;
    int dims = dims_of(pool);
    struct planes planes = {1, {.in = 1, .out = 1, .kernel = 1, .stride = 1, .dilation = 1}, {0}};
    for (int i = 0; i < x->rank - dims; i++)
        planes.count *= x->sizes[i];
    planes.width = axis_of(pool, dims - 1, x->sizes[x->rank - 1]);
    planes.width.out = y->sizes[y->rank - 1];
    if (dims == 2) {
        planes.height = axis_of(pool, 0, x->sizes[x->rank - 2]);
        planes.height.out = y->sizes[y->rank - 2];
    }
    return planes;
}

/* Index of the greatest element of a window; a NaN is greater than anything, as in PyTorch. */
static int32_t greatest(const real *x, const struct planes *p, struct window rows, struct window columns)
{
    int64_t best = rows.start * p->width.in + columns.start;
    for (int64_t h = rows.start; h < rows.end; h += p->height.dilation)
        for (int64_t w = columns.start; w < columns.end; w += p->width.dilation)
            if (x[h * p->width.in + w] > x[best] || isnan(x[h * p->width.in + w]))
                best = h * p->width.in + w;
    return (int32_t)best;
}

static void max_forward(const struct layer_pass *pass)
{
    struct planes p = planes_of(pass);
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    int32_t *index = pass->saved; /* into the plane, for each output */
    for (int64_t plane = 0; plane < p.count; plane++, x += p.height.in * p.width.in)
        for (int64_t h = 0; h < p.height.out; h++)
            for (int64_t w = 0; w < p.width.out; w++) {
                *index = greatest(x, &p, window_at(&p.height, h), window_at(&p.width, w));
                *y++ = x[*index++];
            }
}

static void max_backward(const struct layer_pass *pass)
{
    struct planes p = planes_of(pass);
    const real *dy = pass->output_gradients[0].data;
    const int32_t *index = pass->saved;
    real *dx = pass->input_gradients[0].data;
    memset(dx, 0, (size_t)pass->inputs[0].count * sizeof(real));
    int64_t outputs = p.height.out * p.width.out;
    for (int64_t plane = 0; plane < p.count; plane++, dx += p.height.in * p.width.in)
        for (int64_t i = 0; i < outputs; i++)
            dx[*index++] += *dy++;
}

static uint64_t max_switches(const struct layer_pass *pass)
{
    return switches_of_choices(pass->saved, pass->outputs[0].count);
}

static real divisor(const struct pool *pool, struct window rows, struct window columns)
{
    if (pool->divisor_override.present)
        return (real)pool->divisor_override.value;
    if (pool->count_include_pad)
        return (real)(rows.spread * columns.spread);
    return (real)((rows.end - rows.start) * (columns.end - columns.start));
}

static void average_forward(const struct layer_pass *pass)
{
    struct planes p = planes_of(pass);
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t plane = 0; plane < p.count; plane++, x += p.height.in * p.width.in)
        for (int64_t h = 0; h < p.height.out; h++) {
            struct window rows = window_at(&p.height, h);
            for (int64_t w = 0; w < p.width.out; w++) {
                struct window columns = window_at(&p.width, w);
                real sum = 0;
                for (int64_t i = rows.start; i < rows.end; i++)
                    for (int64_t j = columns.start; j < columns.end; j++)
                        sum += x[i * p.width.in + j];
                *y++ = sum / divisor(pass->attributes, rows, columns);
            }
        }
}

static void average_backward(const struct layer_pass *pass)
{
    struct planes p = planes_of(pass);
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    memset(dx, 0, (size_t)pass->inputs[0].count * sizeof(real));
    for (int64_t plane = 0; plane < p.count; plane++, dx += p.height.in * p.width.in)
        for (int64_t h = 0; h < p.height.out; h++) {
            struct window rows = window_at(&p.height, h);
            for (int64_t w = 0; w < p.width.out; w++) {
                struct window columns = window_at(&p.width, w);
                real share = *dy++ / divisor(pass->attributes, rows, columns);
                for (int64_t i = rows.start; i < rows.end; i++)
                    for (int64_t j = columns.start; j < columns.end; j++)
                        dx[i * p.width.in + j] += share;
            }
        }
}

/* ---- tables ---- */

#define POOL_INTEGERS(name, dims, ...)                                                               \
    {                                                                                                \
#name, STABILITY_ATTRIBUTE_INTEGERS, offsetof(struct pool, name), .items = dims, __VA_ARGS__ \
    }
#define WINDOW_ATTRIBUTES(dims)                                                                              \
    POOL_INTEGERS(kernel_size, dims, .required = true, .minimum = 1, .documentation = "size of the window"), \
        POOL_INTEGERS(stride, dims, .nullable = true, .minimum = 1,                                          \
                      .documentation = "step between windows; null: kernel_size"),                           \
        POOL_INTEGERS(padding, dims, .maximum = INFINITY, .documentation = "added on both sides")
#define CEIL_ATTRIBUTE                                                              \
    {                                                                               \
        "ceil_mode", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct pool, ceil_mode), \
            .documentation = "whether the output's size is rounded up"              \
    }
#define COUNT_ATTRIBUTE                                                                             \
    {                                                                                               \
        "count_include_pad", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct pool, count_include_pad), \
            .number = true, .documentation = "whether the padding counts in the mean"               \
    }
#define DILATION_ATTRIBUTE(dims)                             \
    POOL_INTEGERS(dilation, dims, .minimum = 1, .number = 1, \
                  .documentation = "distance between elements of a window")
#define ADAPTIVE_NULL_1 ""
#define ADAPTIVE_NULL_2 "; null in the list: the input's size"
#define OUTPUT_ATTRIBUTES(dims)                                                                     \
    POOL_INTEGERS(output_size, dims, .required = true, .maximum = INFINITY, .null_items = dims > 1, \
                  .documentation = "size of the output" ADAPTIVE_NULL_##dims),                      \
    {                                                                                               \
        0                                                                                           \
    }

static const struct stability_attribute max_1d[] = {
    WINDOW_ATTRIBUTES(1), DILATION_ATTRIBUTE(1), CEIL_ATTRIBUTE, {0}};
static const struct stability_attribute max_2d[] = {
    WINDOW_ATTRIBUTES(2), DILATION_ATTRIBUTE(2), CEIL_ATTRIBUTE, {0}};
static const struct stability_attribute average_1d[] = {
    WINDOW_ATTRIBUTES(1), CEIL_ATTRIBUTE, COUNT_ATTRIBUTE, {0}};
static const struct stability_attribute average_2d[] = {
    WINDOW_ATTRIBUTES(2),
    CEIL_ATTRIBUTE,
    COUNT_ATTRIBUTE,
    {"divisor_override", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct pool, divisor_override),
     .nullable = true, .minimum = 1,
     .documentation = "what sums are divided by; null: the size of the window"},
    {0},
};
static const struct stability_attribute adaptive_1d[] = {OUTPUT_ATTRIBUTES(1)};
static const struct stability_attribute adaptive_2d[] = {OUTPUT_ATTRIBUTES(2)};

/* ---- bounds ---- */

static int64_t common_divisor(int64_t a, int64_t b)
{
    return b == 0 ? a : common_divisor(b, a % b);
}

/* How many windows an element may lie in along one dimension: of the places in a window those that differ by
 * a multiple of the stride. */
static double windows_along(const struct axis *axis, double in, double out)
{
    if (axis->adaptive)
        return ceil(out / fmax(in, 1)) + 1;
    double period = (double)(axis->stride / common_divisor(axis->stride, axis->dilation));
    return ceil((double)axis->kernel / period);
}

/* The same over all dimensions, or how many elements a window may have. */
static double overlap(const struct interval_pass *p, bool elements)
{
    const struct pool *pool = p->pass.attributes;
    const struct stability_shape *x = &p->inputs[0].low.shape, *y = &p->outputs[0].low.shape;
    double count = 1;
    int dims = dims_of(pool);
    for (int i = 0; i < dims; i++) {
        int64_t in = x->sizes[x->rank - dims + i], out = y->sizes[y->rank - dims + i];
        struct axis axis = axis_of(pool, i, in);
        double kernel = axis.adaptive ? ceil((double)in / fmax((double)out, 1)) + 1 : (double)axis.kernel;
        count *= elements ? kernel : windows_along(&axis, (double)in, (double)out);
    }
    return count;
}

static double average_terms(const struct interval_pass *p)
{
    return fmax(overlap(p, true), overlap(p, false));
}

/* Each window passes its gradient to one element: an element gets that of some of its windows. */
static bool max_bound_backward(struct interval_pass *p)
{
    struct span dy = span_of(&p->output_gradients[0]);
    double windows = overlap(p, false) * (1 + 1e-4);
    interval_fill(&p->input_gradients[0], windows * fmin(dy.low, 0), windows * fmax(dy.high, 0));
    return true;
}

static const struct layer_bounds max_bounds = {.forward = interval_move_forward,
                                               .backward = max_bound_backward};
static const struct layer_bounds average_bounds = {
    .forward = interval_monotone_forward, .backward = interval_linear_backward, .terms = average_terms};

#define average_switches NULL
#define POOL_OPS(type_, attributes_, kind, text)                                                  \
    {                                                                                             \
        .type = {.type = type_,                                                                   \
                 .torch = "torch.nn." type_,                                                      \
                 .documentation = text,                                                           \
                 .minimum_inputs = 1,                                                             \
                 .maximum_inputs = 1,                                                             \
                 .attributes = attributes_},                                                      \
        .attributes_size = sizeof(struct pool), .shape = kind##_shape, .forward = kind##_forward, \
        .backward = kind##_backward, .switches = kind##_switches, .bounds = &kind##_bounds,       \
        .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,                                     \
    }

LAYER_OPS(MaxPool1d) = POOL_OPS("MaxPool1d", max_1d, max, "the greatest element of each window");
LAYER_OPS(MaxPool2d) = POOL_OPS("MaxPool2d", max_2d, max, "the greatest element of each window");
LAYER_OPS(AvgPool1d) = POOL_OPS("AvgPool1d", average_1d, average, "the mean of each window");
LAYER_OPS(AvgPool2d) = POOL_OPS("AvgPool2d", average_2d, average, "the mean of each window");
LAYER_OPS(AdaptiveAvgPool1d) = POOL_OPS("AdaptiveAvgPool1d", adaptive_1d, average,
                                        "means over windows that divide the input into output_size parts");
LAYER_OPS(AdaptiveAvgPool2d) = POOL_OPS("AdaptiveAvgPool2d", adaptive_2d, average,
                                        "means over windows that divide the input into output_size parts");
LAYER_OPS(AdaptiveMaxPool2d) =
    POOL_OPS("AdaptiveMaxPool2d", adaptive_2d, max,
             "greatest elements of windows that divide the input into output_size parts");
