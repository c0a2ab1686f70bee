/* A value around the last dimensions; a negative padding cuts off. */
#include "core/layers/strided.h"
#include "core/real/interval.h"

struct pad {
    struct integers pad;
    double value;
};

static const struct stability_attribute attributes[] = {
    {"pad", STABILITY_ATTRIBUTE_INTEGERS, offsetof(struct pad, pad), .required = true, .minimum = -0x1p47,
     .maximum = 0x1p47,
     .documentation = "elements before and after in the last dimension, then in the last but one ...; "
                      "negative: that many are cut off"},
    {"value", STABILITY_ATTRIBUTE_REAL, offsetof(struct pad, value), .documentation = "what they are"},
    {0},
};

/* Elements added before and after in dimension d. */
struct margins {
    int64_t before;
    int64_t after;
};

static struct margins margins(const struct pad *pad, int rank, int d)
{
    int pair = rank - 1 - d;
    if (2 * pair >= pad->pad.count)
        return (struct margins){0, 0};
    return (struct margins){pad->pad.items[2 * pair], pad->pad.items[2 * pair + 1]};
}

static bool shape(struct layer_shapes *s)
{
    const struct pad *pad = s->attributes;
    const struct stability_shape *x = &s->inputs[0];
    struct stability_shape *y = &s->outputs[0];
    char text[STABILITY_SHAPE_TEXT];
    if (pad->pad.count % 2 != 0 || pad->pad.count > 2 * x->rank)
        return layer_shape_fail(s, "pad",
                                "pad must have two numbers for each of the last dimensions of %s, got %d",
                                stability_shape_text(x, text), pad->pad.count);
    *y = *x;
    for (int d = 0; d < x->rank; d++) {
        struct margins margin = margins(pad, x->rank, d);
        y->sizes[d] += margin.before + margin.after;
        if (y->sizes[d] < 0)
            return layer_shape_fail(s, "pad", "more is cut off in dimension %d than %s has", d,
                                    stability_shape_text(x, text));
    }
    return true;
}

/* The elements that are in the input and in the output: where they lie in either. */
static void find_kept(const struct layer_pass *pass, struct strided *in_x, struct strided *in_y)
{
    *in_x = strided_whole(&pass->inputs[0].shape);
    *in_y = strided_whole(&pass->outputs[0].shape);
    for (int d = 0; d < in_x->rank; d++) {
        struct margins margin = margins(pass->attributes, in_x->rank, d);
        int64_t cut_before = margin.before < 0 ? -margin.before : 0;
        int64_t cut_after = margin.after < 0 ? -margin.after : 0;
        int64_t left = in_x->sizes[d] - cut_before - cut_after;
        in_x->offset += cut_before * in_x->strides[d];
        in_y->offset += (margin.before > 0 ? margin.before : 0) * in_y->strides[d];
        in_x->sizes[d] = in_y->sizes[d] = left > 0 ? left : 0;
    }
}

static void forward(const struct layer_pass *pass)
{
    const real value = (real)((const struct pad *)pass->attributes)->value;
    real *y = pass->outputs[0].data;
    struct strided in_x, in_y;
    find_kept(pass, &in_x, &in_y);
    for (int64_t i = 0; i < pass->outputs[0].count; i++)
        y[i] = value;
    strided_copy(&in_y, y, &in_x, pass->inputs[0].data);
}

static void backward(const struct layer_pass *pass)
{
    real *dx = pass->input_gradients[0].data;
    struct strided in_x, in_y;
    find_kept(pass, &in_x, &in_y);
    for (int64_t i = 0; i < pass->inputs[0].count; i++)
        dx[i] = 0;
    strided_copy(&in_x, dx, &in_y, pass->output_gradients[0].data);
}

static const struct layer_bounds bounds = {.forward = interval_move_forward,
                                           .backward = interval_linear_backward};

LAYER_OPS(Pad) = {
    .type = {"Pad", "torch.nn.functional.pad", "a value around the last dimensions", .minimum_inputs = 1,
             .maximum_inputs = 1, .attributes = attributes},
    .attributes_size = sizeof(struct pad),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_INPUTS | LAYER_UNREAD_OUTPUTS,
    .bounds = &bounds,
};
