/* The greatest element over dimensions (torch.amax): NaN where there is one; elements that tie share the
 * gradient evenly. */
#include "core/layers/reduce.h"
#include "core/real/interval.h"
#include "core/real/switches.h"

static bool shape(struct layer_shapes *s)
{
    if (!reduction_shape(s))
        return false;
    if (stability_shape_count(&s->inputs[0]) == 0 && stability_shape_count(&s->outputs[0]) != 0)
        return layer_shape_fail(s, "dim",
                                "there is no greatest of no elements: a reduced dimension has size 0");
    return true;
}

static void forward(const struct layer_pass *pass)
{
    struct stability_shape kept = reduction_kept(pass);
    reduction_greatest(pass, &kept);
}

static double count_equal(const real *x, int64_t count, real y)
{
    int64_t equal = 0;
    for (int64_t i = 0; i < count; i++)
        equal += x[i] == y;
    return (double)equal;
}

/* How many elements are the greatest, for each element of the output. */
static void count_ties(const struct layer_pass *pass, const struct stability_shape *kept, double *ties)
{
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        ties[i] = 0;
    struct broadcast walk;
    for (bool more = broadcast_first(&walk, &pass->inputs[0].shape, kept, kept); more;
         more = broadcast_next(&walk)) {
        const real *x = (const real *)pass->inputs[0].data + walk.whole;
        const real *y = (const real *)pass->outputs[0].data + walk.operand[0];
        double *tied = ties + walk.operand[0];
        if (walk.step[0] == 0)
            *tied += count_equal(x, walk.row, *y);
        else
            for (int64_t i = 0; i < walk.row; i++)
                tied[i] += x[i] == y[i];
    }
}

static void backward(const struct layer_pass *pass)
{
    struct stability_shape kept = reduction_kept(pass);
    double *ties = pass->workspace;
    count_ties(pass, &kept, ties);
    struct broadcast walk;
    for (bool more = broadcast_first(&walk, &pass->inputs[0].shape, &kept, &kept); more;
         more = broadcast_next(&walk)) {
        const real *x = (const real *)pass->inputs[0].data + walk.whole;
        real *dx = (real *)pass->input_gradients[0].data + walk.whole;
        const real *y = (const real *)pass->outputs[0].data + walk.operand[0];
        const real *dy = (const real *)pass->output_gradients[0].data + walk.operand[0];
        const double *tied = ties + walk.operand[0];
        const real greatest = *y, share = *dy / (real)*tied, none = 0 / (real)*tied;
        if (walk.step[0] == 0)
            for (int64_t i = 0; i < walk.row; i++)
                dx[i] = x[i] == greatest ? share : none;
        else
            for (int64_t i = 0; i < walk.row; i++)
                dx[i] = (x[i] == y[i] ? dy[i] : 0) / (real)tied[i];
    }
}

/* Which elements are the greatest. */
static uint64_t switches(const struct layer_pass *pass)
{
    struct stability_shape kept = reduction_kept(pass);
    uint64_t hash = 0;
    struct broadcast walk;
    for (bool more = broadcast_first(&walk, &pass->inputs[0].shape, &kept, &kept); more;
         more = broadcast_next(&walk)) {
        const real *x = (const real *)pass->inputs[0].data + walk.whole;
        const real *y = (const real *)pass->outputs[0].data + walk.operand[0];
        for (int64_t i = 0; i < walk.row; i++)
            hash += x[i] == y[i * walk.step[0]] ? switch_number((uint64_t)(walk.whole + i), 0) : 0;
    }
    return hash;
}

/* At a tie the elements share the gradient. */
static bool bound_backward(struct interval_pass *p)
{
    return reduction_bound_gradient(p, (struct span){0, 1});
}

static const struct layer_bounds bounds = {.forward = interval_move_forward, .backward = bound_backward};

LAYER_OPS(Max) = {
    .type = {"Max", "torch.amax", "greatest element over dim", .minimum_inputs = 1, .maximum_inputs = 1,
             .attributes = reduction_attributes},
    .attributes_size = sizeof(struct reduction),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .switches = switches,
    .bounds = &bounds,
};
