/* The greater or the smaller of two, NaN where either is NaN; at a tie each has half of the gradient. */
#include "core/layers/binary.h"
#include "core/real/interval.h"
#include "core/real/switches.h"

static real smaller_of(real a, real b)
{
    return a < b || isnan(a) ? a : b;
}

/* Of the input `own`, whose result beside `other` is own. */
static real maximum_gradient(real own, real other, real dy)
{
    return own == other ? dy / 2 : own < other ? 0 : dy;
}

static real maximum_gradient_b(real a, real b, real dy)
{
    return maximum_gradient(b, a, dy);
}

static real minimum_gradient(real own, real other, real dy)
{
    return own == other ? dy / 2 : own > other ? 0 : dy;
}

static real minimum_gradient_b(real a, real b, real dy)
{
    return minimum_gradient(b, a, dy);
}

static void maximum_forward(const struct layer_pass *pass)
{
    binary_forward(pass, greater_of);
}

static void maximum_backward(const struct layer_pass *pass)
{
    binary_backward(pass, 0, maximum_gradient);
    binary_backward(pass, 1, maximum_gradient_b);
}

static void minimum_forward(const struct layer_pass *pass)
{
    binary_forward(pass, smaller_of);
}

static void minimum_backward(const struct layer_pass *pass)
{
    binary_backward(pass, 0, minimum_gradient);
    binary_backward(pass, 1, minimum_gradient_b);
}

/* Where the first input is the greater one. */
static uint64_t switches(const struct layer_pass *pass)
{
    const struct tensor *inputs = pass->inputs;
    uint64_t hash = 0;
    struct broadcast walk;
    for (bool more = broadcast_first(&walk, &pass->outputs[0].shape, &inputs[0].shape, &inputs[1].shape);
         more; more = broadcast_next(&walk)) {
        const real *a = (const real *)inputs[0].data + walk.operand[0];
        const real *b = (const real *)inputs[1].data + walk.operand[1];
        for (int64_t i = 0; i < walk.row; i++)
            hash +=
                a[i * walk.step[0]] > b[i * walk.step[1]] ? switch_number((uint64_t)(walk.whole + i), 0) : 0;
    }
    return hash;
}

static const struct layer_bounds bounds = {.forward = interval_pair_forward,
                                           .backward = interval_pair_backward};

LAYER_OPS(Maximum) = {
    .type = {"Maximum", "torch.maximum", "the greater of a and b, broadcast together", .minimum_inputs = 2,
             .maximum_inputs = 2},
    .shape = binary_shape,
    .forward = maximum_forward,
    .backward = maximum_backward,
    .switches = switches,
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};

LAYER_OPS(Minimum) = {
    .type = {"Minimum", "torch.minimum", "the smaller of a and b, broadcast together", .minimum_inputs = 2,
             .maximum_inputs = 2},
    .shape = binary_shape,
    .forward = minimum_forward,
    .backward = minimum_backward,
    .switches = switches,
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};
