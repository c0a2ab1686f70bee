/* Sums and means over dimensions. */
#include "core/layers/explain.h"
#include "core/layers/reduce.h"
#include "core/real/interval.h"

static void forward(const struct layer_pass *pass, double divisor)
{
    struct stability_shape kept = reduction_kept(pass);
    broadcast_sum(pass->inputs[0].data, &pass->inputs[0].shape, divisor, pass->outputs[0].data, &kept,
                  pass->workspace);
}

static void backward(const struct layer_pass *pass, real divisor)
{
    struct stability_shape kept = reduction_kept(pass);
    struct broadcast walk;
    for (bool more = broadcast_first(&walk, &pass->inputs[0].shape, &kept, &kept); more;
         more = broadcast_next(&walk)) {
        const real *dy = (const real *)pass->output_gradients[0].data + walk.operand[0];
        real *dx = (real *)pass->input_gradients[0].data + walk.whole;
        if (walk.step[0] == 0)
            for (int64_t i = 0; i < walk.row; i++)
                dx[i] = *dy / divisor;
        else
            for (int64_t i = 0; i < walk.row; i++)
                dx[i] = dy[i] / divisor;
    }
}

static void sum_forward(const struct layer_pass *pass)
{
    forward(pass, 1);
}

static void sum_backward(const struct layer_pass *pass)
{
    backward(pass, 1);
}

static void mean_forward(const struct layer_pass *pass)
{
    forward(pass, (double)reduction_size(pass));
}

static void mean_backward(const struct layer_pass *pass)
{
    backward(pass, (real)reduction_size(pass));
}

static bool explain(const struct layer_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    return !place->backward && explain_sum(cause, pass->inputs[0].count,
                                           &(struct explain_factor){"input", &pass->inputs[0], 0, 1});
}

static const struct layer_bounds bounds = {
    .forward = interval_monotone_forward, .backward = interval_linear_backward, .terms = interval_no_terms};

LAYER_OPS(Sum) = {
    .type = {"Sum", "torch.sum", "sum of x over dim", .minimum_inputs = 1, .maximum_inputs = 1,
             .attributes = reduction_attributes},
    .attributes_size = sizeof(struct reduction),
    .shape = reduction_shape,
    .forward = sum_forward,
    .backward = sum_backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .explain = explain,
    .bounds = &bounds,
};

LAYER_OPS(Mean) = {
    .type = {"Mean", "torch.mean", "mean of x over dim", .minimum_inputs = 1, .maximum_inputs = 1,
             .attributes = reduction_attributes},
    .attributes_size = sizeof(struct reduction),
    .shape = reduction_shape,
    .forward = mean_forward,
    .backward = mean_backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .explain = explain,
    .bounds = &bounds,
};
