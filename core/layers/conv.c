/* Conv1d, Conv2d, Conv3d and ConvTranspose1d, ConvTranspose2d: the same three operations in either direction.
 */
#include "core/layers/convolution.h"
#include "core/layers/explain.h"
#include "core/real/interval.h"

#include <math.h>

struct conv {
    int64_t in_channels;
    int64_t out_channels;
    struct integers kernel_size;
    struct integers stride;
    struct integers padding;
    struct integers output_padding; /* transposed only */
    struct integers dilation;
    int64_t groups;
    bool bias;
    int padding_mode; /* enum convolution_padding */
};

enum { WORD_SAME = 1, WORD_VALID = 2 };

#define CHANNEL_ATTRIBUTES                                                                \
    {"in_channels",                                                                       \
     STABILITY_ATTRIBUTE_INTEGER,                                                         \
     offsetof(struct conv, in_channels),                                                  \
     .required = true,                                                                    \
     .minimum = 1,                                                                        \
     .documentation = "channels of the input"},                                           \
    {                                                                                     \
        "out_channels", STABILITY_ATTRIBUTE_INTEGER, offsetof(struct conv, out_channels), \
            .required = true, .minimum = 1, .documentation = "channels of the output"     \
    }
#define SIZE_ATTRIBUTE(name, dims, number_, minimum_, text)                             \
    {                                                                                   \
#name, STABILITY_ATTRIBUTE_INTEGERS, offsetof(struct conv, name),               \
            .items = dims, .number = number_, .minimum = minimum_, .maximum = INFINITY, \
            .documentation = text                                                       \
    }
#define KERNEL_ATTRIBUTE(dims)                                                                   \
    {                                                                                            \
        "kernel_size", STABILITY_ATTRIBUTE_INTEGERS, offsetof(struct conv, kernel_size),         \
            .required = true, .items = dims, .minimum = 1, .documentation = "size of the kernel" \
    }
#define GROUP_ATTRIBUTES                                                  \
    {"groups",                                                            \
     STABILITY_ATTRIBUTE_INTEGER,                                         \
     offsetof(struct conv, groups),                                       \
     .minimum = 1,                                                        \
     .number = 1,                                                         \
     .documentation = "blocks of channels that are convolved apart"},     \
    {                                                                     \
        "bias", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct conv, bias), \
            .number = true, .documentation = "whether a bias is added"    \
    }

#define CONV_ATTRIBUTES(dims)                                                                \
    {                                                                                        \
        CHANNEL_ATTRIBUTES, KERNEL_ATTRIBUTE(dims),                                          \
            SIZE_ATTRIBUTE(stride, dims, 1, 1, "step between positions of the kernel"),      \
            {"padding",                                                                      \
             STABILITY_ATTRIBUTE_INTEGERS,                                                   \
             offsetof(struct conv, padding),                                                 \
             .items = dims,                                                                  \
             .choices = "same valid",                                                        \
             .maximum = INFINITY,                                                            \
             .documentation = "added on both sides; 'same' keeps the "                       \
                              "input's size, 'valid' adds nothing"},                         \
            SIZE_ATTRIBUTE(dilation, dims, 1, 1, "distance between elements of the kernel"), \
            GROUP_ATTRIBUTES,                                                                \
            {"padding_mode",                                                                 \
             STABILITY_ATTRIBUTE_CHOICE,                                                     \
             offsetof(struct conv, padding_mode),                                            \
             .choice = "zeros",                                                              \
             .choices = "zeros reflect replicate circular",                                  \
             .documentation = "what the padding holds"},                                     \
        {                                                                                    \
            0                                                                                \
        }                                                                                    \
    }
#define CONV_TRANSPOSE_ATTRIBUTES(dims)                                                               \
    {                                                                                                 \
        CHANNEL_ATTRIBUTES, KERNEL_ATTRIBUTE(dims),                                                   \
            SIZE_ATTRIBUTE(stride, dims, 1, 1, "step between positions of the kernel in the output"), \
            SIZE_ATTRIBUTE(padding, dims, 0, 0,                                                       \
                           "dilation * (kernel_size - 1) - padding is added to the input"),           \
            SIZE_ATTRIBUTE(output_padding, dims, 0, 0, "added to one side of the output's size"),     \
            GROUP_ATTRIBUTES,                                                                         \
            SIZE_ATTRIBUTE(dilation, dims, 1, 1, "distance between elements of the kernel"),          \
        {                                                                                             \
            0                                                                                         \
        }                                                                                             \
    }

