/* Arithmetic on one, two and more inputs, and choices between two. */
#include "server/input/onnx/operators.h"

#include "server/input/onnx/fold.h"

#include <math.h>
#include <string.h>

/* ---- functions of one input ---- */

bool onnx_function(struct onnx_import *import)
{
    struct onnx_flow x;
    return onnx_operand_at(import, 0, &x) &&
           onnx_finish(import, onnx_unary(import, import->node->type, NULL, &x, &x), &x);
}

/* ---- two inputs ---- */

/* A number that nobody learns and that leaves the other operand's shape as it is. */
static bool is_number(const struct onnx_value *value, const struct onnx_value *other, double *number)
{
    if (!value->known || value->learned || value->is_input ||
        stability_shape_count(&value->tensor.shape) != 1 ||
        value->tensor.shape.rank > onnx_shape(other)->rank) {
        return false;
    }
    stability_convert(value->tensor.dtype, value->tensor.data, STABILITY_FLOAT64, number, 1);
    return true;
}

/* x op number, or number op x. */
static bool with_number(struct onnx_import *import, const struct onnx_flow *x, double number, bool first,
                        struct onnx_flow *y)
{
    switch (import->node->type[0]) {
    case 'A':
        return onnx_scale(import, NULL, x, 1, number, y);
    case 'S':
        return first ? onnx_scale(import, NULL, x, -1, number, y)
                     : onnx_scale(import, NULL, x, 1, -number, y);
    case 'M':
        return onnx_scale(import, NULL, x, number, 0, y);
    default:
        if (!first) {
            return onnx_scale(import, NULL, x, 1 / number, 0, y);
        }
        return onnx_unary(import, "Reciprocal", "reciprocal", x, y) &&
               onnx_scale(import, NULL, y, number, 0, y);
    }
}

bool onnx_arithmetic(struct onnx_import *import)
{
    struct onnx_value *a = onnx_required(import, 0);
    struct onnx_value *b = a == NULL ? NULL : onnx_required(import, 1);
    struct onnx_flow x, z;
    double number;
    if (b == NULL) {
        return false;
    }
    bool first = is_number(a, b, &number);
    if (first || is_number(b, a, &number)) {
        return onnx_operand(import, first ? b : a, &x) &&
               onnx_finish(import, with_number(import, &x, number, first, &x), &x);
    }
    return onnx_operand(import, a, &x) && onnx_operand(import, b, &z) &&
           onnx_finish(import, onnx_binary(import, import->node->type, NULL, &x, &z, &x), &x);
}

/* All elements of a known tensor are the same. */
static bool is_uniform(const struct onnx_value *value)
{
    size_t size = stability_dtype_size(value->tensor.dtype);
    int64_t count = stability_shape_count(&value->tensor.shape);
    const char *bytes = value->tensor.data;
    return count > 0 && memcmp(bytes, bytes + size, (size_t)(count - 1) * size) == 0;
}

/* base ^ x = exp(x log(base)) */
static bool raise_number(struct onnx_import *import, double base)
{
    struct onnx_flow x;
    if (!(base > 0)) {
        return onnx_refuse(import, "a base that is not above 0 is raised to powers that are computed");
    }
    return onnx_operand_at(import, 1, &x) && onnx_scale(import, "scale", &x, log(base), 0, &x) &&
           onnx_finish(import, onnx_unary(import, "Exp", NULL, &x, &x), &x);
}

#define MOST_EXPONENTS 16

/* 1 (or 0) where the exponent is `exponent`, 0 (or 1) elsewhere, as a layer. */
static bool mark_exponent(struct onnx_import *import, const struct onnx_value *power, const double *exponents,
                          double exponent, bool marked, struct onnx_flow *flow)
{
    int64_t count = stability_shape_count(&power->tensor.shape);
    float *numbers = onnx_allocate(&import->memory, (size_t)count, sizeof *numbers);
    for (int64_t i = 0; numbers != NULL && i < count; i++) {
        numbers[i] = (exponents[i] == exponent) == marked ? 1 : 0;
    }
    struct stability_tensor tensor = {STABILITY_FLOAT32, power->tensor.shape, numbers};
    return numbers != NULL && onnx_constant(import, marked ? "chosen" : "others", &tensor, flow);
}

