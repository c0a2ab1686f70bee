#include "server/input/onnx/operators.h"

#include <math.h>
#include <string.h>

static bool read_epsilon(struct onnx_import *import, double *epsilon)
{
    *epsilon = 1e-5;
    return onnx_real(import, "epsilon", epsilon);
}

/* Input `k` as a parameter with `count` elements. */
static struct onnx_value *vector(struct onnx_import *import, size_t k, int64_t count, const char *what)
{
    struct onnx_value *value = onnx_required(import, k);
    if (value == NULL || !onnx_known(import, value, what)) {
        return NULL;
    }
    if (stability_shape_count(&value->tensor.shape) != count) {
        onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH, "'%.128s' must have %lld elements, it has %lld",
                  value->name, (long long)count, (long long)stability_shape_count(&value->tensor.shape));
        return NULL;
    }
    return value;
}

static bool has_channels(struct onnx_import *import, const struct onnx_flow *x)
{
    return x->shape.rank >= 2 || onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                                           "its input has no channels: %d dimensions", x->shape.rank);
}

/* The registry has no normalisation of volumes: (N, C, D, H, W) is (N, C, D, H W) to it. */
static bool flatten_volume(struct onnx_import *import, struct onnx_flow *x)
{
    if (x->shape.rank <= 4) {
        return true;
    }
    struct stability_shape flat = {4, {x->shape.sizes[0], x->shape.sizes[1], x->shape.sizes[2], 1}};
    for (int d = 3; d < x->shape.rank; d++) {
        flat.sizes[3] *= x->shape.sizes[d];
    }
    return onnx_reshape(import, "flat", x, &flat, x);
}

static bool restore_volume(struct onnx_import *import, const struct stability_shape *shape,
                           struct onnx_flow *y)
{
    return shape->rank <= 4 || onnx_reshape(import, "shape", y, shape, y);
}

/* ---- BatchNormalization ---- */

struct batch_norm {
    double epsilon;
    struct onnx_value *weight;
    struct onnx_value *bias;
    struct onnx_value *mean;
    struct onnx_value *variance;
};

/* (C, 1, …), which is broadcast over channels. */
static struct stability_shape channel_shape(const struct stability_shape *x)
{
    struct stability_shape shape = {.rank = x->rank - 1, .sizes = {x->sizes[1]}};
    for (int d = 1; d < shape.rank; d++) {
        shape.sizes[d] = 1;
    }
    return shape;
}

static bool apply_numbers(struct onnx_import *import, const char *type, const char *role,
                          const double *numbers, struct onnx_flow *x)
{
    struct stability_tensor tensor = {STABILITY_FLOAT64, channel_shape(&x->shape), numbers};
    struct onnx_flow other;
    return onnx_constant(import, role, &tensor, &other) && onnx_binary(import, type, type, x, &other, x);
}

static bool apply_vector(struct onnx_import *import, const char *type, const char *role,
                         struct onnx_value *value, const char *result, struct onnx_flow *x)
{
    struct stability_shape shape = channel_shape(&x->shape);
    struct onnx_flow other;
    return onnx_operand(import, value, &other) && onnx_reshape(import, role, &other, &shape, &other) &&
           onnx_binary(import, type, result, x, &other, x);
}

/* In a training run a layer that the file has in inference mode keeps its running statistics:
 * (x - mean) / sqrt(variance + epsilon) * weight + bias. */
static bool compose_frozen(struct onnx_import *import, const struct batch_norm *norm, struct onnx_flow *x)
{
    int64_t count = x->shape.sizes[1];
    double *mean = onnx_allocate(&import->memory, (size_t)count, sizeof *mean);
    double *scale = onnx_allocate(&import->memory, (size_t)count, sizeof *scale);
    if (mean == NULL || scale == NULL) {
        return false;
    }
    stability_convert(norm->mean->tensor.dtype, norm->mean->tensor.data, STABILITY_FLOAT64, mean, count);
    stability_convert(norm->variance->tensor.dtype, norm->variance->tensor.data, STABILITY_FLOAT64, scale,
                      count);
    for (int64_t i = 0; i < count; i++) {
        scale[i] = 1 / sqrt(scale[i] + norm->epsilon);
    }
    return apply_numbers(import, "Sub", "mean", mean, x) && apply_numbers(import, "Mul", "scale", scale, x) &&
           apply_vector(import, "Mul", "weight", norm->weight, "weighted", x) &&
           apply_vector(import, "Add", "bias", norm->bias, NULL, x);
}

