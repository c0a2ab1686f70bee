/* Resize and Upsample, where they choose the same elements as torch.nn.Upsample. */
#include "server/input/onnx/operators.h"

#include <math.h>
#include <string.h>

#define MOST_SIZES (1 << 20)

struct resizing {
    const char *mode;
    const char *positions; /* coordinate_transformation_mode */
    const char *nearest;
    const char *ratio; /* keep_aspect_ratio_policy */
    double cubic;
    double scales[STABILITY_MAX_RANK];
    int64_t sizes[STABILITY_MAX_RANK];
    bool by_scale; /* scales were given, not sizes */
};

/* The last input that is there and not empty: the scales, or the sizes. */
static bool read_target(struct onnx_import *import, const struct stability_shape *x,
                        struct resizing *resizing)
{
    size_t k = import->file->opset < 11 ? 1 : 2;
    struct onnx_value *scales = onnx_input(import, k);
    struct onnx_value *sizes = onnx_input(import, 3);
    const struct onnx_attribute *attribute = onnx_attribute(import, "scales");
    double numbers[STABILITY_MAX_RANK];
    size_t rank = (size_t)x->rank;
    struct onnx_value *given = sizes != NULL ? sizes : scales;
    resizing->by_scale = sizes == NULL;
    if (given != NULL) {
        if (!onnx_known(import, given, "its size")) {
            return false;
        }
        if ((size_t)stability_shape_count(&given->tensor.shape) != rank) {
            return onnx_refuse(import, "its size is not given for each of the %d dimensions", x->rank);
        }
        stability_convert(given->tensor.dtype, given->tensor.data, STABILITY_FLOAT64, numbers, x->rank);
    } else if (attribute != NULL && attribute->type == ONNX_FLOATS && attribute->count == rank) {
        memcpy(numbers, attribute->reals, rank * sizeof *numbers);
    } else {
        return onnx_fail(import, STABILITY_ERROR_ONNX, "it has neither scales nor sizes");
    }
    for (size_t d = 0; d < rank; d++) {
        double size = (double)x->sizes[d];
        resizing->scales[d] = resizing->by_scale ? numbers[d] : numbers[d] / size;
        double wanted = resizing->by_scale ? floor(size * numbers[d]) : numbers[d];
        if (!(wanted >= 1 && wanted <= MOST_SIZES)) {
            return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH, "a dimension cannot be resized to %g",
                             wanted);
        }
        resizing->sizes[d] = (int64_t)wanted;
    }
    return true;
}

/* The element that an output position is taken from: ONNX's, and PyTorch's. */
static int64_t onnx_source(const struct resizing *resizing, int d, int64_t size, int64_t i)
{
    double scale = resizing->scales[d];
    double count = (double)resizing->sizes[d];
    double at = (double)i / scale;
    if (strcmp(resizing->positions, "half_pixel") == 0 ||
        (strcmp(resizing->positions, "pytorch_half_pixel") == 0 && count > 1)) {
        at = ((double)i + 0.5) / scale - 0.5;
    } else if (strcmp(resizing->positions, "pytorch_half_pixel") == 0) {
        at = 0;
    } else if (strcmp(resizing->positions, "align_corners") == 0) {
        at = count > 1 ? (double)i * (double)(size - 1) / (count - 1) : 0;
    }
    double whole = strcmp(resizing->nearest, "floor") == 0               ? floor(at)
                   : strcmp(resizing->nearest, "ceil") == 0              ? ceil(at)
                   : strcmp(resizing->nearest, "round_prefer_ceil") == 0 ? floor(at + 0.5)
                                                                         : ceil(at - 0.5);
    return (int64_t)fmin(fmax(whole, 0), (double)(size - 1));
}

static bool chooses_same(const struct resizing *resizing, const struct stability_shape *x)
{
    for (int d = 2; d < x->rank; d++) {
        for (int64_t i = 0; i < resizing->sizes[d]; i++) {
            double at =
                floor((double)i * (resizing->by_scale ? 1 / resizing->scales[d]
                                                      : (double)x->sizes[d] / (double)resizing->sizes[d]));
            int64_t torch = (int64_t)fmin(at, (double)(x->sizes[d] - 1));
            if (onnx_source(resizing, d, x->sizes[d], i) != torch) {
                return false;
            }
        }
    }
    return true;
}