/* x to one of the exponents, where that is wanted, and 0 elsewhere: there 1 is raised, not x. */
static bool raise_marked(struct onnx_import *import, const struct onnx_flow *x,
                         const struct onnx_value *power, const double *exponents, double exponent,
                         struct onnx_flow *y)
{
    struct onnx_flow chosen, others;
    struct onnx_draft draft = {.type = "Pow", .inputs = y, .input_count = 1};
    draft_real(&draft, "exponent", exponent);
    return mark_exponent(import, power, exponents, exponent, true, &chosen) &&
           mark_exponent(import, power, exponents, exponent, false, &others) &&
           onnx_binary(import, "Mul", "base", x, &chosen, y) &&
           onnx_binary(import, "Add", "base", y, &others, y) && draft_emit(import, &draft, "power", y) &&
           onnx_binary(import, "Mul", "part", y, &chosen, y);
}

/* Exponents that differ: one power for each of them, added up. */
static bool raise_apart(struct onnx_import *import, const struct onnx_flow *x, const struct onnx_value *power)
{
    int64_t count = stability_shape_count(&power->tensor.shape);
    double *exponents = onnx_allocate(&import->memory, (size_t)count, sizeof *exponents);
    double distinct[MOST_EXPONENTS];
    size_t found = 0;
    struct onnx_flow sum, part;
    if (exponents == NULL) {
        return false;
    }
    stability_convert(power->tensor.dtype, power->tensor.data, STABILITY_FLOAT64, exponents, count);
    for (int64_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < found && distinct[k] != exponents[i]) {
            k++;
        }
        if (k == MOST_EXPONENTS || isnan(exponents[i])) {
            return onnx_refuse(import, "it has more than %d exponents", MOST_EXPONENTS);
        }
        distinct[k] = exponents[i];
        found += k == found;
    }
    for (size_t k = 0; k < found; k++) {
        struct onnx_flow *to = k == 0 ? &sum : &part;
        if (!raise_marked(import, x, power, exponents, distinct[k], to) ||
            (k > 0 && !onnx_binary(import, "Add", k + 1 == found ? NULL : "sum", &sum, &part, &sum))) {
            return false;
        }
    }
    return onnx_finish(import, found > 0, &sum);
}

bool onnx_pow(struct onnx_import *import)
{
    struct onnx_value *base = onnx_required(import, 0);
    struct onnx_value *power = base == NULL ? NULL : onnx_required(import, 1);
    struct stability_shape shape;
    struct onnx_flow x;
    double exponent;
    if (power == NULL) {
        return false;
    }
    if (is_number(base, power, &exponent)) {
        return raise_number(import, exponent);
    }
    if (!onnx_known(import, power, "its exponent")) {
        return false;
    }
    if (!onnx_operand(import, base, &x) || !fold_broadcast(import, &x.shape, &power->tensor.shape, &shape)) {
        return false;
    }
    if (!is_uniform(power) || !stability_shape_equal(&shape, &x.shape)) {
        return raise_apart(import, &x, power);
    }
    stability_convert(power->tensor.dtype, power->tensor.data, STABILITY_FLOAT64, &exponent, 1);
    struct onnx_draft draft = {.type = "Pow", .inputs = &x, .input_count = 1};
    draft_real(&draft, "exponent", exponent);
    return onnx_finish(import, draft_emit(import, &draft, NULL, &x), &x);
}

/* ---- any number of inputs ---- */

