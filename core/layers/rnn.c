/* h(t) = f(x W_ihᵀ + b_ih + h(t - 1) W_hhᵀ + b_hh) with f = tanh or relu. */
#include "core/layers/recurrent.h"
#include "core/real/functions.h"
#include "core/real/interval.h"
#include "core/real/switches.h"

enum { TANH, RELU };

static const struct stability_attribute attributes[] = {
    RECURRENT_SIZES,
    {"nonlinearity", STABILITY_ATTRIBUTE_CHOICE, offsetof(struct recurrent, nonlinearity), .choice = "tanh",
     .choices = "tanh relu", .documentation = "what is applied to the sums"},
    RECURRENT_OPTIONS,
    {0},
};

static const struct stability_parameter parameters[] = {RECURRENT_PARAMETER_ROWS("hidden_size")};

static void tanh_forward(const struct recurrent_step *step)
{
    real *kept = step->kept, *h = step->hidden;
    RECURRENT_ELEMENTS
    for (int64_t i = 0; i < step->size; i++)
        h[i] = kept[i] = real_tanh(kept[i]);
}

static void tanh_backward(const struct recurrent_gradient *gradient)
{
    const real *h = gradient->kept, *output = gradient->hidden, *carried = gradient->carried;
    RECURRENT_ELEMENTS
    for (int64_t i = 0; i < gradient->size; i++)
        gradient->gates[i] = (output[i] + carried[i]) * (1 - h[i] * h[i]);
}

static void relu_forward(const struct recurrent_step *step)
{
    real *kept = step->kept, *h = step->hidden;
    RECURRENT_ELEMENTS
    for (int64_t i = 0; i < step->size; i++)
        h[i] = kept[i] = kept[i] <= 0 ? 0 : kept[i];
}

static void relu_backward(const struct recurrent_gradient *gradient)
{
    const real *h = gradient->kept, *output = gradient->hidden, *carried = gradient->carried;
    RECURRENT_ELEMENTS
    for (int64_t i = 0; i < gradient->size; i++)
        gradient->gates[i] = h[i] <= 0 ? 0 : output[i] + carried[i];
}

static const struct recurrent_cell cells[] = {
    [TANH] = {.gates = 1, .slots = 1, .flops = 8, .forward = tanh_forward, .backward = tanh_backward},
    [RELU] = {.unbounded = true,
              .gates = 1,
              .slots = 1,
              .flops = 1,
              .forward = relu_forward,
              .backward = relu_backward},
};

static const struct recurrent_cell *cell_of(const void *attributes_)
{
    return &cells[((const struct recurrent *)attributes_)->nonlinearity];
}

static bool shape(struct layer_shapes *shapes)
{
    return recurrent_shape(shapes, cell_of(shapes->attributes));
}

static void forward(const struct layer_pass *pass)
{
    recurrent_forward(pass, cell_of(pass->attributes));
}

static void backward(const struct layer_pass *pass)
{
    recurrent_backward(pass, cell_of(pass->attributes));
}

static uint64_t switches(const struct layer_pass *pass)
{
    const struct recurrent_cell *cell = cell_of(pass->attributes);
    return cell == &cells[RELU] ? switches_above(pass->saved, recurrent_kept(pass, cell), 0) : 0;
}

static bool bound_forward(struct interval_pass *p)
{
    return recurrent_bound_forward(p, cell_of(p->pass.attributes));
}

static bool bound_backward(struct interval_pass *p)
{
    return recurrent_bound_backward(p, cell_of(p->pass.attributes));
}

static const struct layer_bounds bounds = {.forward = bound_forward, .backward = bound_backward};

LAYER_OPS(RNN) = {
    .type = {.type = "RNN",
             .torch = "torch.nn.RNN",
             .documentation =
                 "an Elman network over time: h(t) = tanh(W_ih x(t) + b_ih + W_hh h(t-1) + b_hh)",
             .minimum_inputs = 1,
             .maximum_inputs = 1,
             .attributes = attributes,
             .parameters = parameters,
             .outputs = (const char *const[]){"h_n", NULL}},
    .attributes_size = sizeof(struct recurrent),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .copies = recurrent_copies,
    .copy = recurrent_copy,
    .time_dim = recurrent_time_dim,
    .switches = switches,
    .bounds = &bounds,
};
