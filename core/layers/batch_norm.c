/* Normalisation of channels: BatchNorm over the whole batch, InstanceNorm for each item of it. Running
 * statistics are used in eval mode; one pass in training has no use for them, and leaves them as they are. */
#include "core/layers/norm.h"
#include "core/real/interval.h"

struct batch_norm {
    int64_t num_features;
    double eps;
    struct optional_real momentum;
    bool affine;
    bool track_running_stats;
};

#define FEATURE_ROWS(affine_default, track_default)                                                     \
    {                                                                                                   \
        "num_features",                                                                                 \
        STABILITY_ATTRIBUTE_INTEGER,                                                                    \
        offsetof(struct batch_norm, num_features),                                                      \
        .required = true,                                                                               \
        .minimum = 1,                                                                                   \
        .documentation = "channels"},                                                                   \
        {"eps",                                                                                         \
         STABILITY_ATTRIBUTE_REAL,                                                                      \
         offsetof(struct batch_norm, eps),                                                              \
         .maximum = INFINITY,                                                                           \
         .number = 1e-5,                                                                                \
         .documentation = "added to the variance"},                                                     \
        {"momentum",                                                                                    \
         STABILITY_ATTRIBUTE_REAL,                                                                      \
         offsetof(struct batch_norm, momentum),                                                         \
         .nullable = true,                                                                              \
         .number = 0.1,                                                                                 \
         .documentation = "how far a training step moves the running statistics; a single pass, which " \
                          "reports them as they were sent, does not depend on it"},                     \
        {"affine", STABILITY_ATTRIBUTE_BOOLEAN, offsetof(struct batch_norm, affine),                    \
         .number = (affine_default), .documentation = "whether there are a weight and a bias"},         \
        {"track_running_stats", STABILITY_ATTRIBUTE_BOOLEAN,                                            \
         offsetof(struct batch_norm, track_running_stats), .number = (track_default),                   \
         .documentation = "whether eval mode uses running statistics instead of the input's own"},      \
    {                                                                                                   \
        0                                                                                               \
    }

static const struct stability_attribute batch_attributes[] = {FEATURE_ROWS(true, true)};
static const struct stability_attribute instance_attributes[] = {FEATURE_ROWS(false, false)};

enum { WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR, NUM_BATCHES_TRACKED };
static const struct stability_parameter parameters[] = {
    [WEIGHT] = {"weight", "num_features", .when = "affine", .init = "ones_"},
    [BIAS] = {"bias", "num_features", .when = "affine", .init = "zeros_"},
    [RUNNING_MEAN] = {"running_mean", "num_features", .when = "track_running_stats", .buffer = true,
                      .init = "zeros_"},
    [RUNNING_VAR] = {"running_var", "num_features", .when = "track_running_stats", .buffer = true,
                     .init = "ones_"},
    [NUM_BATCHES_TRACKED] = {"num_batches_tracked", "", .when = "track_running_stats", .buffer = true,
                             .init = "zeros_"},
    {0},
};

static bool uses_running(const struct batch_norm *batch_norm, bool training)
{
    return batch_norm->track_running_stats && !training;
}

/* x is (N, channels, ...), or (channels, ...) where the channels come first. `each` item by itself. */
static struct norm norm_of(const struct batch_norm *batch_norm, const struct stability_shape *x,
                           int channel_dim, bool each)
{
    struct norm norm = {.outer = 1, .channels = batch_norm->num_features, .inner = 1, .centered = true};
    for (int d = 0; d < x->rank; d++)
        if (d != channel_dim)
            *(d < channel_dim ? &norm.outer : &norm.inner) *= x->sizes[d];
    norm.groups = each ? norm.channels : 0;
    norm.eps = batch_norm->eps;
    return norm;
}

static bool check_channels(struct layer_shapes *s, int channel_dim)
{
    const struct batch_norm *batch_norm = s->attributes;
    char text[STABILITY_SHAPE_TEXT];
    if (s->inputs[0].sizes[channel_dim] == batch_norm->num_features)
        return true;
    return layer_shape_fail(s, "num_features",
                            "dimension %d of the input must be num_features = %lld, got %s", channel_dim,
                            (long long)batch_norm->num_features, stability_shape_text(&s->inputs[0], text));
}