bool onnx_variadic(struct onnx_import *import)
{
    const char *type = import->node->type;
    const char *layer = strcmp(type, "Min") == 0 ? "Minimum" : strcmp(type, "Max") == 0 ? "Maximum" : "Add";
    size_t count = import->node->input_count;
    bool mean = strcmp(type, "Mean") == 0 && count > 1;
    struct onnx_flow sum, x;
    if (!onnx_operand_at(import, 0, &sum)) {
        return false;
    }
    if (count == 1) {
        return onnx_finish(import, onnx_unary(import, "Identity", NULL, &sum, &sum), &sum);
    }
    for (size_t k = 1; k < count; k++) {
        const char *role = k + 1 < count || mean ? "part" : NULL;
        if (!onnx_operand_at(import, k, &x) || !onnx_binary(import, layer, role, &sum, &x, &sum)) {
            return false;
        }
    }
    return onnx_finish(import, !mean || onnx_scale(import, NULL, &sum, 1 / (double)count, 0, &sum), &sum);
}

/* ---- Where ---- */

/* A tensor of 0 and 1, of the condition or of its opposite. */
static bool mask(struct onnx_import *import, const struct onnx_value *condition, bool opposite,
                 struct onnx_flow *flow)
{
    int64_t count = stability_shape_count(&condition->tensor.shape);
    float *numbers = onnx_allocate(&import->memory, (size_t)count, sizeof *numbers);
    if (numbers == NULL) {
        return false;
    }
    stability_convert(condition->tensor.dtype, condition->tensor.data, STABILITY_FLOAT32, numbers, count);
    for (int64_t i = 0; i < count; i++) {
        numbers[i] = (numbers[i] != 0) != opposite ? 1 : 0;
    }
    struct stability_tensor tensor = {STABILITY_FLOAT32, condition->tensor.shape, numbers};
    return onnx_constant(import, opposite ? "otherwise" : "condition", &tensor, flow);
}

/* The elements of a constant where they are chosen, and 0 elsewhere: a constant may hold -Infinity, which
 * must not be multiplied by 0. */
static bool chosen_constant(struct onnx_import *import, size_t k, struct onnx_flow *flow)
{
    struct fold_operand condition, x;
    struct stability_shape shape;
    if (!fold_operand(import, 0, false, &condition) || !fold_operand(import, k, true, &x) ||
        !fold_broadcast(import, &condition.shape, &x.shape, &shape)) {
        return false;
    }
    int64_t count = stability_shape_count(&shape);
    double *numbers = onnx_allocate(&import->memory, (size_t)count, sizeof *numbers);
    struct fold_walk walk = fold_walk_broadcast(&shape, &condition.shape);
    struct fold_walk walk_x = fold_walk_broadcast(&shape, &x.shape);
    for (int64_t i = 0; numbers != NULL && i < count; i++) {
        bool chosen = (condition.integers[walk.offset] != 0) == (k == 1);
        numbers[i] = chosen ? x.reals[walk_x.offset] : 0;
        fold_step(&walk);
        fold_step(&walk_x);
    }
    struct stability_tensor tensor = {STABILITY_FLOAT64, shape, numbers};
    return numbers != NULL && onnx_constant(import, "constant", &tensor, flow);
}

/* One side of the choice: its elements where they are chosen, 0 elsewhere. */
static bool side(struct onnx_import *import, struct onnx_value *condition, size_t k, struct onnx_flow *flow)
{
    struct onnx_value *value = onnx_required(import, k);
    struct onnx_flow chosen;
    if (value == NULL || (value->known && !value->learned)) {
        return value != NULL && chosen_constant(import, k, flow);
    }
    return onnx_operand(import, value, flow) && mask(import, condition, k == 2, &chosen) &&
           onnx_binary(import, "Mul", k == 1 ? "chosen" : "kept", flow, &chosen, flow);
}

bool onnx_where(struct onnx_import *import)
{
    struct onnx_value *condition = onnx_required(import, 0);
    struct onnx_flow a, b;
    if (condition == NULL || !onnx_known(import, condition, "its condition")) {
        return false;
    }
    if (stability_dtype_is_floating(condition->tensor.dtype)) {
        return onnx_refuse(import, "its condition is not boolean");
    }
    return side(import, condition, 1, &a) && side(import, condition, 2, &b) &&
           onnx_finish(import, onnx_binary(import, "Add", NULL, &a, &b, &a), &a);
}
