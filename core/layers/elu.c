/* Exponential linear units: y = positive x where x > 0, negative (exp(rate x) - 1) elsewhere, and
 * y' = positive, negative rate exp(rate x). SELU's constants: Klambauer et al. 2017, Self-normalizing neural
 * networks, equation 14. */
#include "core/layers/kinks.h"
#include "core/real/functions.h"
#include "core/real/interval.h"

struct alpha {
    double alpha;
};

struct exponential_unit {
    real positive;
    real negative;
    real rate;
};

static const double selu_scale = 1.0507009873554804934193349852946;
static const double selu_alpha = 1.6732632423543772848170429916717;

static const struct stability_attribute attributes[] = {
    {"alpha", STABILITY_ATTRIBUTE_REAL, offsetof(struct alpha, alpha), .number = 1,
     .documentation = "-y as x tends to -Infinity"},
    {0},
};

static struct exponential_unit elu(const struct layer_pass *pass)
{
    const struct alpha *attribute = pass->attributes;
    return (struct exponential_unit){1, (real)attribute->alpha, 1};
}

static struct exponential_unit selu(void)
{
    return (struct exponential_unit){(real)selu_scale, (real)(selu_scale * selu_alpha), 1};
}

static struct exponential_unit celu(const struct layer_pass *pass)
{
    const struct alpha *attribute = pass->attributes;
    return (struct exponential_unit){1, (real)attribute->alpha, (real)(1 / attribute->alpha)};
}

static bool celu_shape(struct layer_shapes *shapes)
{
    const struct alpha *attribute = shapes->attributes;
    if (attribute->alpha == 0)
        return layer_shape_fail(shapes, "alpha", "alpha must not be 0: x is divided by it");
    return layer_shape_same(shapes);
}

static void forward(const struct layer_pass *pass, struct exponential_unit unit)
{
    const real *x = pass->inputs[0].data;
    real *y = pass->outputs[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = real_select(x[i] > 0, unit.positive * x[i], unit.negative * real_expm1(unit.rate * x[i]));
}

static void backward(const struct layer_pass *pass, struct exponential_unit unit)
{
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data;
    real *dx = pass->input_gradients[0].data;
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        dx[i] = dy[i] *
                real_select(x[i] > 0, unit.positive, unit.negative * unit.rate * real_exp(unit.rate * x[i]));
}

static void elu_forward(const struct layer_pass *pass)
{
    forward(pass, elu(pass));
}

static void elu_backward(const struct layer_pass *pass)
{
    backward(pass, elu(pass));
}

static void selu_forward(const struct layer_pass *pass)
{
    forward(pass, selu());
}

static void selu_backward(const struct layer_pass *pass)
{
    backward(pass, selu());
}

static void celu_forward(const struct layer_pass *pass)
{
    forward(pass, celu(pass));
}

/* PyTorch rounds alpha to float32 where it derives, in float64 too. */
static void celu_backward(const struct layer_pass *pass)
{
    struct exponential_unit unit = celu(pass);
    unit.rate = (real)(1 / (double)(float)((const struct alpha *)pass->attributes)->alpha);
    backward(pass, unit);
}

/* ELU has a kink where alpha is not 1, SELU always; CELU has none. */
static uint64_t elu_switches(const struct layer_pass *pass)
{
    const struct alpha *attribute = pass->attributes;
    return attribute->alpha == 1 ? 0 : kink_at_zero(pass);
}

static const struct layer_bounds bounds = {.forward = interval_curve_forward,
                                           .backward = interval_curve_backward,
                                           .turns = {1, {0}},
                                           .of_result = 8,
                                           .of_input = 8,
                                           .of_gradient = 16};

LAYER_OPS(ELU) = {
    .type = {"ELU", "torch.nn.ELU", "x where x > 0, alpha (exp(x) - 1) elsewhere", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct alpha),
    .shape = layer_shape_same,
    .forward = elu_forward,
    .backward = elu_backward,
    .switches = elu_switches,
    .activation = &(const struct layer_activation){.greatest_derivative = 1},
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};

LAYER_OPS(SELU) = {
    .type = {"SELU", "torch.nn.SELU", "1.0507 x where x > 0, 1.7581 (exp(x) - 1) elsewhere",
             .minimum_inputs = 1, .maximum_inputs = 1},
    .shape = layer_shape_same,
    .forward = selu_forward,
    .backward = selu_backward,
    .switches = kink_at_zero,
    .activation = &(const struct layer_activation){.greatest_derivative = 1.7581},
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};

LAYER_OPS(CELU) = {
    .type = {"CELU", "torch.nn.CELU", "x where x > 0, alpha (exp(x / alpha) - 1) elsewhere",
             .minimum_inputs = 1, .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct alpha),
    .shape = celu_shape,
    .forward = celu_forward,
    .backward = celu_backward,
    .activation = &(const struct layer_activation){.greatest_derivative = 1},
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};
