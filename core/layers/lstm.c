/* i, f, g, o = σ, σ, tanh, σ of x W_ihᵀ + b_ih + h(t - 1) W_hhᵀ + b_hh;
 * c(t) = f c(t - 1) + i g, h(t) = o tanh c(t). */
#include "core/layers/recurrent.h"
#include "core/real/functions.h"
#include "core/real/interval.h"

static const struct stability_attribute attributes[] = {
    RECURRENT_SIZES,
    RECURRENT_OPTIONS,
    {"proj_size", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct recurrent, proj_size),
     .documentation = "must be 0: projections of the hidden state are not supported"},
    {0},
};

static const struct stability_parameter parameters[] = {RECURRENT_PARAMETER_ROWS("4 * hidden_size")};

static void cell_forward(const struct recurrent_step *step)
{
    int64_t size = step->size;
    real *i = step->kept, *f = i + size, *g = f + size, *o = g + size;
    const real *previous = step->previous_state;
    real *c = step->state, *h = step->hidden;
    RECURRENT_ELEMENTS
    for (int64_t k = 0; k < size; k++) {
        i[k] = real_sigmoid(i[k]);
        f[k] = real_sigmoid(f[k]);
        g[k] = real_tanh(g[k]);
        o[k] = real_sigmoid(o[k]);
        c[k] = f[k] * previous[k] + i[k] * g[k];
        h[k] = o[k] * real_tanh(c[k]);
    }
}

static void cell_backward(const struct recurrent_gradient *gradient)
{
    int64_t size = gradient->size;
    const real *i = gradient->kept, *f = i + size, *g = f + size, *o = g + size;
    const real *previous = gradient->previous_state, *c = gradient->state;
    const real *output = gradient->hidden, *carried = gradient->carried;
    real *carried_state = gradient->carried_state;
    real *di = gradient->gates, *df = di + size, *dg = df + size, *d_o = dg + size;
    RECURRENT_ELEMENTS
    for (int64_t k = 0; k < size; k++) {
        real dh = output[k] + carried[k];
        real tanh_c = real_tanh(c[k]);
        real dc = carried_state[k] + dh * o[k] * (1 - tanh_c * tanh_c);
        di[k] = dc * g[k] * (1 - i[k]) * i[k];
        df[k] = dc * previous[k] * (1 - f[k]) * f[k];
        dg[k] = dc * i[k] * (1 - g[k] * g[k]);
        d_o[k] = dh * tanh_c * (1 - o[k]) * o[k];
        carried_state[k] = dc * f[k];
    }
}

static const struct recurrent_cell cell = {.gates = 4,
                                           .slots = 4,
                                           .has_state = true,
                                           .flops = 46,
                                           .forward = cell_forward,
                                           .backward = cell_backward};

static bool shape(struct layer_shapes *shapes)
{
    return recurrent_shape(shapes, &cell);
}

static void forward(const struct layer_pass *pass)
{
    recurrent_forward(pass, &cell);
}

static void backward(const struct layer_pass *pass)
{
    recurrent_backward(pass, &cell);
}

static bool bound_forward(struct interval_pass *p)
{
    return recurrent_bound_forward(p, &cell);
}

static bool bound_backward(struct interval_pass *p)
{
    return recurrent_bound_backward(p, &cell);
}

static const struct layer_bounds bounds = {.forward = bound_forward, .backward = bound_backward};

LAYER_OPS(LSTM) = {
    .type = {.type = "LSTM",
             .torch = "torch.nn.LSTM",
             .documentation = "a long short-term memory network over time, gates in the order i, f, g, o",
             .minimum_inputs = 1,
             .maximum_inputs = 1,
             .attributes = attributes,
             .parameters = parameters,
             .outputs = (const char *const[]){"h_n", "c_n", NULL}},
    .attributes_size = sizeof(struct recurrent),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .copies = recurrent_copies,
    .copy = recurrent_copy,
    .time_dim = recurrent_time_dim,
    .bounds = &bounds,
};
