/* Normalisation over the last dimensions: LayerNorm, and RMSNorm, which leaves the mean where it is. */
#include "core/layers/norm.h"
#include "core/real/interval.h"

struct layer_norm {
    struct integers normalized_shape;
    struct optional_real eps;
    bool elementwise_affine;
    bool bias;
};

enum { WEIGHT, BIAS };

static bool check_shape(struct layer_shapes *s)
{
    const struct integers *normalized = &((const struct layer_norm *)s->attributes)->normalized_shape;
    const struct stability_shape *x = &s->inputs[0];
    if (normalized->count == 0)
        return layer_shape_fail(s, "normalized_shape", "normalized_shape must name at least one dimension");
    bool equal = normalized->count <= x->rank;
    for (int d = 1; equal && d <= normalized->count; d++)
        equal = x->sizes[x->rank - d] == normalized->items[normalized->count - d];
    if (equal)
        return true;
    struct stability_shape expected = {.rank = normalized->count};
    for (int d = 0; d < normalized->count; d++)
        expected.sizes[d] = normalized->items[d];
    char last[STABILITY_SHAPE_TEXT], input[STABILITY_SHAPE_TEXT];
    return layer_shape_fail(s, "normalized_shape",
                            "the input's last dimensions must be normalized_shape = %s, got %s",
                            stability_shape_text(&expected, last), stability_shape_text(x, input));
}

static struct norm norm_of(const struct layer_norm *layer_norm, const struct stability_shape *x)
{
    int64_t rows = 1, channels = 1;
    for (int d = 0; d < x->rank; d++)
        *(d < x->rank - layer_norm->normalized_shape.count ? &rows : &channels) *= x->sizes[d];
    return norm_of_rows(rows, channels, layer_norm->eps.value);
}

/* ---- LayerNorm ---- */

static const struct stability_attribute layer_attributes[] = {
    {"normalized_shape", STABILITY_ATTRIBUTE_INTEGERS, offsetof(struct layer_norm, normalized_shape),
     .required = true, .minimum = 1, .documentation = "sizes of the last dimensions, which are normalised"},
    {"eps", STABILITY_ATTRIBUTE_REAL, offsetof(struct layer_norm, eps.value), .maximum = INFINITY,
     .number = 1e-5, .documentation = "added to the variance"},
    {"elementwise_affine", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct layer_norm, elementwise_affine),
     .number = true, .documentation = "whether there are a weight and a bias"},
    {"bias", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct layer_norm, bias), .number = true,
     .documentation = "whether there is a bias beside the weight"},
    {0},
};

static const struct stability_parameter layer_parameters[] = {
    [WEIGHT] = {"weight", "*normalized_shape", .when = "elementwise_affine", .init = "ones_"},
    [BIAS] = {"bias", "*normalized_shape", .when = "elementwise_affine * bias", .init = "zeros_"},
    {0},
};

static struct norm layer_norm_of(const struct layer_pass *pass)
{
    struct norm norm = norm_of(pass->attributes, &pass->inputs[0].shape);
    norm.weight = pass->parameters[WEIGHT].data;
    norm.bias = pass->parameters[BIAS].data;
    return norm;
}

static bool shape(struct layer_shapes *s)
{
    if (!check_shape(s))
        return false;
    struct norm norm = norm_of(s->attributes, &s->inputs[0]);
    norm_plan(&norm, s);
    return true;
}

static void forward(const struct layer_pass *pass)
{
    struct norm norm = layer_norm_of(pass);
    norm_forward_layer(&norm, pass);
}

static void backward(const struct layer_pass *pass)
{
    struct norm norm = layer_norm_of(pass);
    norm_backward_layer(&norm, pass);
}

static bool explain(const struct layer_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    struct norm norm = layer_norm_of(pass);
    return norm_explain(&norm, pass, place, cause);
}

static bool layer_bound_forward(struct interval_pass *p)
{
    struct layer_pass pass;
    if (!interval_low_pass(p, &pass))
        return false;
    struct norm norm = layer_norm_of(&pass);
    return norm_bound_forward(&norm, p);
}