/* The rank must be one of `low` and `high`. */
static bool check_rank(struct layer_shapes *s, int low, int high)
{
    char text[STABILITY_SHAPE_TEXT];
    if (s->inputs[0].rank == low || s->inputs[0].rank == high)
        return true;
    stability_shape_text(&s->inputs[0], text);
    if (low == high)
        return layer_shape_fail(s, NULL, "the input must have %d dimensions, got %s", low, text);
    return layer_shape_fail(s, NULL, "the input must have %d or %d dimensions, got %s", low, high, text);
}

/* What is left to check. Of a batch whose channels have one element each PyTorch refuses to take the
 * variance; here it is 0, the output is the bias, and what that does to the gradients is there to be found.
 */
static bool finish(struct layer_shapes *s, int channel_dim, bool each)
{
    const struct batch_norm *batch_norm = s->attributes;
    struct norm norm = norm_of(batch_norm, &s->inputs[0], channel_dim, each);
    if (uses_running(batch_norm, s->training))
        norm.groups = 0;
    else if (each && norm.inner == 1) {
        char text[STABILITY_SHAPE_TEXT];
        return layer_shape_fail(
            s, NULL,
            "there must be more than one element to normalise in a channel, got an input of shape %s",
            stability_shape_text(&s->inputs[0], text));
    }
    s->feature_dim = channel_dim;
    norm_plan(&norm, s);
    return true;
}

static struct norm norm_of_pass(const struct layer_pass *pass, int channel_dim, bool each)
{
    const struct batch_norm *batch_norm = pass->attributes;
    struct norm norm = norm_of(batch_norm, &pass->inputs[0].shape, channel_dim, each);
    norm.weight = pass->parameters[WEIGHT].data;
    norm.bias = pass->parameters[BIAS].data;
    if (uses_running(batch_norm, pass->training)) {
        norm.groups = 0;
        norm.running_mean = pass->parameters[RUNNING_MEAN].data;
        norm.running_var = pass->parameters[RUNNING_VAR].data;
    }
    return norm;
}

/* ---- BatchNorm ---- */

static bool shape_batch_1d(struct layer_shapes *s)
{
    return check_rank(s, 2, 3) && check_channels(s, 1) && finish(s, 1, false);
}

static bool shape_batch_2d(struct layer_shapes *s)
{
    return check_rank(s, 4, 4) && check_channels(s, 1) && finish(s, 1, false);
}

static void forward_batch(const struct layer_pass *pass)
{
    struct norm norm = norm_of_pass(pass, 1, false);
    norm_forward_layer(&norm, pass);
}

static void backward_batch(const struct layer_pass *pass)
{
    struct norm norm = norm_of_pass(pass, 1, false);
    norm_backward_layer(&norm, pass);
}

static bool explain_batch(const struct layer_pass *pass, const struct layer_place *place,
                          struct layer_cause *cause)
{
    struct norm norm = norm_of_pass(pass, 1, false);
    return norm_explain(&norm, pass, place, cause);
}

static bool batch_bound_forward(struct interval_pass *p)
{
    struct layer_pass pass;
    if (!interval_low_pass(p, &pass))
        return false;
    struct norm norm = norm_of_pass(&pass, 1, false);
    return norm_bound_forward(&norm, p);
}

static bool batch_bound_backward(struct interval_pass *p)
{
    struct layer_pass pass;
    if (!interval_low_pass(p, &pass))
        return false;
    struct norm norm = norm_of_pass(&pass, 1, false);
    return norm_bound_backward(&norm, p);
}

static const struct layer_bounds batch_bounds = {.forward = batch_bound_forward,
                                                 .backward = batch_bound_backward};

LAYER_OPS(BatchNorm1d) = {
    .type = {.type = "BatchNorm1d",
             .torch = "torch.nn.BatchNorm1d",
             .documentation = "normalises each channel of (N, C) or (N, C, L) over the batch",
             .minimum_inputs = 1,
             .maximum_inputs = 1,
             .attributes = batch_attributes,
             .parameters = parameters},
    .attributes_size = sizeof(struct batch_norm),
    .shape = shape_batch_1d,
    .forward = forward_batch,
    .backward = backward_batch,
    .unread = LAYER_UNREAD_OUTPUTS,
    .explain = explain_batch,
    .bounds = &batch_bounds,
};

LAYER_OPS(BatchNorm2d) = {
    .type = {.type = "BatchNorm2d",
             .torch = "torch.nn.BatchNorm2d",
             .documentation = "normalises each channel of (N, C, H, W) over the batch",
             .minimum_inputs = 1,
             .maximum_inputs = 1,
             .attributes = batch_attributes,
             .parameters = parameters},
    .attributes_size = sizeof(struct batch_norm),
    .shape = shape_batch_2d,
    .forward = forward_batch,
    .backward = backward_batch,
    .unread = LAYER_UNREAD_OUTPUTS,
    .explain = explain_batch,
    .bounds = &batch_bounds,
};

