/* y = x Wᵀ + b over the last dimension of x. */
#include "core/layer.h"
#include "core/real/blas.h"

struct linear {
    int64_t in_features;
    int64_t out_features;
    bool bias;
};

static const struct stability_attribute attributes[] = {
    {"in_features", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct linear, in_features), .required = true,
     .minimum = 1, .documentation = "size of each input row"},
    {"out_features", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct linear, out_features), .required = true,
     .minimum = 1, .documentation = "size of each output row"},
    {"bias", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct linear, bias), .number = true,
     .documentation = "whether a bias is added"},
    {0},
};

enum { WEIGHT, BIAS };
static const struct stability_parameter parameters[] = {
    [WEIGHT] = {"weight", "out_features, in_features", .init = "uniform_", .init_bound = "in_features"},
    [BIAS] = {"bias", "out_features", .when = "bias", .init = "uniform_", .init_bound = "in_features"},
    {0},
};

static bool shape(struct layer_shapes *s)
{
    const struct linear *linear = s->attributes;
    const struct stability_shape *x = &s->inputs[0];
    if (x->rank < 1 || x->sizes[x->rank - 1] != linear->in_features) {
        char text[STABILITY_SHAPE_TEXT];
        return layer_shape_fail(s, "in_features",
                                "the input's last dimension must be in_features = %lld, got %s",
                                (long long)linear->in_features, stability_shape_text(x, text));
    }
    s->outputs[0] = *x;
    s->outputs[0].sizes[x->rank - 1] = linear->out_features;
    s->feature_dim = x->rank - 1;
    s->flops = 2.0 * (double)stability_shape_count(x) * (double)linear->out_features;
    return true;
}

static void forward(const struct layer_pass *pass)
{
    const struct linear *linear = pass->attributes;
    const real *x = pass->inputs[0].data;               // (rows, in_features)
    const real *weight = pass->parameters[WEIGHT].data; // (out_features, in_features)
    const real *bias = pass->parameters[BIAS].data;     // (out_features)
    real *y = pass->outputs[0].data;                    // (rows, out_features)
    int64_t rows = pass->inputs[0].count / linear->in_features;
    for (int64_t r = 0; bias && r < rows; r++)
        for (int64_t o = 0; o < linear->out_features; o++)
            y[r * linear->out_features + o] = bias[o];
    gemm(PLAIN, TRANSPOSED, rows, linear->out_features, linear->in_features, x, weight, bias ? 1 : 0, y);
}

static void backward(const struct layer_pass *pass)
{
    const struct linear *linear = pass->attributes;
    const real *x = pass->inputs[0].data;
    const real *dy = pass->output_gradients[0].data; // (rows, out_features)
    real *dx = pass->input_gradients[0].data;
    real *weight_gradient = pass->parameter_gradients[WEIGHT].data;
    real *bias_gradient = pass->parameter_gradients[BIAS].data;
    int64_t rows = pass->inputs[0].count / linear->in_features;
    if (dx)
        gemm(PLAIN, PLAIN, rows, linear->in_features, linear->out_features, dy, pass->parameters[WEIGHT].data,
             0, dx);
    if (weight_gradient)
        gemm(TRANSPOSED, PLAIN, linear->out_features, linear->in_features, rows, dy, x, 0, weight_gradient);
    for (int64_t o = 0; bias_gradient && o < linear->out_features; o++)
        bias_gradient[o] = 0;
    for (int64_t r = 0; bias_gradient && r < rows; r++)
        for (int64_t o = 0; o < linear->out_features; o++)
            bias_gradient[o] += dy[r * linear->out_features + o];
}

LAYER_OPS(Linear) = {
    .type = {.type = "Linear",
             .torch = "torch.nn.Linear",
             .documentation = "y = x Wᵀ + b over the last dimension",
             .minimum_inputs = 1,
             .maximum_inputs = 1,
             .attributes = attributes,
             .parameters = parameters},
    .attributes_size = sizeof(struct linear),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_OUTPUTS,
};