static bool layer_bound_backward(struct interval_pass *p)
{
    struct layer_pass pass;
    if (!interval_low_pass(p, &pass))
        return false;
    struct norm norm = layer_norm_of(&pass);
    return norm_bound_backward(&norm, p);
}

static const struct layer_bounds layer_bounds = {.forward = layer_bound_forward,
                                                 .backward = layer_bound_backward};

LAYER_OPS(LayerNorm) = {
    .type = {.type = "LayerNorm",
             .torch = "torch.nn.LayerNorm",
             .documentation = "normalises over the last dimensions",
             .minimum_inputs = 1,
             .maximum_inputs = 1,
             .attributes = layer_attributes,
             .parameters = layer_parameters},
    .attributes_size = sizeof(struct layer_norm),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .explain = explain,
    .bounds = &layer_bounds,
};

/* ---- RMSNorm ---- */

static const struct stability_attribute rms_attributes[] = {
    {"normalized_shape", STABILITY_ATTRIBUTE_INTEGERS, offsetof(struct layer_norm, normalized_shape),
     .required = true, .minimum = 1, .documentation = "sizes of the last dimensions, which are normalised"},
    {"eps", STABILITY_ATTRIBUTE_REAL, offsetof(struct layer_norm, eps), .nullable = true, .maximum = INFINITY,
     .documentation = "added to the mean of squares; null is the precision's machine epsilon"},
    {"elementwise_affine", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct layer_norm, elementwise_affine),
     .number = true, .documentation = "whether there is a weight"},
    {0},
};

static const struct stability_parameter rms_parameters[] = {
    [WEIGHT] = {"weight", "*normalized_shape", .when = "elementwise_affine", .init = "ones_"},
    {0},
};

static struct norm rms_norm_of(const struct layer_pass *pass)
{
    const struct layer_norm *layer_norm = pass->attributes;
    struct norm norm = norm_of(layer_norm, &pass->inputs[0].shape);
    norm.centered = false;
    if (!layer_norm->eps.present)
        norm.eps = (double)REAL_EPSILON;
    norm.weight = pass->parameters[WEIGHT].data;
    return norm;
}

static void forward_rms(const struct layer_pass *pass)
{
    struct norm norm = rms_norm_of(pass);
    norm_forward_layer(&norm, pass);
}

static void backward_rms(const struct layer_pass *pass)
{
    struct norm norm = rms_norm_of(pass);
    norm_backward_layer(&norm, pass);
}

static bool explain_rms(const struct layer_pass *pass, const struct layer_place *place,
                        struct layer_cause *cause)
{
    struct norm norm = rms_norm_of(pass);
    return norm_explain(&norm, pass, place, cause);
}

static bool rms_bound_forward(struct interval_pass *p)
{
    struct layer_pass pass;
    if (!interval_low_pass(p, &pass))
        return false;
    struct norm norm = rms_norm_of(&pass);
    return norm_bound_forward(&norm, p);
}

static bool rms_bound_backward(struct interval_pass *p)
{
    struct layer_pass pass;
    if (!interval_low_pass(p, &pass))
        return false;
    struct norm norm = rms_norm_of(&pass);
    return norm_bound_backward(&norm, p);
}

static const struct layer_bounds rms_bounds = {.forward = rms_bound_forward, .backward = rms_bound_backward};

LAYER_OPS(RMSNorm) = {
    .type = {.type = "RMSNorm",
             .torch = "torch.nn.RMSNorm",
             .documentation = "divides by the root mean square over the last dimensions",
             .minimum_inputs = 1,
             .maximum_inputs = 1,
             .attributes = rms_attributes,
             .parameters = rms_parameters},
    .attributes_size = sizeof(struct layer_norm),
    .shape = shape,
    .forward = forward_rms,
    .backward = backward_rms,
    .unread = LAYER_UNREAD_OUTPUTS,
    .explain = explain_rms,
    .bounds = &rms_bounds,
};
