/* y_o = x1ᵀ W_o x2 + b_o over the last dimensions. */
#include "core/layers/explain.h"
#include "core/real/blas.h"
#include "core/real/interval.h"
#include "core/real/sums.h"

struct bilinear {
    int64_t in1_features;
    int64_t in2_features;
    int64_t out_features;
    bool bias;
};

static const struct stability_attribute attributes[] = {
    {"in1_features", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct bilinear, in1_features), .required = true,
     .minimum = 1, .documentation = "size of each row of the first input"},
    {"in2_features", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct bilinear, in2_features), .required = true,
     .minimum = 1, .documentation = "size of each row of the second input"},
    {"out_features", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct bilinear, out_features), .required = true,
     .minimum = 1, .documentation = "size of each output row"},
    {"bias", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct bilinear, bias), .number = true,
     .documentation = "whether a bias is added"},
    {0},
};

enum { WEIGHT, BIAS };
static const struct stability_parameter parameters[] = {
    [WEIGHT] = {"weight", "out_features, in1_features, in2_features", .init = "uniform_",
                .init_bound = "in1_features"},
    [BIAS] = {"bias", "out_features", .when = "bias", .init = "uniform_", .init_bound = "in1_features"},
    {0},
};

static bool shape(struct layer_shapes *s)
{
    const struct bilinear *bilinear = s->attributes;
    const struct stability_shape *x1 = &s->inputs[0], *x2 = &s->inputs[1];
    const int64_t features[2] = {bilinear->in1_features, bilinear->in2_features};
    char first[STABILITY_SHAPE_TEXT], second[STABILITY_SHAPE_TEXT];
    for (int k = 0; k < 2; k++)
        if (s->inputs[k].rank < 1 || s->inputs[k].sizes[s->inputs[k].rank - 1] != features[k])
            return layer_shape_fail(s, k ? "in2_features" : "in1_features",
                                    "the last dimension of input %d must be in%d_features = %lld, got %s",
                                    k + 1, k + 1, (long long)features[k],
                                    stability_shape_text(&s->inputs[k], first));
    s->outputs[0] = *x1;
    s->outputs[0].sizes[x1->rank - 1] = features[1];
    if (!stability_shape_equal(&s->outputs[0], x2))
        return layer_shape_fail(s, "inputs", "both inputs must have the same rows, got %s and %s",
                                stability_shape_text(x1, first), stability_shape_text(x2, second));
    s->outputs[0].sizes[x1->rank - 1] = bilinear->out_features;
    s->feature_dim = x1->rank - 1;
    s->flops = 2.0 * (double)stability_shape_count(x1) * (double)features[1] * (double)bilinear->out_features;
    layer_add_reals(s, &s->workspace, stability_shape_count(x2));
    return true;
}

/* What both passes read. */
struct operands {
    int64_t rows;
    int64_t in1;
    int64_t in2;
    int64_t out;
    const real *x1; // (rows, in1)
    const real *x2; // (rows, in2)
    real *product;  // (rows, in2)
};

static struct operands operands_of(const struct layer_pass *pass)
{
    const struct bilinear *bilinear = pass->attributes;
    return (struct operands){
        .rows = pass->inputs[0].count / bilinear->in1_features,
        .in1 = bilinear->in1_features,
        .in2 = bilinear->in2_features,
        .out = bilinear->out_features,
        .x1 = pass->inputs[0].data,
        .x2 = pass->inputs[1].data,
        .product = pass->workspace,
    };
}

/* W_o: (in1, in2) */
static const real *weight_of(const struct layer_pass *pass, const struct operands *v, int64_t o)
{
    return (const real *)pass->parameters[WEIGHT].data + o * v->in1 * v->in2;
}

static void forward(const struct layer_pass *pass)
{
    struct operands v = operands_of(pass);
    const real *bias = pass->parameters[BIAS].data;
    real *y = pass->outputs[0].data;
    for (int64_t o = 0; o < v.out; o++) {
        gemm(PLAIN, PLAIN, v.rows, v.in2, v.in1, v.x1, weight_of(pass, &v, o), 0, v.product);
        for (int64_t r = 0; r < v.rows; r++)
            y[r * v.out + o] =
                (real)sum_of_products(v.product + r * v.in2, v.x2 + r * v.in2, v.in2) + (bias ? bias[o] : 0);
    }
}

/* product (rows, in2) = dy_o * x2: then dx1 += product W_oᵀ and dW_o = x1ᵀ product */
static void derive_first(const struct layer_pass *pass, const struct operands *v, int64_t o)
{
    const real *dy = pass->output_gradients[0].data;
    real *dx1 = pass->input_gradients[0].data;
    real *weight_gradient = pass->parameter_gradients[WEIGHT].data;
    for (int64_t r = 0; r < v->rows; r++)
        for (int64_t k = 0; k < v->in2; k++)
            v->product[r * v->in2 + k] = dy[r * v->out + o] * v->x2[r * v->in2 + k];
    if (dx1)
        gemm(PLAIN, TRANSPOSED, v->rows, v->in1, v->in2, v->product, weight_of(pass, v, o), o > 0, dx1);
    if (weight_gradient)
        gemm(TRANSPOSED, PLAIN, v->in1, v->in2, v->rows, v->x1, v->product, 0,
             weight_gradient + o * v->in1 * v->in2);
}

/* product (rows, in2) = x1 W_o: then dx2 += dy_o * product */
static void derive_second(const struct layer_pass *pass, const struct operands *v, int64_t o)
{
    const real *dy = pass->output_gradients[0].data;
    real *dx2 = pass->input_gradients[1].data;
    if (!dx2)
        return;
    gemm(PLAIN, PLAIN, v->rows, v->in2, v->in1, v->x1, weight_of(pass, v, o), 0, v->product);
    for (int64_t r = 0; r < v->rows; r++)
        for (int64_t k = 0; k < v->in2; k++) {
            real part = dy[r * v->out + o] * v->product[r * v->in2 + k];
            dx2[r * v->in2 + k] = o > 0 ? dx2[r * v->in2 + k] + part : part;
        }
}

static void backward(const struct layer_pass *pass)
{
    struct operands v = operands_of(pass);
    const real *dy = pass->output_gradients[0].data;
    real *bias_gradient = pass->parameter_gradients[BIAS].data;
    for (int64_t o = 0; o < v.out; o++) {
        derive_first(pass, &v, o);
        derive_second(pass, &v, o);
        double sum = 0;
        for (int64_t r = 0; bias_gradient && r < v.rows; r++)
            sum += (double)dy[r * v.out + o];
        if (bias_gradient)
            bias_gradient[o] = (real)sum;
    }
}

static const struct layer_bounds bounds = {.forward = interval_product_forward,
                                           .backward = interval_product_backward};

LAYER_OPS(Bilinear) = {
    .type = {.type = "Bilinear",
             .torch = "torch.nn.Bilinear",
             .documentation = "y = x1ᵀ W x2 + b over the last dimensions of two inputs",
             .minimum_inputs = 2,
             .maximum_inputs = 2,
             .attributes = attributes,
             .parameters = parameters},
    .attributes_size = sizeof(struct bilinear),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .explain = explain_weighted,
    .bounds = &bounds,
};
