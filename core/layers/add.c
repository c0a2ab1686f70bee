/* a + b and a - b. */
#include "core/layers/binary.h"
#include "core/real/interval.h"

static real sum(real a, real b)
{
    return a + b;
}

static real difference(real a, real b)
{
    return a - b;
}

static void add_forward(const struct layer_pass *pass)
{
    binary_forward(pass, sum);
}

static void sub_forward(const struct layer_pass *pass)
{
    binary_forward(pass, difference);
}

/* The gradient of input k: sign dy. */
static void pass_gradient(const struct layer_pass *pass, int k, real sign)
{
    const struct tensor *dy = &pass->output_gradients[0];
    const struct tensor *dx = &pass->input_gradients[k];
    if (dx->data && !stability_shape_equal(&dx->shape, &dy->shape))
        broadcast_sum(dy->data, &dy->shape, (double)sign, dx->data, &dx->shape, pass->workspace);
    else if (dx->data)
        for (int64_t i = 0; i < dx->count; i++)
            ((real *)dx->data)[i] = sign * ((const real *)dy->data)[i];
}

static void add_backward(const struct layer_pass *pass)
{
    pass_gradient(pass, 0, 1);
    pass_gradient(pass, 1, 1);
}

static void sub_backward(const struct layer_pass *pass)
{
    pass_gradient(pass, 0, 1);
    pass_gradient(pass, 1, -1);
}

static bool explain_as(const char *sign, const struct layer_pass *pass, const struct layer_place *place,
                       struct layer_cause *cause)
{
    double a, b;
    if (place->backward)
        return explain_sum(cause, pass->output_gradients[0].count,
                           &(struct explain_factor){OUTPUT_GRADIENT, &pass->output_gradients[0], 0, 1});
    binary_operands(pass, place->element, cause, &a, &b);
    if (isinf(a) && isinf(b))
        return explain_say(cause, "inf - inf");
    return explain_say(cause, "%.6g %s %.6g is beyond the largest " REAL_NAME ", " REAL_MAX_TEXT, a, sign, b);
}

static bool add_explain(const struct layer_pass *pass, const struct layer_place *place,
                        struct layer_cause *cause)
{
    return explain_as("+", pass, place, cause);
}

static bool sub_explain(const struct layer_pass *pass, const struct layer_place *place,
                        struct layer_cause *cause)
{
    return explain_as("-", pass, place, cause);
}

static const struct layer_bounds bounds = {.forward = interval_pair_forward,
                                           .backward = interval_pair_backward};

LAYER_OPS(Add) = {
    .type = {"Add", "torch.add", "a + b, broadcast together", .minimum_inputs = 2, .maximum_inputs = 2},
    .shape = binary_shape,
    .forward = add_forward,
    .backward = add_backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .explain = add_explain,
    .bounds = &bounds,
};

LAYER_OPS(Sub) = {
    .type = {"Sub", "torch.sub", "a - b, broadcast together", .minimum_inputs = 2, .maximum_inputs = 2},
    .shape = binary_shape,
    .forward = sub_forward,
    .backward = sub_backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .explain = sub_explain,
    .bounds = &bounds,
};