static const struct stability_attribute attributes_1d[] = CONV_ATTRIBUTES(1);
static const struct stability_attribute attributes_2d[] = CONV_ATTRIBUTES(2);
static const struct stability_attribute attributes_3d[] = CONV_ATTRIBUTES(3);
static const struct stability_attribute transpose_attributes_1d[] = CONV_TRANSPOSE_ATTRIBUTES(1);
static const struct stability_attribute transpose_attributes_2d[] = CONV_TRANSPOSE_ATTRIBUTES(2);

enum { WEIGHT, BIAS };
static const struct stability_parameter parameters[] = {
    [WEIGHT] = {"weight", "out_channels, in_channels / groups, *kernel_size", .init = "uniform_",
                .init_bound = "in_channels / groups * kernel_size"},
    [BIAS] = {"bias", "out_channels", .when = "bias", .init = "uniform_",
              .init_bound = "in_channels / groups * kernel_size"},
    {0},
};
static const struct stability_parameter transpose_parameters[] = {
    [WEIGHT] = {"weight", "in_channels, out_channels / groups, *kernel_size", .init = "uniform_",
                .init_bound = "out_channels / groups * kernel_size"},
    [BIAS] = {"bias", "out_channels", .when = "bias", .init = "uniform_",
              .init_bound = "out_channels / groups * kernel_size"},
    {0},
};

/* The part of the geometry that does not depend on the direction. Spatial dimensions are filled up in front.
 */
static struct convolution geometry(const struct conv *conv, bool transposed)
{
    struct convolution c = {
        .groups = conv->groups,
        .channels = (transposed ? conv->out_channels : conv->in_channels) / conv->groups,
        .filters = (transposed ? conv->in_channels : conv->out_channels) / conv->groups,
        .big = {1, 1, 1},
        .small = {1, 1, 1},
        .kernel = {1, 1, 1},
        .stride = {1, 1, 1},
        .dilation = {1, 1, 1},
        .mode = (enum convolution_padding)conv->padding_mode,
    };
    int dims = conv->kernel_size.count;
    for (int i = 0; i < dims; i++) {
        int d = 3 - dims + i;
        c.kernel[d] = conv->kernel_size.items[i];
        c.stride[d] = conv->stride.items[i];
        c.dilation[d] = conv->dilation.items[i];
        if (conv->padding.word == WORD_SAME)
            c.before[d] = c.dilation[d] * (c.kernel[d] - 1) / 2;
        else if (conv->padding.word == 0)
            c.before[d] = conv->padding.items[i];
    }
    return c;
}

/* With sizes from the tensors: (batch, channels, spatial ...), the batch may be missing. */
static struct convolution geometry_of(const struct conv *conv, bool transposed,
                                      const struct stability_shape *x, const struct stability_shape *y)
{
    struct convolution c = geometry(conv, transposed);
    int dims = conv->kernel_size.count;
    c.batch = x->rank == dims + 2 ? x->sizes[0] : 1;
    for (int i = 0; i < dims; i++) {
        int64_t in = x->sizes[x->rank - dims + i], out = y->sizes[y->rank - dims + i];
        c.big[3 - dims + i] = transposed ? out : in;
        c.small[3 - dims + i] = transposed ? in : out;
    }
    return c;
}

static bool check_input(struct layer_shapes *s, const struct conv *conv)
{
    const struct stability_shape *x = &s->inputs[0];
    int dims = conv->kernel_size.count;
    char text[STABILITY_SHAPE_TEXT];
    if (x->rank != dims + 2 && x->rank != dims + 1)
        return layer_shape_fail(s, "inputs",
                                "the input must have %d dimensions (batch, channels, %d spatial ones) or %d "
                                "without the batch, got %s",
                                dims + 2, dims, dims + 1, stability_shape_text(x, text));
    if (x->sizes[x->rank - dims - 1] != conv->in_channels)
        return layer_shape_fail(s, "in_channels", "the input must have in_channels = %lld channels, got %s",
                                (long long)conv->in_channels, stability_shape_text(x, text));
    if (conv->in_channels % conv->groups != 0 || conv->out_channels % conv->groups != 0)
        return layer_shape_fail(
            s, "groups", "in_channels = %lld and out_channels = %lld must be multiples of groups = %lld",
            (long long)conv->in_channels, (long long)conv->out_channels, (long long)conv->groups);
    return true;
}

static bool check_padding(struct layer_shapes *s, const struct conv *conv, int i, int64_t in, int64_t before,
                          int64_t after)
{
    int64_t most = before > after ? before : after;
    if (conv->padding.word == WORD_SAME && conv->stride.items[i] != 1)
        return layer_shape_fail(s, "padding", "padding 'same' needs stride 1, got %lld",
                                (long long)conv->stride.items[i]);
    if (conv->padding_mode == PADDING_REFLECT && most >= in)
        return layer_shape_fail(s, "padding",
                                "reflected padding must be smaller than the input's size %lld, got %lld",
                                (long long)in, (long long)most);
    if (conv->padding_mode == PADDING_CIRCULAR && most > in)
        return layer_shape_fail(s, "padding",
                                "circular padding can be at most the input's size %lld, got %lld",
                                (long long)in, (long long)most);
    if (conv->padding_mode == PADDING_REPLICATE && in == 0 && most > 0)
        return layer_shape_fail(s, "padding", "an empty input cannot be replicated");
    return true;
}

