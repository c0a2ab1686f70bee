/* y = x Wᵀ + b over the last dimension of x. */
#include "core/layer.h"
#include "core/layers/affine.h"
#include "core/layers/explain.h"
#include "core/real/interval.h"

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

static struct affine rows_of(const struct layer_pass *pass)
{
    const struct linear *linear = pass->attributes;
    return affine_dense(pass->inputs[0].count / linear->in_features, linear->in_features,
                        linear->out_features);
}

static void forward(const struct layer_pass *pass)
{
    struct affine rows = rows_of(pass);
    affine_forward(&rows, pass->inputs[0].data, pass->parameters[WEIGHT].data, pass->parameters[BIAS].data,
                   pass->outputs[0].data);
}

static void backward(const struct layer_pass *pass)
{
    struct affine rows = rows_of(pass);
    affine_backward(&rows, pass->inputs[0].data, pass->parameters[WEIGHT].data,
                    pass->output_gradients[0].data, pass->input_gradients[0].data,
                    pass->parameter_gradients[WEIGHT].data, pass->parameter_gradients[BIAS].data);
}

static int64_t parameter_column(const struct layer_pass *pass, int parameter, int64_t element, double step,
                                void *change)
{
    const struct linear *linear = pass->attributes;
    const real *x = pass->inputs[0].data;
    real *added = change;
    int64_t rows = pass->inputs[0].count / linear->in_features;
    int64_t in = element % linear->in_features;
    for (int64_t r = 0; r < rows; r++)
        added[r] = parameter == WEIGHT ? (real)step * x[r * linear->in_features + in] : (real)step;
    return parameter == WEIGHT ? element / linear->in_features : element;
}

static void input_column(const struct layer_pass *pass, int64_t column, const struct row_changes *changes)
{
    enum { BLOCK = 256 };
    const struct linear *linear = pass->attributes;
    const real *weight = pass->parameters[WEIGHT].data, *added = changes->change;
    real factors[BLOCK];
    int64_t width = linear->out_features;
    for (int64_t start = 0; start < width; start += BLOCK) {
        int64_t count = width - start < BLOCK ? width - start : BLOCK;
        for (int64_t o = 0; o < count; o++)
            factors[o] = weight[(start + o) * linear->in_features + column];
        for (int64_t r = 0; r < changes->count; r++) {
            const real *before = (const real *)changes->base + (changes->rows ? changes->rows[r] : r) * width;
            real *y = (real *)changes->output + r * width, change = added[r];
            for (int64_t o = 0; o < count; o++)
                y[start + o] = before[start + o] + change * factors[o];
        }
    }
}

static bool explain_backward(const struct layer_pass *pass, const struct layer_place *place,
                             struct layer_cause *cause)
{
    const struct linear *linear = pass->attributes;
    int64_t in = linear->in_features, out = linear->out_features, rows = pass->inputs[0].count / in;
    const struct tensor *dy = &pass->output_gradients[0];
    struct explain_factor along = {OUTPUT_GRADIENT, dy, place->element / in * out, 1};
    struct explain_factor across = {OUTPUT_GRADIENT, dy, place->element / (place->tensor == WEIGHT ? in : 1),
                                    out};
    struct explain_factor weight = {"weight", &pass->parameters[WEIGHT], place->element % in, in};
    struct explain_factor input = {"input", &pass->inputs[0], place->element % in, in};
    if (!place->parameter)
        return explain_products(cause, out, &along, &weight);
    return place->tensor == WEIGHT ? explain_products(cause, rows, &across, &input)
                                   : explain_sum(cause, rows, &across);
}

static bool explain(const struct layer_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    const struct linear *linear = pass->attributes;
    int64_t in = linear->in_features, out = linear->out_features;
    struct explain_factor input = {"input", &pass->inputs[0], place->element / out * in, 1};
    struct explain_factor weight = {"weight", &pass->parameters[WEIGHT], place->element % out * in, 1};
    return place->backward ? explain_backward(pass, place, cause)
                           : explain_products(cause, in, &input, &weight);
}

static const struct layer_bounds bounds = {.forward = interval_product_forward,
                                           .backward = interval_product_backward};

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
    .parameter_column = parameter_column,
    .input_column = input_column,
    .explain = explain,
    .bounds = &bounds,
};
