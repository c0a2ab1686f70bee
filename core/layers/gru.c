/* r, z = σ of x W_ihᵀ + b_ih + h(t - 1) W_hhᵀ + b_hh; n = tanh(x W_inᵀ + b_in + r (h(t - 1) W_hnᵀ + b_hn));
 * h(t) = (1 - z) n + z h(t - 1) = (h(t - 1) - n) z + n. */
#include "core/layers/recurrent.h"

static const struct stability_attribute attributes[] = {RECURRENT_SIZES, RECURRENT_OPTIONS, {0}};

static const struct stability_parameter parameters[] = {RECURRENT_PARAMETER_ROWS("3 * hidden_size")};

static real sigmoid(real x)
{
    return 1 / (1 + exp(-x));
}

/* Vectors of one sample: the gates, and h(t - 1) W_hhᵀ + b_hh of each. */
struct gates {
    real *restrict r, *restrict z, *restrict n, *restrict kept;
    const real *restrict hr, *restrict hz, *restrict hn;
};

/* Keeps r, z, n and h(t - 1) W_hnᵀ + b_hn. */
static void cell_forward(const struct recurrent_step *step)
{
    int64_t size = step->size;
    const real *restrict previous = step->previous;
    real *restrict h = step->hidden;
    struct gates s = {
        step->kept,      step->kept + size,      step->kept + 2 * size,     step->kept + 3 * size,
        step->recurring, step->recurring + size, step->recurring + 2 * size};
    for (int64_t k = 0; k < size; k++) {
        s.r[k] = sigmoid(s.r[k] + s.hr[k]);
        s.z[k] = sigmoid(s.z[k] + s.hz[k]);
        s.n[k] = tanh(s.n[k] + s.r[k] * s.hn[k]);
        s.kept[k] = s.hn[k];
        h[k] = (previous[k] - s.n[k]) * s.z[k] + s.n[k];
    }
}

static void cell_backward(const struct recurrent_gradient *gradient)
{
    int64_t size = gradient->size;
    const real *restrict r = gradient->kept, *restrict z = r + size, *restrict n = z + size;
    const real *restrict hn = n + size;
    const real *restrict previous = gradient->previous, *restrict output = gradient->hidden;
    real *restrict carried = gradient->carried;
    real *restrict dr = gradient->gates, *restrict dz = dr + size, *restrict dn = dz + size;
    real *restrict dhr = gradient->recurring, *restrict dhz = dhr + size, *restrict dhn = dhz + size;
    for (int64_t k = 0; k < size; k++) {
        real dh = output[k] + carried[k];
        dn[k] = dh * (1 - z[k]) * (1 - n[k] * n[k]);
        dhn[k] = dn[k] * r[k];
        dr[k] = dhr[k] = dn[k] * hn[k] * (1 - r[k]) * r[k];
        dz[k] = dhz[k] = dh * (previous[k] - n[k]) * (1 - z[k]) * z[k];
        carried[k] = dh * z[k];
    }
}

static const struct recurrent_cell cell = {.gates = 3,
                                           .slots = 4,
                                           .apart = true,
                                           .passes = true,
                                           .flops = 38,
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

LAYER_OPS(GRU) = {
    .type = {.type = "GRU",
             .torch = "torch.nn.GRU",
             .documentation = "a gated recurrent network over time, gates in the order r, z, n",
             .minimum_inputs = 1,
             .maximum_inputs = 1,
             .attributes = attributes,
             .parameters = parameters,
             .outputs = (const char *const[]){"h_n", NULL}},
    .attributes_size = sizeof(struct recurrent),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .copies = VARIANT(recurrent_copies),
    .copy = VARIANT(recurrent_copy),
    .time_dim = VARIANT(recurrent_time_dim),
};
