/* r, z = σ of x W_ihᵀ + b_ih + h(t - 1) W_hhᵀ + b_hh; n = tanh(x W_inᵀ + b_in + r (h(t - 1) W_hnᵀ + b_hn));
 * h(t) = (1 - z) n + z h(t - 1) = (h(t - 1) - n) z + n. */
#include "core/layers/recurrent.h"
#include "core/real/functions.h"
#include "core/real/interval.h"

static const struct stability_attribute attributes[] = {RECURRENT_SIZES, RECURRENT_OPTIONS, {0}};

static const struct stability_parameter parameters[] = {RECURRENT_PARAMETER_ROWS("3 * hidden_size")};

/* Keeps r, z, n and h(t - 1) W_hnᵀ + b_hn. */
static void cell_forward(const struct recurrent_step *step)
{
    int64_t size = step->size;
    real *r = step->kept, *z = r + size, *n = z + size, *kept = n + size;
    const real *hr = step->recurring, *hz = hr + size, *hn = hz + size;
    const real *previous = step->previous;
    real *h = step->hidden;
    RECURRENT_ELEMENTS
    for (int64_t k = 0; k < size; k++) {
        r[k] = real_sigmoid(r[k] + hr[k]);
        z[k] = real_sigmoid(z[k] + hz[k]);
        n[k] = real_tanh(n[k] + r[k] * hn[k]);
        kept[k] = hn[k];
        h[k] = (previous[k] - n[k]) * z[k] + n[k];
    }
}

static void cell_backward(const struct recurrent_gradient *gradient)
{
    int64_t size = gradient->size;
    const real *r = gradient->kept, *z = r + size, *n = z + size, *hn = n + size;
    const real *previous = gradient->previous, *output = gradient->hidden;
    real *carried = gradient->carried;
    real *dr = gradient->gates, *dz = dr + size, *dn = dz + size;
    real *dhr = gradient->recurring, *dhz = dhr + size, *dhn = dhz + size;
    RECURRENT_ELEMENTS
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
    .copies = recurrent_copies,
    .copy = recurrent_copy,
    .time_dim = recurrent_time_dim,
    .bounds = &bounds,
};
