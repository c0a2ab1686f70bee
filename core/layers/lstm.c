/* i, f, g, o = σ, σ, tanh, σ of x W_ihᵀ + b_ih + h(t - 1) W_hhᵀ + b_hh;
 * c(t) = f c(t - 1) + i g, h(t) = o tanh c(t). */
#include "core/layers/recurrent.h"

static const struct stability_attribute attributes[] = {
    RECURRENT_SIZES,
    RECURRENT_OPTIONS,
    {"proj_size", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct recurrent, proj_size),
     .documentation = "must be 0: projections of the hidden state are not supported"},
    {0},
};

static const struct stability_parameter parameters[] = {RECURRENT_PARAMETER_ROWS("4 * hidden_size")};

static real sigmoid(real x)
{
    return 1 / (1 + exp(-x));
}

static void gates_forward(int64_t size, real *restrict i, real *restrict f, real *restrict g,
                          real *restrict o, const real *restrict previous, real *restrict c, real *restrict h)
{
    for (int64_t k = 0; k < size; k++) {
        i[k] = sigmoid(i[k]);
        f[k] = sigmoid(f[k]);
        g[k] = tanh(g[k]);
        o[k] = sigmoid(o[k]);
        c[k] = f[k] * previous[k] + i[k] * g[k];
        h[k] = o[k] * tanh(c[k]);
    }
}

static void cell_forward(const struct recurrent_step *step)
{
    int64_t size = step->size;
    real *kept = step->kept;
    gates_forward(size, kept, kept + size, kept + 2 * size, kept + 3 * size, step->previous_state,
                  step->state, step->hidden);
}

/* What gates_forward kept, and where the gradients of the gates' sums go. */
struct gates {
    const real *restrict i, *restrict f, *restrict g, *restrict o;
    real *restrict di, *restrict df, *restrict dg, *restrict d_o;
};

static void cell_backward(const struct recurrent_gradient *gradient)
{
    int64_t size = gradient->size;
    const real *kept = gradient->kept;
    const real *restrict previous = gradient->previous_state;
    const real *restrict c = gradient->state;
    const real *restrict output = gradient->hidden;
    const real *restrict carried = gradient->carried;
    real *restrict carried_state = gradient->carried_state;
    struct gates s = {kept,
                      kept + size,
                      kept + 2 * size,
                      kept + 3 * size,
                      gradient->gates,
                      gradient->gates + size,
                      gradient->gates + 2 * size,
                      gradient->gates + 3 * size};
    for (int64_t k = 0; k < size; k++) {
        real dh = output[k] + carried[k];
        real tanh_c = tanh(c[k]);
        real dc = carried_state[k] + dh * s.o[k] * (1 - tanh_c * tanh_c);
        s.di[k] = dc * s.g[k] * (1 - s.i[k]) * s.i[k];
        s.df[k] = dc * previous[k] * (1 - s.f[k]) * s.f[k];
        s.dg[k] = dc * s.i[k] * (1 - s.g[k] * s.g[k]);
        s.d_o[k] = dh * tanh_c * (1 - s.o[k]) * s.o[k];
        carried_state[k] = dc * s.f[k];
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
    return VARIANT(recurrent_shape)(shapes, &cell);
}

static void forward(const struct layer_pass *pass)
{
    VARIANT(recurrent_forward)(pass, &cell);
}

static void backward(const struct layer_pass *pass)
{
    VARIANT(recurrent_backward)(pass, &cell);
}

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
    .copies = VARIANT(recurrent_copies),
    .copy = VARIANT(recurrent_copy),
    .time_dim = VARIANT(recurrent_time_dim),
};
