/* Activations, Softmax and Clip. */
#include "server/input/onnx/operators.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Operators that are a layer type, with at most one attribute. */
static const struct {
    const char *operator;
    const char *type;
    const char *given; /* ONNX's name of the attribute; NULL: none */
    const char *name;  /* the layer's */
    double initial;
} activations[] = {
    {"Relu", "ReLU", NULL, NULL, 0},           {"LeakyRelu", "LeakyReLU", "alpha", "negative_slope", 0.01},
    {"Elu", "ELU", "alpha", "alpha", 1},       {"Celu", "CELU", "alpha", "alpha", 1},
    {"HardSwish", "Hardswish", NULL, NULL, 0}, {"Mish", "Mish", NULL, NULL, 0},
    {"Softplus", "Softplus", NULL, NULL, 0},   {"Softsign", "Softsign", NULL, NULL, 0},
    {"Sigmoid", "Sigmoid", NULL, NULL, 0},     {"Tanh", "Tanh", NULL, NULL, 0},
};

static bool finish(struct onnx_import *import, struct onnx_draft *draft)
{
    struct onnx_flow y;
    if (!draft_emit(import, draft, NULL, &y)) {
        return false;
    }
    onnx_set_flow(import, 0, &y);
    return true;
}

bool onnx_activation(struct onnx_import *import)
{
    size_t i = 0;
    while (strcmp(activations[i].operator, import->node->type) != 0) {
        i++;
    }
    struct onnx_flow x;
    struct onnx_draft draft = {.type = activations[i].type, .inputs = &x, .input_count = 1};
    double value = activations[i].initial;
    if (!onnx_operand_at(import, 0, &x)) {
        return false;
    }
    if (activations[i].given != NULL) {
        if (!onnx_real(import, activations[i].given, &value)) {
            return false;
        }
        draft_real(&draft, activations[i].name, value);
    }
    return finish(import, &draft);
}

static bool near(double value, double expected)
{
    return fabs(value - expected) <= 1e-5 * fabs(expected);
}

bool onnx_selu(struct onnx_import *import)
{
    static const double usual_alpha = 1.6732632423543772;
    static const double usual_gamma = 1.0507009873554805;
    double alpha = usual_alpha;
    double gamma = usual_gamma;
    struct onnx_flow x;
    struct onnx_draft draft = {.type = "SELU", .inputs = &x, .input_count = 1};
    if (!onnx_operand_at(import, 0, &x) || !onnx_real(import, "alpha", &alpha) ||
        !onnx_real(import, "gamma", &gamma)) {
        return false;
    }
    if (near(alpha, usual_alpha) && near(gamma, usual_gamma)) {
        return finish(import, &draft);
    }
    draft.type = "ELU";
    draft_real(&draft, "alpha", alpha);
    if (!draft_emit(import, &draft, NULL, &x) || !onnx_scale(import, "gamma", &x, gamma, 0, &x)) {
        return false;
    }
    onnx_set_flow(import, 0, &x);
    return true;
}

bool onnx_gelu(struct onnx_import *import)
{
    const char *approximate = "none";
    struct onnx_flow x;
    struct onnx_draft draft = {.type = "GELU", .inputs = &x, .input_count = 1};
    if (!onnx_operand_at(import, 0, &x) || !onnx_text(import, "approximate", &approximate)) {
        return false;
    }
    draft_text(&draft, "approximate", approximate);
    return finish(import, &draft);
}

static bool clamp(struct onnx_import *import, const char *role, const struct onnx_flow *x, double least,
                  double most, struct onnx_flow *y)
{
    struct onnx_draft draft = {.type = "Clamp", .inputs = x, .input_count = 1};
    if (least == 0 && (most == 6 || most >= (double)FLT_MAX)) {
        draft.type = most == 6 ? "ReLU6" : "ReLU";
        return draft_emit(import, &draft, role, y);
    }
    if (least > -(double)FLT_MAX) {
        draft_real(&draft, "min", least);
    }
    if (most < (double)FLT_MAX) {
        draft_real(&draft, "max", most);
    }
    draft.type = draft.member_count == 0 ? "Identity" : draft.type;
    return draft_emit(import, &draft, role, y);
}

bool onnx_hard_sigmoid(struct onnx_import *import)
{
    double alpha = 0.2;
    double beta = 0.5;
    struct onnx_flow x;
    struct onnx_draft draft = {.type = "Hardsigmoid", .inputs = &x, .input_count = 1};
    if (!onnx_operand_at(import, 0, &x) || !onnx_real(import, "alpha", &alpha) ||
        !onnx_real(import, "beta", &beta)) {
        return false;
    }
    if (near(alpha, 1.0 / 6) && near(beta, 0.5)) {
        return finish(import, &draft);
    }
    if (!onnx_scale(import, "scale", &x, alpha, beta, &x) || !clamp(import, NULL, &x, 0, 1, &x)) {
        return false;
    }
    onnx_set_flow(import, 0, &x);
    return true;
}