/* Attributes bounded so that no product of two of them overflows. */
static bool check_sizes(struct layer_shapes *s, const struct conv *conv)
{
    const struct {
        const char *name;
        const struct integers *integers;
    } all[] = {{"kernel_size", &conv->kernel_size},
               {"stride", &conv->stride},
               {"padding", &conv->padding},
               {"output_padding", &conv->output_padding},
               {"dilation", &conv->dilation}};
    for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++)
        for (int i = 0; i < all[k].integers->count; i++)
            if (all[k].integers->items[i] > INT32_MAX / 4)
                return layer_shape_fail(s, all[k].name, "%lld is too large",
                                        (long long)all[k].integers->items[i]);
    return true;
}

static void set_output(struct layer_shapes *s, const struct conv *conv, const int64_t sizes[3])
{
    const struct stability_shape *x = &s->inputs[0];
    int dims = conv->kernel_size.count;
    s->outputs[0] = *x;
    s->outputs[0].sizes[x->rank - dims - 1] = conv->out_channels;
    for (int i = 0; i < dims; i++)
        s->outputs[0].sizes[x->rank - dims + i] = sizes[i];
    s->feature_dim = x->rank - dims - 1;
}

static void set_costs(struct layer_shapes *s, const struct conv *conv, bool transposed)
{
    if (stability_shape_count(&s->outputs[0]) < 0)
        return; /* refused by the caller */
    struct convolution c = geometry_of(conv, transposed, &s->inputs[0], &s->outputs[0]);
    convolution_workspace(&c, s);
    double taps = (double)c.kernel[0] * (double)c.kernel[1] * (double)c.kernel[2];
    double positions = (double)c.small[0] * (double)c.small[1] * (double)c.small[2];
    s->flops = 2 * (double)c.batch * (double)(c.groups * c.channels) * (double)c.filters * taps * positions;
}

static bool shape(struct layer_shapes *s)
{
    const struct conv *conv = s->attributes;
    if (!check_input(s, conv) || !check_sizes(s, conv))
        return false;
    struct convolution c = geometry(conv, false);
    int dims = conv->kernel_size.count;
    int64_t sizes[3];
    for (int i = 0; i < dims; i++) {
        int d = 3 - dims + i;
        int64_t in = s->inputs[0].sizes[s->inputs[0].rank - dims + i];
        int64_t extent = c.dilation[d] * (c.kernel[d] - 1) + 1;
        int64_t after = conv->padding.word == WORD_SAME ? extent - 1 - c.before[d] : c.before[d];
        int64_t room = in + c.before[d] + after - extent;
        if (!check_padding(s, conv, i, in, c.before[d], after))
            return false;
        if (room < 0)
            return layer_shape_fail(s, "kernel_size",
                                    "a kernel that spans %lld elements does not fit into the padded "
                                    "input's %lld",
                                    (long long)extent, (long long)(in + c.before[d] + after));
        sizes[i] = room / c.stride[d] + 1;
    }
    set_output(s, conv, sizes);
    set_costs(s, conv, false);
    return true;
}

static bool transpose_shape(struct layer_shapes *s)
{
    const struct conv *conv = s->attributes;
    if (!check_input(s, conv) || !check_sizes(s, conv))
        return false;
    int64_t sizes[3];
    int dims = conv->kernel_size.count;
    for (int i = 0; i < dims; i++) {
        int64_t in = s->inputs[0].sizes[s->inputs[0].rank - dims + i];
        int64_t stride = conv->stride.items[i], dilation = conv->dilation.items[i];
        int64_t extra = conv->output_padding.items[i];
        if (extra >= stride && extra >= dilation)
            return layer_shape_fail(s, "output_padding",
                                    "output_padding must be smaller than stride = %lld or dilation = "
                                    "%lld, got %lld",
                                    (long long)stride, (long long)dilation, (long long)extra);
        sizes[i] = (in - 1) * stride - 2 * conv->padding.items[i] +
                   dilation * (conv->kernel_size.items[i] - 1) + extra + 1;
        if (sizes[i] < 1 || in < 1)
            return layer_shape_fail(s, "padding", "the output's size %lld would be less than 1",
                                    (long long)sizes[i]);
    }
    set_output(s, conv, sizes);
    set_costs(s, conv, true);
    return true;
}