static bool emit_batch_norm(struct onnx_import *import, const struct batch_norm *norm, struct onnx_flow *x)
{
    int64_t channels = x->shape.sizes[1];
    struct stability_shape shape = x->shape;
    struct stability_shape row = {1, {channels}};
    static const int64_t no_batches = 0;
    struct onnx_draft draft = {.inputs = x, .input_count = 1};
    if (!flatten_volume(import, x)) {
        return false;
    }
    draft.type = x->shape.rank == 4 ? "BatchNorm2d" : "BatchNorm1d";
    draft_integer(&draft, "num_features", channels);
    draft_real(&draft, "eps", norm->epsilon);
    draft_weight(&draft, "weight", norm->weight, &row);
    draft_weight(&draft, "bias", norm->bias, &row);
    draft_own_weight(&draft, "running_mean", norm->mean->name,
                     &(struct stability_tensor){norm->mean->tensor.dtype, row, norm->mean->tensor.data});
    draft_own_weight(
        &draft, "running_var", norm->variance->name,
        &(struct stability_tensor){norm->variance->tensor.dtype, row, norm->variance->tensor.data});
    draft_own_weight(&draft, "num_batches_tracked", NULL,
                     &(struct stability_tensor){STABILITY_INT64, {0}, &no_batches});
    return draft_emit(import, &draft, NULL, x) && restore_volume(import, &shape, x);
}

bool onnx_batch_normalization(struct onnx_import *import)
{
    struct batch_norm norm;
    struct onnx_flow x;
    int64_t spatial = 1;
    if (!onnx_operand_at(import, 0, &x) || !read_epsilon(import, &norm.epsilon) ||
        !onnx_integer(import, "spatial", &spatial) || !has_channels(import, &x)) {
        return false;
    }
    if (spatial == 0) {
        return onnx_refuse(import, "spatial 0");
    }
    int64_t channels = x.shape.sizes[1];
    norm.weight = vector(import, 1, channels, "its scale");
    norm.bias = norm.weight == NULL ? NULL : vector(import, 2, channels, "its bias");
    norm.mean = norm.bias == NULL ? NULL : vector(import, 3, channels, "its mean");
    norm.variance = norm.mean == NULL ? NULL : vector(import, 4, channels, "its variance");
    if (norm.variance == NULL) {
        return false;
    }
    bool frozen = import->training && import->frozen && !onnx_node_trains(import);
    return onnx_finish(import,
                       frozen ? compose_frozen(import, &norm, &x) : emit_batch_norm(import, &norm, &x), &x);
}

/* ---- others ---- */

bool onnx_instance_normalization(struct onnx_import *import)
{
    double epsilon;
    struct onnx_flow x;
    if (!onnx_operand_at(import, 0, &x) || !read_epsilon(import, &epsilon) || !has_channels(import, &x)) {
        return false;
    }
    int64_t channels = x.shape.sizes[1];
    struct stability_shape shape = x.shape;
    struct stability_shape row = {1, {channels}};
    struct onnx_value *weight = vector(import, 1, channels, "its scale");
    struct onnx_value *bias = weight == NULL ? NULL : vector(import, 2, channels, "its bias");
    if (bias == NULL || !flatten_volume(import, &x)) {
        return false;
    }
    struct onnx_draft draft = {
        .type = x.shape.rank == 4 ? "InstanceNorm2d" : "InstanceNorm1d", .inputs = &x, .input_count = 1};
    draft_integer(&draft, "num_features", channels);
    draft_real(&draft, "eps", epsilon);
    draft_boolean(&draft, "affine", true);
    draft_weight(&draft, "weight", weight, &row);
    draft_weight(&draft, "bias", bias, &row);
    return onnx_finish(import, draft_emit(import, &draft, NULL, &x) && restore_volume(import, &shape, &x),
                       &x);
}

/* Input `k` times or added to the normalised values. */
static bool apply(struct onnx_import *import, size_t k, const char *type, const char *role,
                  const struct stability_shape *shape, struct onnx_flow *y)
{
    struct onnx_flow other;
    return onnx_operand_at(import, k, &other) &&
           (shape == NULL || onnx_reshape(import, k == 1 ? "scale" : "bias", &other, shape, &other)) &&
           onnx_binary(import, type, role, y, &other, y);
}

