/* Matrix products: Linear where one side is an initializer. */
#include "server/input/onnx/operators.h"

#include <string.h>

/* The value that a parameter of a Linear layer may be: floating, and an initializer. */
static bool is_learned(const struct onnx_value *value, int rank)
{
    return value != NULL && value->known && value->learned && value->tensor.shape.rank == rank;
}

static bool is_bias(const struct onnx_value *value, int64_t features)
{
    if (value == NULL || !value->known || !value->learned || value->tensor.shape.rank < 1) {
        return false;
    }
    const struct stability_shape *shape = &value->tensor.shape;
    return shape->sizes[shape->rank - 1] == features && stability_shape_count(shape) == features;
}

/* Linear with the weight (out, in) and, if there is one, a bias of `out` elements. */
static bool emit_linear(struct onnx_import *import, const struct onnx_flow *x, struct onnx_value *weight,
                        struct onnx_value *bias, struct onnx_flow *y)
{
    const struct stability_shape *shape = &weight->tensor.shape;
    struct onnx_draft draft = {.type = "Linear", .inputs = x, .input_count = 1};
    draft_integer(&draft, "in_features", shape->sizes[1]);
    draft_integer(&draft, "out_features", shape->sizes[0]);
    draft_boolean(&draft, "bias", bias != NULL);
    draft_weight(&draft, "weight", weight, shape);
    if (bias != NULL) {
        draft_weight(&draft, "bias", bias, &(struct stability_shape){1, {shape->sizes[0]}});
    }
    return draft_emit(import, &draft, NULL, y);
}

/* ---- Gemm ---- */

struct gemm {
    double alpha;
    double beta;
    int64_t transpose_a;
    int64_t transpose_b;
};

static bool turn(struct onnx_import *import, const char *role, struct onnx_flow *x)
{
    static const int swapped[] = {1, 0};
    return onnx_permute(import, role, x, swapped, x);
}

/* alpha A B + beta C from layers, where it is no Linear. */
static bool compose_gemm(struct onnx_import *import, const struct gemm *gemm, struct onnx_flow *y)
{
    struct onnx_flow a, b, c;
    bool added = onnx_input(import, 2) != NULL;
    bool scaled = gemm->alpha != 1;
    if (!onnx_operand_at(import, 0, &a) || !onnx_operand_at(import, 1, &b)) {
        return false;
    }
    if (a.shape.rank != 2 || b.shape.rank != 2) {
        return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                         "it multiplies matrices, found %d and %d "
                         "dimensions",
                         a.shape.rank, b.shape.rank);
    }
    if ((gemm->transpose_a != 0 && !turn(import, "a", &a)) ||
        (gemm->transpose_b != 0 && !turn(import, "b", &b)) ||
        !onnx_binary(import, "MatMul", added || scaled ? "product" : NULL, &a, &b, y) ||
        (scaled && !onnx_scale(import, added ? "alpha" : NULL, y, gemm->alpha, 0, y))) {
        return false;
    }
    if (!added) {
        return true;
    }
    return onnx_operand_at(import, 2, &c) &&
           (gemm->beta == 1 || onnx_scale(import, "beta", &c, gemm->beta, 0, &c)) &&
           onnx_binary(import, "Add", NULL, y, &c, y);
}

bool onnx_gemm(struct onnx_import *import)
{
    struct gemm gemm = {.alpha = 1, .beta = 1};
    struct onnx_value *weight = onnx_required(import, 1);
    struct onnx_value *bias = onnx_input(import, 2);
    struct onnx_flow x, y;
    if (weight == NULL || !onnx_real(import, "alpha", &gemm.alpha) ||
        !onnx_real(import, "beta", &gemm.beta) || !onnx_integer(import, "transA", &gemm.transpose_a) ||
        !onnx_integer(import, "transB", &gemm.transpose_b)) {
        return false;
    }
    bool linear = gemm.alpha == 1 && gemm.transpose_a == 0 && is_learned(weight, 2);
    int64_t features = linear ? weight->tensor.shape.sizes[gemm.transpose_b != 0 ? 0 : 1] : 0;
    if (!linear || (bias != NULL && (gemm.beta != 1 || !is_bias(bias, features)))) {
        return onnx_finish(import, compose_gemm(import, &gemm, &y), &y);
    }
    if (gemm.transpose_b == 0) {
        weight = onnx_transposed(import, weight);
    }
    return weight != NULL && onnx_operand_at(import, 0, &x) &&
           onnx_finish(import, emit_linear(import, &x, weight, bias, &y), &y);
}

/* ---- MatMul, and the Add behind it ---- */

/* The bias that the only reader of the product, which has `rank` dimensions, adds; NULL: none. The reader is
 * then part of this layer. */
static struct onnx_value *take_bias(struct onnx_import *import, int64_t features, int rank,
                                    const struct onnx_node **add)
{
    size_t reader = onnx_sole_reader(import, "Add");
    if (reader == SIZE_MAX || import->file->nodes[reader].input_count != 2) {
        return NULL;
    }
    const size_t *slots = import->node_values + import->node_starts[reader];
    struct onnx_value *product = onnx_output(import, 0);
    for (int k = 0; k < 2; k++) {
        struct onnx_value *other = slots[k] == SIZE_MAX ? NULL : &import->values[slots[k]];
        if (other != product && is_bias(other, features) && other->tensor.shape.rank <= rank) {
            *add = &import->file->nodes[reader];
            import->absorbed[reader] = true;
            return other;
        }
    }
    return NULL;
}

bool onnx_matmul(struct onnx_import *import)
{
    struct onnx_value *left = onnx_required(import, 0);
    struct onnx_value *weight = left == NULL ? NULL : onnx_required(import, 1);
    const struct onnx_node *add = NULL;
    struct onnx_flow x, z, y;
    if (weight == NULL || !onnx_operand(import, left, &x)) {
        return false;
    }
    if (left->learned || !is_learned(weight, 2)) {
        return onnx_operand(import, weight, &z) &&
               onnx_finish(import, onnx_binary(import, "MatMul", NULL, &x, &z, &y), &y);
    }
    struct onnx_value *bias = take_bias(import, weight->tensor.shape.sizes[1], x.shape.rank, &add);
    weight = onnx_transposed(import, weight);
    if (weight == NULL || !emit_linear(import, &x, weight, bias, &y)) {
        return false;
    }
    onnx_set_flow(import, 0, &y);
    if (add != NULL) {
        import->node = add;
        onnx_set_flow(import, 0, &y);
    }
    return true;
}