/* ---- InstanceNorm ---- */

/* `rank` with a batch, one less without. */
static bool shape_instance(struct layer_shapes *s, int rank)
{
    if (!check_rank(s, rank - 1, rank))
        return false;
    int channel_dim = s->inputs[0].rank - rank + 1;
    return check_channels(s, channel_dim) && finish(s, channel_dim, true);
}

static bool shape_instance_1d(struct layer_shapes *s)
{
    return shape_instance(s, 3);
}

static bool shape_instance_2d(struct layer_shapes *s)
{
    return shape_instance(s, 4);
}

static void forward_instance(const struct layer_pass *pass, int rank)
{
    struct norm norm = norm_of_pass(pass, pass->inputs[0].shape.rank - rank + 1, true);
    norm_forward_layer(&norm, pass);
}

static void backward_instance(const struct layer_pass *pass, int rank)
{
    struct norm norm = norm_of_pass(pass, pass->inputs[0].shape.rank - rank + 1, true);
    norm_backward_layer(&norm, pass);
}

static void forward_instance_1d(const struct layer_pass *pass)
{
    forward_instance(pass, 3);
}

static void backward_instance_1d(const struct layer_pass *pass)
{
    backward_instance(pass, 3);
}

static void forward_instance_2d(const struct layer_pass *pass)
{
    forward_instance(pass, 4);
}

static void backward_instance_2d(const struct layer_pass *pass)
{
    backward_instance(pass, 4);
}

static bool instance_1d_bound_forward(struct interval_pass *p)
{
    struct layer_pass pass;
    if (!interval_low_pass(p, &pass))
        return false;
    struct norm norm = norm_of_pass(&pass, pass.inputs[0].shape.rank - 2, true);
    return norm_bound_forward(&norm, p);
}

static bool instance_1d_bound_backward(struct interval_pass *p)
{
    struct layer_pass pass;
    if (!interval_low_pass(p, &pass))
        return false;
    struct norm norm = norm_of_pass(&pass, pass.inputs[0].shape.rank - 2, true);
    return norm_bound_backward(&norm, p);
}

static const struct layer_bounds instance_1d_bounds = {.forward = instance_1d_bound_forward,
                                                       .backward = instance_1d_bound_backward};

LAYER_OPS(InstanceNorm1d) = {
    .type = {.type = "InstanceNorm1d",
             .torch = "torch.nn.InstanceNorm1d",
             .documentation = "normalises each channel of each item of (N, C, L) or (C, L)",
             .minimum_inputs = 1,
             .maximum_inputs = 1,
             .attributes = instance_attributes,
             .parameters = parameters},
    .attributes_size = sizeof(struct batch_norm),
    .shape = shape_instance_1d,
    .forward = forward_instance_1d,
    .backward = backward_instance_1d,
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &instance_1d_bounds,
};

static bool instance_2d_bound_forward(struct interval_pass *p)
{
    struct layer_pass pass;
    if (!interval_low_pass(p, &pass))
        return false;
    struct norm norm = norm_of_pass(&pass, pass.inputs[0].shape.rank - 3, true);
    return norm_bound_forward(&norm, p);
}

static bool instance_2d_bound_backward(struct interval_pass *p)
{
    struct layer_pass pass;
    if (!interval_low_pass(p, &pass))
        return false;
    struct norm norm = norm_of_pass(&pass, pass.inputs[0].shape.rank - 3, true);
    return norm_bound_backward(&norm, p);
}

static const struct layer_bounds instance_2d_bounds = {.forward = instance_2d_bound_forward,
                                                       .backward = instance_2d_bound_backward};

LAYER_OPS(InstanceNorm2d) = {
    .type = {.type = "InstanceNorm2d",
             .torch = "torch.nn.InstanceNorm2d",
             .documentation = "normalises each channel of each item of (N, C, H, W) or (C, H, W)",
             .minimum_inputs = 1,
             .maximum_inputs = 1,
             .attributes = instance_attributes,
             .parameters = parameters},
    .attributes_size = sizeof(struct batch_norm),
    .shape = shape_instance_2d,
    .forward = forward_instance_2d,
    .backward = backward_instance_2d,
    .unread = LAYER_UNREAD_OUTPUTS,
    .bounds = &instance_2d_bounds,
};
