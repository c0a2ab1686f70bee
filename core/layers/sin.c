/* sin x with y' = cos x, and cos x with y' = -sin x. */
#include "core/layer.h"
#include "core/real/interval.h"
#include "core/real/real.h"

static void sin_forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = sin(x[i]);
}

static void sin_backward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = dy[i] * cos(x[i]);
}

static void cos_forward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = cos(x[i]);
}

static void cos_backward(const struct layer_pass *pass)
{
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = -dy[i] * sin(x[i]);
}

/* Values of sin(x + shift) over an interval. */
static struct span sine(struct span x, double shift)
{
    const double pi = 3.14159265358979323846;
    struct span y = {-1, 1};
    double first = x.low + shift, last = x.high + shift;
    if (!(last - first < 2 * pi) || fmax(fabs(first), fabs(last)) > 1e6)
        return y;
    double top = ceil((first - 1e-6 - pi / 2) / (2 * pi)) * 2 * pi + pi / 2;
    double bottom = ceil((first - 1e-6 + pi / 2) / (2 * pi)) * 2 * pi - pi / 2;
    if (top > last + 1e-6)
        y.high = fmax(sin(first), sin(last));
    if (bottom > last + 1e-6)
        y.low = fmin(sin(first), sin(last));
    return y;
}

static bool bound(struct interval_pass *p, double shift)
{
    for (int64_t i = 0; i < p->outputs[0].low.count; i++)
        interval_store(&p->outputs[0], i, sine(span_at(&p->inputs[0], i), shift), 16 * (double)REAL_EPSILON);
    return true;
}

static bool bound_gradient(struct interval_pass *p, double shift)
{
    const struct interval_tensor *dx = &p->input_gradients[0];
    for (int64_t i = 0; dx->low.data && i < dx->low.count; i++) {
        struct span dy = span_at(&p->output_gradients[0], i);
        interval_store(dx, i, span_multiply(dy, sine(span_at(&p->inputs[0], i), shift)),
                       16 * (double)REAL_EPSILON * span_magnitude(dy));
    }
    return true;
}

/* The derivative of sin(x + shift) is sin(x + shift + π/2). */
static const double quarter = 1.57079632679489661923;

static bool bound_sin(struct interval_pass *p)
{
    return bound(p, 0);
}

static bool bound_sin_backward(struct interval_pass *p)
{
    return bound_gradient(p, quarter);
}

static bool bound_cos(struct interval_pass *p)
{
    return bound(p, quarter);
}

static bool bound_cos_backward(struct interval_pass *p)
{
    return bound_gradient(p, 2 * quarter);
}

static const struct layer_bounds sin_bounds = {.forward = bound_sin, .backward = bound_sin_backward};

LAYER_OPS(Sin) = {
    .type = {"Sin", "torch.sin", "sin(x), in radians", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = sin_forward,
    .backward = sin_backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &sin_bounds,
};

static const struct layer_bounds cos_bounds = {.forward = bound_cos, .backward = bound_cos_backward};

LAYER_OPS(Cos) = {
    .type = {"Cos", "torch.cos", "cos(x), in radians", .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = cos_forward,
    .backward = cos_backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &cos_bounds,
};
