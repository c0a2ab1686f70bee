/* LeakyReLU with slopes that are learned: one for all, or one for each channel (dimension 1). The slopes are
 * broadcast to the input as (num_parameters, 1 ...). */
#include "core/layers/binary.h"
#include "core/layers/kinks.h"
#include "core/real/interval.h"
#include "core/real/switches.h"

struct prelu {
    int64_t num_parameters;
};

static const struct stability_attribute attributes[] = {
    {"num_parameters", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct prelu, num_parameters), .minimum = 1,
     .number = 1, .documentation = "number of slopes: 1, or the input's channels"},
    {0},
};

enum { WEIGHT };
static const struct stability_parameter parameters[] = {
    [WEIGHT] = {"weight", "num_parameters", .init = "constant_", .init_argument = 0.25,
                .documentation = "slopes where x is negative"},
    {0},
};

static bool shape(struct layer_shapes *s)
{
    const struct prelu *prelu = s->attributes;
    const struct stability_shape *x = &s->inputs[0];
    int64_t channels = x->rank >= 2 ? x->sizes[1] : 1;
    char text[STABILITY_SHAPE_TEXT];
    if (prelu->num_parameters != 1 && prelu->num_parameters != channels)
        return layer_shape_fail(
            s, "num_parameters",
            "num_parameters must be 1 or the input's size in dimension 1, got %lld for %s",
            (long long)prelu->num_parameters, stability_shape_text(x, text));
    broadcast_add_sums(s, &s->workspace, prelu->num_parameters);
    return layer_shape_same(s);
}

static real value(real x, real slope)
{
    return x > 0 ? x : slope * x;
}

static real input_gradient(real x, real slope, real dy)
{
    return x > 0 ? dy : slope * dy;
}

static real slope_gradient(real x, real slope, real dy)
{
    (void)slope;
    return x > 0 ? 0 : x * dy;
}

/* The slopes' shape as it is broadcast. */
static struct stability_shape broadcast_slopes(const struct layer_pass *pass)
{
    struct stability_shape slopes = {1, {pass->parameters[WEIGHT].count}};
    for (; slopes.rank < pass->inputs[0].shape.rank - 1; slopes.rank++)
        slopes.sizes[slopes.rank] = 1;
    return slopes;
}

static void forward(const struct layer_pass *pass)
{
    struct tensor operands[] = {pass->inputs[0], pass->parameters[WEIGHT]};
    operands[1].shape = broadcast_slopes(pass);
    struct layer_pass binary = *pass;
    binary.inputs = operands;
    binary_forward(&binary, value);
}

static void backward(const struct layer_pass *pass)
{
    struct tensor operands[] = {pass->inputs[0], pass->parameters[WEIGHT]};
    struct tensor gradients[] = {pass->input_gradients[0], pass->parameter_gradients[WEIGHT]};
    operands[1].shape = broadcast_slopes(pass);
    struct layer_pass binary = *pass;
    binary.inputs = operands;
    binary.input_gradients = gradients;
    binary_backward(&binary, 0, input_gradient);
    binary_backward(&binary, 1, slope_gradient);
}

/* A slope's gradient is a sum of products x dy over the x that are not positive. */
static bool bound_backward(struct interval_pass *p)
{
    const struct interval_tensor *slopes = &p->parameter_gradients[WEIGHT];
    struct span x = span_of(&p->inputs[0]), dy = span_of(&p->output_gradients[0]);
    double terms = (double)p->inputs[0].low.count,
           most = terms * fmax(-x.low, 0) * span_magnitude(dy) * 1.001;
    if (!interval_curve_backward(p))
        return false;
    interval_fill(slopes, -most, most);
    return true;
}

static const struct layer_bounds bounds = {
    .forward = interval_curve_forward, .backward = bound_backward, .turns = {1, {0}}};

LAYER_OPS(PReLU) = {
    .type = {"PReLU", "torch.nn.PReLU", "x where x > 0, weight x elsewhere", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = attributes, .parameters = parameters},
    .attributes_size = sizeof(struct prelu),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .switches = kink_at_zero,
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};