/* Whether a value can be a parameter of that shape. */
static bool has_shape(struct onnx_import *import, struct onnx_value *value,
                      const struct stability_shape *shape)
{
    bool given = value->known || (value->is_input && value->tensor.data != NULL);
    return given && stability_shape_equal(onnx_shape(value), shape) &&
           onnx_known(import, value, "a parameter");
}

bool onnx_layer_normalization(struct onnx_import *import)
{
    double epsilon;
    int64_t along = -1;
    int axis;
    struct onnx_flow x;
    struct onnx_value *weight = onnx_required(import, 1);
    struct onnx_value *bias = onnx_input(import, 2);
    if (weight == NULL || !onnx_operand_at(import, 0, &x) || !read_epsilon(import, &epsilon) ||
        !onnx_integer(import, "axis", &along) || !onnx_axis(import, along, x.shape.rank, &axis)) {
        return false;
    }
    struct stability_shape shape = {.rank = x.shape.rank - axis};
    memcpy(shape.sizes, x.shape.sizes + axis, (size_t)shape.rank * sizeof *shape.sizes);
    bool own = has_shape(import, weight, &shape) && (bias == NULL || has_shape(import, bias, &shape));
    struct onnx_draft draft = {.type = "LayerNorm", .inputs = &x, .input_count = 1};
    draft_real(&draft, "eps", epsilon);
    draft_boolean(&draft, "elementwise_affine", own);
    draft_boolean(&draft, "bias", own && bias != NULL);
    if (own) {
        draft_weight(&draft, "weight", weight, &shape);
    }
    if (own && bias != NULL) {
        draft_weight(&draft, "bias", bias, &shape);
    }
    if (!draft_list(import, &draft, "normalized_shape", shape.sizes, (size_t)shape.rank) ||
        !draft_emit(import, &draft, NULL, &x)) {
        return false;
    }
    return onnx_finish(import,
                       own || (apply(import, 1, "Mul", "weighted", NULL, &x) &&
                               (bias == NULL || apply(import, 2, "Add", "shifted", NULL, &x))),
                       &x);
}

/* Until opset 20 scale and bias have one element for each group. */
static bool group_affine(struct onnx_import *import, int64_t groups, struct onnx_flow *y)
{
    struct stability_shape shape = y->shape;
    struct stability_shape grouped = {3, {shape.sizes[0], groups, 0}};
    struct stability_shape row = {3, {1, groups, 1}};
    int64_t count = stability_shape_count(&shape);
    grouped.sizes[2] = shape.sizes[0] * groups == 0 ? 0 : count / (shape.sizes[0] * groups);
    return onnx_reshape(import, "groups", y, &grouped, y) && apply(import, 1, "Mul", "weighted", &row, y) &&
           apply(import, 2, "Add", "shifted", &row, y) && onnx_reshape(import, "shape", y, &shape, y);
}

bool onnx_group_normalization(struct onnx_import *import)
{
    double epsilon;
    int64_t groups = 0;
    struct onnx_flow x;
    if (!onnx_operand_at(import, 0, &x) || !read_epsilon(import, &epsilon) ||
        !onnx_integer(import, "num_groups", &groups) || !has_channels(import, &x)) {
        return false;
    }
    int64_t channels = x.shape.sizes[1];
    bool own = import->file->opset >= 21;
    struct stability_shape row = {1, {channels}};
    struct onnx_value *weight = vector(import, 1, own ? channels : groups, "its scale");
    struct onnx_value *bias = weight == NULL ? NULL : vector(import, 2, own ? channels : groups, "its bias");
    if (bias == NULL) {
        return false;
    }
    struct onnx_draft draft = {.type = "GroupNorm", .inputs = &x, .input_count = 1};
    draft_integer(&draft, "num_groups", groups);
    draft_integer(&draft, "num_channels", channels);
    draft_real(&draft, "eps", epsilon);
    draft_boolean(&draft, "affine", own);
    if (own) {
        draft_weight(&draft, "weight", weight, &row);
        draft_weight(&draft, "bias", bias, &row);
    }
    return draft_emit(import, &draft, NULL, &x) &&
           onnx_finish(import, own || group_affine(import, groups, &x), &x);
}
