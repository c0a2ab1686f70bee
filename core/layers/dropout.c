/* In training, y = x m / (1 - p) with m = 0 with probability p, else 1. */
#include "core/layers/dropout.h"
#include "core/layers/copy.h"
#include "core/real/interval.h"

struct dropout {
    double p;
};

static const struct stability_attribute attributes[] = {
    {"p", STABILITY_ATTRIBUTE_REAL, offsetof(struct dropout, p), .maximum = 1, .number = 0.5,
     .documentation = "probability that an element is set to zero"},
    {0},
};

static void apply(const struct layer_pass *pass, const real *from, real *to)
{
    const struct dropout *dropout = pass->attributes;
    dropout_apply(pass->seed, 0, dropout->p, from, to, pass->outputs[0].count);
}

static bool is_active(const struct layer_pass *pass)
{
    const struct dropout *dropout = pass->attributes;
    return pass->drops && dropout->p > 0;
}

static void forward(const struct layer_pass *pass)
{
    if (is_active(pass))
        apply(pass, pass->inputs[0].data, pass->outputs[0].data);
    else
        copy_forward(pass);
}

static void backward(const struct layer_pass *pass)
{
    if (is_active(pass))
        apply(pass, pass->output_gradients[0].data, pass->input_gradients[0].data);
    else
        copy_backward(pass);
}

/* Whatever is drawn: x / (1 - p) or 0. */
static void bound(const struct interval_pass *p, const struct interval_tensor *from,
                  const struct interval_tensor *to)
{
    const struct dropout *dropout = p->pass.attributes;
    bool active = p->pass.drops && dropout->p > 0;
    double factor = !active ? 1 : dropout->p < 1 ? 1 / (1 - dropout->p) : 0;
    for (int64_t i = 0; to->low.data && i < to->low.count; i++) {
        struct span x = span_at(from, i), y = {x.low * factor, x.high * factor};
        interval_store(to, i, active ? span_with_zero(y) : x,
                       active ? 4 * (double)REAL_EPSILON * span_magnitude(y) : 0);
    }
}

static bool bound_forward(struct interval_pass *p)
{
    bound(p, &p->inputs[0], &p->outputs[0]);
    return true;
}

static bool bound_backward(struct interval_pass *p)
{
    bound(p, &p->output_gradients[0], &p->input_gradients[0]);
    return true;
}

static const struct layer_bounds bounds = {.forward = bound_forward, .backward = bound_backward};

LAYER_OPS(Dropout) = {
    .type = {.type = "Dropout",
             .torch = "torch.nn.Dropout",
             .documentation = "in training zeroes elements at random and divides the others by 1 - p",
             .minimum_inputs = 1,
             .maximum_inputs = 1,
             .attributes = attributes},
    .attributes_size = sizeof(struct dropout),
    .shape = layer_shape_same,
    .forward = forward,
    .backward = backward,
    .unread = COPY_UNREAD,
    .bounds = &bounds,
};