bool onnx_clip(struct onnx_import *import)
{
    double least = -INFINITY;
    double most = INFINITY;
    struct onnx_flow x;
    if (!onnx_operand_at(import, 0, &x) || !onnx_real(import, "min", &least) ||
        !onnx_real(import, "max", &most) || !onnx_input_number(import, 1, &least) ||
        !onnx_input_number(import, 2, &most) || !clamp(import, NULL, &x, least, most, &x)) {
        return false;
    }
    onnx_set_flow(import, 0, &x);
    return true;
}

/* The slopes are PReLU's where they are one number, or one for each channel. */
static bool is_by_channel(const struct stability_shape *slope, const struct stability_shape *x)
{
    int channels = slope->rank == x->rank - 1 ? 0 : 1; /* of (C, 1, 1) or (1, C, 1, 1) */
    if (x->rank < 2 || slope->rank < x->rank - 1 || slope->rank > x->rank ||
        slope->sizes[channels] != x->sizes[1]) {
        return false;
    }
    return stability_shape_count(slope) == x->sizes[1];
}

/* relu(x) + slope (x - relu(x)), whatever shape the slopes have. */
static bool leak(struct onnx_import *import, const struct onnx_flow *x)
{
    struct onnx_flow slope, positive, negative, y;
    if (!onnx_operand_at(import, 1, &slope) || !onnx_unary(import, "ReLU", "positive", x, &positive) ||
        !onnx_binary(import, "Sub", "negative", x, &positive, &negative) ||
        !onnx_binary(import, "Mul", "slope", &negative, &slope, &negative) ||
        !onnx_binary(import, "Add", NULL, &positive, &negative, &y)) {
        return false;
    }
    onnx_set_flow(import, 0, &y);
    return true;
}

bool onnx_prelu(struct onnx_import *import)
{
    struct onnx_value *slope = onnx_required(import, 1);
    struct onnx_flow x;
    if (slope == NULL || !onnx_operand_at(import, 0, &x)) {
        return false;
    }
    if (!slope->known && slope->node >= 0) {
        return leak(import, &x);
    }
    if (!onnx_known(import, slope, "its slopes")) {
        return false;
    }
    int64_t count = stability_shape_count(&slope->tensor.shape);
    if (count != 1 && !is_by_channel(&slope->tensor.shape, &x.shape)) {
        return leak(import, &x);
    }
    struct onnx_draft draft = {.type = "PReLU", .inputs = &x, .input_count = 1};
    draft_integer(&draft, "num_parameters", count);
    draft_weight(&draft, "weight", slope, &(struct stability_shape){1, {count}});
    return finish(import, &draft);
}

bool onnx_thresholded_relu(struct onnx_import *import)
{
    double alpha = 1;
    struct onnx_flow x;
    struct onnx_draft draft = {.type = "Threshold", .inputs = &x, .input_count = 1};
    if (!onnx_operand_at(import, 0, &x) || !onnx_real(import, "alpha", &alpha)) {
        return false;
    }
    draft_real(&draft, "threshold", alpha);
    draft_real(&draft, "value", 0);
    return finish(import, &draft);
}

bool onnx_shrink(struct onnx_import *import)
{
    double bias = 0;
    double bound = 0.5;
    struct onnx_flow x;
    struct onnx_draft draft = {.type = "Hardshrink", .inputs = &x, .input_count = 1};
    if (!onnx_operand_at(import, 0, &x) || !onnx_real(import, "bias", &bias) ||
        !onnx_real(import, "lambd", &bound)) {
        return false;
    }
    if (bias != 0 && bias != bound) {
        return onnx_refuse(import, "its bias is neither 0 nor lambd");
    }
    draft.type = bias == 0 ? "Hardshrink" : "Softshrink";
    draft_real(&draft, "lambd", bound);
    return finish(import, &draft);
}

/* Before opset 13 the elements of all dimensions from the axis on sum to 1. */
bool onnx_softmax(struct onnx_import *import)
{
    bool joint = import->file->opset < 13;
    int64_t along = joint ? 1 : -1;
    int axis;
    struct onnx_flow x, y;
    if (!onnx_operand_at(import, 0, &x) || !onnx_integer(import, "axis", &along) ||
        !onnx_axis(import, along, x.shape.rank, &axis)) {
        return false;
    }
    struct stability_shape joined = {2, {1, 1}};
    for (int d = 0; d < x.shape.rank; d++) {
        joined.sizes[d >= axis] *= x.shape.sizes[d];
    }
    joint = joint && joined.sizes[1] != x.shape.sizes[axis];
    struct stability_shape own = x.shape;
    if (joint && !onnx_reshape(import, "flat", &x, &joined, &x)) {
        return false;
    }
    struct onnx_draft draft = {.type = strcmp(import->node->type, "Softmax") == 0 ? "Softmax" : "LogSoftmax",
                               .inputs = &x,
                               .input_count = 1};
    draft_integer(&draft, "dim", joint ? 1 : axis);
    if (!draft_emit(import, &draft, NULL, &y) || (joint && !onnx_reshape(import, "shape", &y, &own, &y))) {
        return false;
    }
    onnx_set_flow(import, 0, &y);
    return true;
}