static int64_t inner_size(const struct conv *conv, const struct stability_shape *y)
{
    int64_t inner = 1;
    for (int i = 0; i < conv->kernel_size.count; i++)
        inner *= y->sizes[y->rank - 1 - i];
    return inner;
}

/* From `big` to `small`, or `back` from `small` to `big`. */
static void apply(const struct layer_pass *pass, const struct convolution *c, bool back, const real *bias,
                  const real *from, real *to)
{
    const real *weight = pass->parameters[WEIGHT].data;
    if (back)
        convolution_apply_back(c, weight, bias, from, to, pass->workspace);
    else
        convolution_apply(c, weight, bias, from, to, pass->workspace);
}

static void forward_as(const struct layer_pass *pass, bool transposed)
{
    struct convolution c =
        geometry_of(pass->attributes, transposed, &pass->inputs[0].shape, &pass->outputs[0].shape);
    apply(pass, &c, transposed, pass->parameters[BIAS].data, pass->inputs[0].data, pass->outputs[0].data);
}

static void backward_as(const struct layer_pass *pass, bool transposed)
{
    const struct conv *conv = pass->attributes;
    struct convolution c = geometry_of(conv, transposed, &pass->inputs[0].shape, &pass->outputs[0].shape);
    const real *x = pass->inputs[0].data, *dy = pass->output_gradients[0].data;
    const struct tensor *gradients = pass->parameter_gradients;
    if (pass->input_gradients[0].data)
        apply(pass, &c, !transposed, NULL, dy, pass->input_gradients[0].data);
    if (gradients[WEIGHT].data)
        convolution_weight(&c, transposed ? dy : x, transposed ? x : dy, gradients[WEIGHT].data,
                           pass->workspace);
    if (gradients[BIAS].data)
        convolution_bias(c.batch, conv->out_channels, inner_size(conv, &pass->outputs[0].shape), dy,
                         gradients[BIAS].data);
}

static void forward(const struct layer_pass *pass)
{
    forward_as(pass, false);
}

static void backward(const struct layer_pass *pass)
{
    backward_as(pass, false);
}

static void transpose_forward(const struct layer_pass *pass)
{
    forward_as(pass, true);
}

static void transpose_backward(const struct layer_pass *pass)
{
    backward_as(pass, true);
}

static const struct layer_bounds bounds = {.forward = interval_product_forward,
                                           .backward = interval_product_backward};

#define CONV_OPS(type_, attributes_, text)                                                                \
    {                                                                                                     \
        .type = {.type = type_,                                                                           \
                 .torch = "torch.nn." type_,                                                              \
                 .documentation = text,                                                                   \
                 .minimum_inputs = 1,                                                                     \
                 .maximum_inputs = 1,                                                                     \
                 .attributes = attributes_,                                                               \
                 .parameters = parameters},                                                               \
        .attributes_size = sizeof(struct conv), .shape = shape, .forward = forward, .backward = backward, \
        .unread = LAYER_UNREAD_OUTPUTS, .explain = explain_weighted, .bounds = &bounds,                   \
    }
#define CONV_TRANSPOSE_OPS(type_, attributes_, text)                                                    \
    {                                                                                                   \
        .type = {.type = type_,                                                                         \
                 .torch = "torch.nn." type_,                                                            \
                 .documentation = text,                                                                 \
                 .minimum_inputs = 1,                                                                   \
                 .maximum_inputs = 1,                                                                   \
                 .attributes = attributes_,                                                             \
                 .parameters = transpose_parameters},                                                   \
        .attributes_size = sizeof(struct conv), .shape = transpose_shape, .forward = transpose_forward, \
        .backward = transpose_backward, .unread = LAYER_UNREAD_OUTPUTS, .explain = explain_weighted,    \
        .bounds = &bounds,                                                                              \
    }

LAYER_OPS(Conv1d) = CONV_OPS("Conv1d", attributes_1d, "cross-correlation over (batch, channels, length)");
LAYER_OPS(Conv2d) = CONV_OPS("Conv2d", attributes_2d,
                             "cross-correlation over (batch, channels, height, width)");
LAYER_OPS(Conv3d) = CONV_OPS("Conv3d", attributes_3d,
                             "cross-correlation over (batch, channels, depth, height, width)");
LAYER_OPS(ConvTranspose1d) = CONV_TRANSPOSE_OPS("ConvTranspose1d", transpose_attributes_1d,
                                                "the gradient of Conv1d, as a layer");
LAYER_OPS(ConvTranspose2d) = CONV_TRANSPOSE_OPS("ConvTranspose2d", transpose_attributes_2d,
                                                "the gradient of Conv2d, as a layer");