static bool emit(struct onnx_import *import, const struct resizing *resizing, const char *mode,
                 struct onnx_flow *x)
{
    size_t spatial = (size_t)x->shape.rank - 2;
    struct onnx_draft draft = {.type = "Upsample", .inputs = x, .input_count = 1};
    draft_text(&draft, "mode", mode);
    if (strcmp(mode, "nearest") != 0) {
        draft_boolean(&draft, "align_corners", strcmp(resizing->positions, "align_corners") == 0);
    }
    if (!resizing->by_scale) {
        return draft_list(import, &draft, "size", resizing->sizes + 2, spatial) &&
               draft_emit(import, &draft, NULL, x);
    }
    double *factors = onnx_allocate(&import->memory, spatial, sizeof *factors);
    if (factors == NULL) {
        return false;
    }
    memcpy(factors, resizing->scales + 2, spatial * sizeof *factors);
    draft_tensor(&draft, "scale_factor",
                 &(struct stability_tensor){STABILITY_FLOAT64, {1, {(int64_t)spatial}}, factors});
    return draft_emit(import, &draft, NULL, x);
}

/* Positions that PyTorch computes otherwise: from a length that is not whole, and in an output of one
 * element. */
static bool differs(const struct resizing *resizing, const struct stability_shape *x)
{
    bool corners = strcmp(resizing->positions, "align_corners") == 0;
    bool zero = strcmp(resizing->positions, "pytorch_half_pixel") == 0;
    for (int d = 2; d < x->rank; d++) {
        double length = resizing->scales[d] * (double)x->sizes[d];
        if ((corners && fabs(length - (double)resizing->sizes[d]) > 1e-6 * length) ||
            (zero && resizing->sizes[d] == 1 && x->sizes[d] > 1)) {
            return true;
        }
    }
    return false;
}

/* torch.nn.Upsample's mode for the same interpolation, or NULL. */
static const char *torch_mode(const struct resizing *resizing, const struct stability_shape *x)
{
    static const char *const linear[] = {NULL, "linear", "bilinear", "trilinear"};
    bool centres = strcmp(resizing->positions, "half_pixel") == 0 ||
                   strcmp(resizing->positions, "pytorch_half_pixel") == 0 ||
                   strcmp(resizing->positions, "align_corners") == 0;
    int spatial = x->rank - 2;
    if (strcmp(resizing->mode, "nearest") == 0) {
        return chooses_same(resizing, x) ? "nearest" : NULL;
    }
    if (differs(resizing, x)) {
        return NULL;
    }
    if (strcmp(resizing->mode, "linear") == 0) {
        return centres && spatial <= 3 ? linear[spatial] : NULL;
    }
    return strcmp(resizing->mode, "cubic") == 0 && centres && spatial == 2 && resizing->cubic == -0.75
               ? "bicubic"
               : NULL;
}

bool onnx_resize(struct onnx_import *import)
{
    struct resizing resizing = {
        .mode = "nearest", .nearest = "round_prefer_floor", .ratio = "stretch", .cubic = -0.75};
    int64_t outside = 0, antialias = 0;
    struct onnx_flow x;
    bool old = import->file->opset < 11;
    resizing.positions = old ? "asymmetric" : "half_pixel";
    resizing.nearest = old ? "floor" : resizing.nearest;
    if (!onnx_operand_at(import, 0, &x) || !onnx_text(import, "mode", &resizing.mode) ||
        !onnx_text(import, "coordinate_transformation_mode", &resizing.positions) ||
        !onnx_text(import, "nearest_mode", &resizing.nearest) ||
        !onnx_text(import, "keep_aspect_ratio_policy", &resizing.ratio) ||
        !onnx_real(import, "cubic_coeff_a", &resizing.cubic) ||
        !onnx_integer(import, "exclude_outside", &outside) ||
        !onnx_integer(import, "antialias", &antialias) || !read_target(import, &x.shape, &resizing)) {
        return false;
    }
    bool channels =
        x.shape.rank >= 3 && resizing.sizes[0] == x.shape.sizes[0] && resizing.sizes[1] == x.shape.sizes[1];
    const char *mode = channels && outside == 0 && antialias == 0 && strcmp(resizing.ratio, "stretch") == 0 &&
                               !onnx_has_attribute(import, "axes")
                           ? torch_mode(&resizing, &x.shape)
                           : NULL;
    if (mode == NULL) {
        return onnx_refuse(import, "%.16s with %.32s differs from torch.nn.Upsample", resizing.mode,
                           resizing.positions);
    }
    return onnx_finish(import, emit(import, &resizing, mode, &x), &x);
}
