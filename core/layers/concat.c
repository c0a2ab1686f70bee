/* Concat joins along a dimension, Stack along a new one: with the tensors as (outer, inner) blocks around it,
 * both write each input's blocks one after the other. */
#include "core/layers/dimension.h"
#include "core/layers/strided.h"
#include "core/real/interval.h"

struct concat {
    int64_t dim;
};

static const struct stability_attribute concat_attributes[] = {
    {"dim", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct concat, dim),
     .documentation = "dimension along which the inputs follow each other"},
    {0},
};

static const struct stability_attribute stack_attributes[] = {
    {"dim", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct concat, dim),
     .documentation = "where the new dimension stands in the output"},
    {0},
};

static bool fail_different(struct layer_shapes *s, const char *how, int k)
{
    char first[STABILITY_SHAPE_TEXT], other[STABILITY_SHAPE_TEXT];
    return layer_shape_fail(s, "inputs", "the inputs must have the same shape%s, got %s and %s", how,
                            stability_shape_text(&s->inputs[0], first),
                            stability_shape_text(&s->inputs[k], other));
}

static bool concat_shape(struct layer_shapes *s)
{
    const struct concat *concat = s->attributes;
    struct stability_shape *y = &s->outputs[0];
    *y = s->inputs[0];
    if (y->rank == 0)
        return layer_shape_fail(s, "inputs", "scalars have no dimension to be joined along: use Stack");
    if (!dimension_check(s, "dim", concat->dim, y->rank))
        return false;
    int dim = dimension_index(concat->dim, y->rank);
    for (int k = 1; k < s->input_count; k++) {
        struct stability_shape expected = s->inputs[k];
        if (expected.rank == y->rank)
            expected.sizes[dim] = y->sizes[dim];
        if (!stability_shape_equal(&expected, y))
            return fail_different(s, " except along dim", k);
        if (__builtin_add_overflow(y->sizes[dim], s->inputs[k].sizes[dim], &y->sizes[dim]))
            return layer_shape_fail(s, "inputs", "the inputs are too large to be joined");
    }
    return true;
}

static bool stack_shape(struct layer_shapes *s)
{
    const struct concat *stack = s->attributes;
    const struct stability_shape *x = &s->inputs[0];
    struct stability_shape *y = &s->outputs[0];
    if (x->rank == STABILITY_MAX_RANK)
        return layer_shape_fail(s, "inputs", "the output would have more than %d dimensions",
                                STABILITY_MAX_RANK);
    if (!dimension_check(s, "dim", stack->dim, x->rank + 1))
        return false;
    for (int k = 1; k < s->input_count; k++)
        if (!stability_shape_equal(&s->inputs[k], x))
            return fail_different(s, "", k);
    *y = dimension_insert(x, stack->dim, s->input_count);
    s->feature_dim += s->feature_dim >= dimension_index(stack->dim, y->rank);
    return true;
}

/* Where an input lies in the output: in (outer, block) rows of `total`, from `offset` on. */
static struct strided place(const struct tensor *part, int64_t outer, int64_t total, int64_t offset)
{
    return (struct strided){2, {outer, part->count / outer}, {total, 1}, offset};
}

static void forward(const struct layer_pass *pass)
{
    const struct concat *concat = pass->attributes;
    const struct tensor *y = &pass->outputs[0];
    int64_t outer = dimension_layout(&y->shape, concat->dim).outer;
    int64_t offset = 0;
    for (int k = 0; k < pass->input_count && y->count > 0; k++) {
        struct strided in_output = place(&pass->inputs[k], outer, y->count / outer, offset);
        struct strided dense = strided_dense(2, in_output.sizes);
        strided_copy(&in_output, y->data, &dense, pass->inputs[k].data);
        offset += in_output.sizes[1];
    }
}

static void backward(const struct layer_pass *pass)
{
    const struct concat *concat = pass->attributes;
    const struct tensor *dy = &pass->output_gradients[0];
    int64_t outer = dimension_layout(&dy->shape, concat->dim).outer;
    int64_t offset = 0;
    for (int k = 0; k < pass->input_count && dy->count > 0; k++) {
        struct strided in_output = place(&pass->inputs[k], outer, dy->count / outer, offset);
        struct strided dense = strided_dense(2, in_output.sizes);
        if (pass->input_gradients[k].data)
            strided_copy(&dense, pass->input_gradients[k].data, &in_output, dy->data);
        offset += in_output.sizes[1];
    }
}

static const struct layer_bounds bounds = {.forward = interval_move_forward,
                                           .backward = interval_linear_backward};

LAYER_OPS(Concat) = {
    .type = {"Concat", "torch.cat", "the inputs one after the other along dim", .minimum_inputs = 1,
             .maximum_inputs = -1, .attributes = concat_attributes},
    .attributes_size = sizeof(struct concat),
    .shape = concat_shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .moves = true,
    .bounds = &bounds,
};

LAYER_OPS(Stack) = {
    .type = {"Stack", "torch.stack", "the inputs one after the other along a new dimension",
             .minimum_inputs = 1, .maximum_inputs = -1, .attributes = stack_attributes},
    .attributes_size = sizeof(struct concat),
    .shape = stack_shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .moves = true,
    .bounds = &bounds,
};
