/* Normalises groups of channels of each item. */
#include "core/layers/norm.h"
#include "core/real/interval.h"

struct group_norm {
    int64_t num_groups;
    int64_t num_channels;
    double eps;
    bool affine;
};

static const struct stability_attribute attributes[] = {
    {"num_groups", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct group_norm, num_groups), .required = true,
     .minimum = 1, .documentation = "groups that the channels are divided into"},
    {"num_channels", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct group_norm, num_channels), .required = true,
     .minimum = 1, .documentation = "channels, a multiple of num_groups"},
    {"eps", STABILITY_ATTRIBUTE_REAL, offsetof(struct group_norm, eps), .maximum = INFINITY, .number = 1e-5,
     .documentation = "added to the variance"},
    {"affine", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct group_norm, affine), .number = true,
     .documentation = "whether there are a weight and a bias"},
    {0},
};

enum { WEIGHT, BIAS };
static const struct stability_parameter parameters[] = {
    [WEIGHT] = {"weight", "num_channels", .when = "affine", .init = "ones_"},
    [BIAS] = {"bias", "num_channels", .when = "affine", .init = "zeros_"},
    {0},
};

static struct norm norm_of(const struct group_norm *group_norm, const struct stability_shape *x)
{
    struct norm norm = {.outer = x->sizes[0],
                        .channels = group_norm->num_channels,
                        .inner = 1,
                        .groups = group_norm->num_groups,
                        .centered = true,
                        .eps = group_norm->eps};
    for (int d = 2; d < x->rank; d++)
        norm.inner *= x->sizes[d];
    return norm;
}

static bool shape(struct layer_shapes *s)
{
    const struct group_norm *group_norm = s->attributes;
    const struct stability_shape *x = &s->inputs[0];
    char text[STABILITY_SHAPE_TEXT];
    if (group_norm->num_channels % group_norm->num_groups != 0)
        return layer_shape_fail(s, "num_groups",
                                "num_channels = %lld must be a multiple of num_groups = %lld",
                                (long long)group_norm->num_channels, (long long)group_norm->num_groups);
    if (x->rank < 2 || x->sizes[1] != group_norm->num_channels)
        return layer_shape_fail(s, "num_channels",
                                "dimension 1 of the input must be num_channels = %lld, got %s",
                                (long long)group_norm->num_channels, stability_shape_text(x, text));
    struct norm norm = norm_of(group_norm, x);
    if (norm.outer * norm.channels / norm.groups * norm.inner == 1)
        return layer_shape_fail(s, NULL,
                                "there must be more than one element to normalise, got an input of shape %s",
                                stability_shape_text(x, text));
    s->feature_dim = 1;
    norm_plan(&norm, s);
    return true;
}

static struct norm norm_of_pass(const struct layer_pass *pass)
{
    struct norm norm = norm_of(pass->attributes, &pass->inputs[0].shape);
    norm.weight = pass->parameters[WEIGHT].data;
    norm.bias = pass->parameters[BIAS].data;
    return norm;
}

static void forward(const struct layer_pass *pass)
{
    struct norm norm = norm_of_pass(pass);
    norm_forward_layer(&norm, pass);
}

static void backward(const struct layer_pass *pass)
{
    struct norm norm = norm_of_pass(pass);
    norm_backward_layer(&norm, pass);
}

static bool explain(const struct layer_pass *pass, const struct layer_place *place, struct layer_cause *cause)
{
    struct norm norm = norm_of_pass(pass);
    return norm_explain(&norm, pass, place, cause);
}

static bool bound_forward(struct interval_pass *p)
{
    struct layer_pass pass;
    if (!interval_low_pass(p, &pass))
        return false;
    struct norm norm = norm_of_pass(&pass);
    return norm_bound_forward(&norm, p);
}

static bool bound_backward(struct interval_pass *p)
{
    struct layer_pass pass;
    if (!interval_low_pass(p, &pass))
        return false;
    struct norm norm = norm_of_pass(&pass);
    return norm_bound_backward(&norm, p);
}

static const struct layer_bounds bounds = {.forward = bound_forward, .backward = bound_backward};

LAYER_OPS(GroupNorm) = {
    .type = {.type = "GroupNorm",
             .torch = "torch.nn.GroupNorm",
             .documentation = "normalises groups of channels of each item of (N, C, ...)",
             .minimum_inputs = 1,
             .maximum_inputs = 1,
             .attributes = attributes,
             .parameters = parameters},
    .attributes_size = sizeof(struct group_norm),
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .unread = LAYER_UNREAD_OUTPUTS,
    .explain = explain,
    .bounds = &bounds,
};
