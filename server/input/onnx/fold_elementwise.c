/* Element by element: arithmetic, comparisons, logic. Integers wrap around, as they do in ONNX Runtime. */
#include "server/input/onnx/fold.h"
#include "server/input/onnx/operators.h"

#include <math.h>
#include <string.h>

/* ---- one operand ---- */

struct unary {
    const char *type;
    double (*real)(double);
    int64_t (*integer)(int64_t); /* NULL: integers have no such operation */
};

static int64_t negated(int64_t x)
{
    return (int64_t)(0 - (uint64_t)x);
}

static int64_t absolute(int64_t x)
{
    return x < 0 ? negated(x) : x;
}

static int64_t sign(int64_t x)
{
    return (x > 0) - (x < 0);
}

static double negated_real(double x)
{
    return -x;
}

static double sign_real(double x)
{
    return isnan(x) ? x : (double)((x > 0) - (x < 0));
}

static double reciprocal(double x)
{
    return 1 / x;
}

static const struct unary unaries[] = {
    {"Neg", negated_real, negated},
    {"Abs", fabs, absolute},
    {"Sign", sign_real, sign},
    {"Exp", exp, NULL},
    {"Log", log, NULL},
    {"Sqrt", sqrt, NULL},
    {"Reciprocal", reciprocal, NULL},
    {"Sin", sin, NULL},
    {"Cos", cos, NULL},
    {"Floor", floor, NULL},
    {"Ceil", ceil, NULL},
    {"Round", nearbyint, NULL},
};

bool fold_not(struct onnx_import *import)
{
    struct fold_operand x;
    if (!fold_operand(import, 0, false, &x)) {
        return false;
    }
    if (x.real) {
        return onnx_refuse(import, "its input is not boolean");
    }
    bool *result = onnx_allocate(&import->memory, (size_t)x.count, sizeof *result);
    for (int64_t i = 0; result != NULL && i < x.count; i++) {
        result[i] = x.integers[i] == 0;
    }
    return result != NULL && fold_set_booleans(import, 0, &x.shape, result);
}

static bool apply_unary(struct onnx_import *import, const struct unary *unary)
{
    struct fold_operand x;
    if (!fold_operand(import, 0, unary->integer == NULL, &x)) {
        return false;
    }
    if (x.real) {
        double *reals = onnx_allocate(&import->memory, (size_t)x.count, sizeof *reals);
        for (int64_t i = 0; reals != NULL && i < x.count; i++) {
            reals[i] = unary->real(x.reals[i]);
        }
        return reals != NULL && fold_set_reals(import, 0, &x.shape, reals);
    }
    int64_t *integers = onnx_allocate(&import->memory, (size_t)x.count, sizeof *integers);
    for (int64_t i = 0; integers != NULL && i < x.count; i++) {
        integers[i] = unary->integer(x.integers[i]);
    }
    return integers != NULL && fold_set_integers(import, 0, &x.shape, integers);
}

bool fold_unary(struct onnx_import *import)
{
    const struct unary *unary = unaries;
    while (strcmp(unary->type, import->node->type) != 0) {
        unary++;
    }
    return apply_unary(import, unary);
}

/* ---- two operands ---- */

struct binary {
    const char *type;
    double (*real)(double, double);
    int64_t (*integer)(int64_t, int64_t);
};

static double least_real(double a, double b)
{
    return a < b ? a : b;
}

static int64_t least_integer(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static double greatest_real(double a, double b)
{
    return a > b ? a : b;
}

static int64_t greatest_integer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static double add_real(double a, double b)
{
    return a + b;
}

static int64_t add_integer(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static double sub_real(double a, double b)
{
    return a - b;
}

static int64_t sub_integer(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static double mul_real(double a, double b)
{
    return a * b;
}

static int64_t mul_integer(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

static double div_real(double a, double b)
{
    return a / b;
}

/* b is not 0. */
static int64_t div_integer(int64_t a, int64_t b)
{
    return b == -1 ? negated(a) : a / b; // NOLINT(clang-analyzer-core.DivideZero)
}

/* The sign of b, as in Python; `fmod` 1 asks for that of a. */
static int64_t mod_integer(int64_t a, int64_t b)
{
    int64_t rest = b == -1 ? 0 : a % b; // NOLINT(clang-analyzer-core.DivideZero): fold_whole refuses 0
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static int64_t remainder_integer(int64_t a, int64_t b)
{
    return b == -1 ? 0 : a % b; // NOLINT(clang-analyzer-core.DivideZero)
}

static int64_t pow_integer(int64_t a, int64_t b)
{
    return (int64_t)fmin(fmax(pow((double)a, (double)b), -0x1p62), 0x1p62);
}

static const struct binary binaries[] = {
    {"Add", add_real, add_integer},     {"Sub", sub_real, sub_integer},
    {"Mul", mul_real, mul_integer},     {"Div", div_real, div_integer},
    {"Mod", fmod, mod_integer},         {"Pow", pow, pow_integer},
    {"Min", least_real, least_integer}, {"Max", greatest_real, greatest_integer},
};

static bool fold_reals(struct onnx_import *import, const struct binary *binary, const struct fold_operand *a,
                       const struct fold_operand *b, const struct stability_shape *shape, double *result)
{
    int64_t count = stability_shape_count(shape);
    struct fold_walk walk_a = fold_walk_broadcast(shape, &a->shape);
    struct fold_walk walk_b = fold_walk_broadcast(shape, &b->shape);
    for (int64_t i = 0; i < count; i++) {
        result[i] = binary->real(a->reals[walk_a.offset], b->reals[walk_b.offset]);
        fold_step(&walk_a);
        fold_step(&walk_b);
    }
    return fold_set_reals(import, 0, shape, result);
}

static bool divides(const struct binary *binary)
{
    return binary->integer == div_integer || binary->integer == mod_integer;
}

static bool fold_whole(struct onnx_import *import, const struct binary *binary, const struct fold_operand *a,
                       const struct fold_operand *b, const struct stability_shape *shape, int64_t *result)
{
    int64_t fmod_wanted = 0;
    if (!onnx_integer(import, "fmod", &fmod_wanted)) {
        return false;
    }
    int64_t (*function)(int64_t, int64_t) = fmod_wanted != 0 ? remainder_integer : binary->integer;
    int64_t count = stability_shape_count(shape);
    struct fold_walk walk_a = fold_walk_broadcast(shape, &a->shape);
    struct fold_walk walk_b = fold_walk_broadcast(shape, &b->shape);
    for (int64_t i = 0; i < count; i++) {
        int64_t right = b->integers[walk_b.offset]; // NOLINT(clang-analyzer-core.NullDereference): not reals
        if (right == 0 && divides(binary)) {
            return onnx_fail(import, STABILITY_ERROR_INVALID_VALUE, "an integer is divided by 0");
        }
        result[i] = function(a->integers[walk_a.offset], right);
        fold_step(&walk_a);
        fold_step(&walk_b);
    }
    return fold_set_integers(import, 0, shape, result);
}

/* Both operands in the same type, and the shape of the result. */
static bool read_pair(struct onnx_import *import, struct fold_operand *a, struct fold_operand *b,
                      struct stability_shape *shape)
{
    if (import->node->input_count != 2) {
        return onnx_refuse(import, "it has %zu inputs", import->node->input_count);
    }
    return fold_operand(import, 0, false, a) && fold_operand(import, 1, a->real, b) &&
           (!b->real || a->real || fold_operand(import, 0, true, a)) &&
           fold_broadcast(import, &a->shape, &b->shape, shape);
}

bool fold_binary(struct onnx_import *import)
{
    const struct binary *binary = binaries;
    struct stability_shape shape;
    struct fold_operand a = {0}, b = {0};
    while (strcmp(binary->type, import->node->type) != 0) {
        binary++;
    }
    if (!read_pair(import, &a, &b, &shape)) {
        return false;
    }
    void *result = onnx_allocate(&import->memory, (size_t)stability_shape_count(&shape), sizeof(double));
    if (result == NULL) {
        return false;
    }
    return a.real ? fold_reals(import, binary, &a, &b, &shape, result)
                  : fold_whole(import, binary, &a, &b, &shape, result);
}

/* ---- comparisons and logic ---- */

enum order { LESS = 1, EQUAL = 2, MORE = 4, UNORDERED = 8, BOTH = 16, ONE = 32 };

/* How two numbers are to each other, and which of them are not 0. */
static int order_of(const struct fold_operand *a, int64_t i, const struct fold_operand *b, int64_t k)
{
    if (a->real) {
        double x = a->reals[i];
        double y = b->reals[k];
        return x < y ? LESS : x > y ? MORE : x == y ? EQUAL : UNORDERED;
    }
    int64_t x = a->integers[i]; // NOLINT(clang-analyzer-core.NullDereference): not reals
    int64_t y = b->integers[k]; // NOLINT(clang-analyzer-core.NullDereference)
    int order = x < y ? LESS : x > y ? MORE : EQUAL;
    return order | (x != 0 && y != 0 ? BOTH : 0) | ((x != 0) != (y != 0) ? ONE : 0);
}

bool fold_comparison(struct onnx_import *import)
{
    static const struct {
        const char *type;
        int accepted; /* the result is true where one of these holds */
    } comparisons[] = {{"Equal", EQUAL},   {"Less", LESS}, {"LessOrEqual", LESS | EQUAL},
                       {"Greater", MORE},  {"And", BOTH},  {"GreaterOrEqual", MORE | EQUAL},
                       {"Or", BOTH | ONE}, {"Xor", ONE}};
    size_t which = 0;
    struct stability_shape shape;
    struct fold_operand a = {0}, b = {0};
    while (strcmp(comparisons[which].type, import->node->type) != 0) {
        which++;
    }
    if (!read_pair(import, &a, &b, &shape)) {
        return false;
    }
    int64_t count = stability_shape_count(&shape);
    struct fold_walk walk_a = fold_walk_broadcast(&shape, &a.shape);
    struct fold_walk walk_b = fold_walk_broadcast(&shape, &b.shape);
    bool *result = onnx_allocate(&import->memory, (size_t)count, sizeof *result);
    for (int64_t i = 0; result != NULL && i < count; i++) {
        result[i] = (order_of(&a, walk_a.offset, &b, walk_b.offset) & comparisons[which].accepted) != 0;
        fold_step(&walk_a);
        fold_step(&walk_b);
    }
    return result != NULL && fold_set_booleans(import, 0, &shape, result);
}

/* ---- Where ---- */

bool fold_where(struct onnx_import *import)
{
    struct fold_operand condition, a, b;
    struct stability_shape pair, shape;
    if (!fold_operand(import, 0, false, &condition) || !fold_operand(import, 1, false, &a) ||
        !fold_operand(import, 2, a.real, &b) || !fold_broadcast(import, &a.shape, &b.shape, &pair) ||
        !fold_broadcast(import, &condition.shape, &pair, &shape)) {
        return false;
    }
    if (condition.real || a.real != b.real) {
        return onnx_refuse(import, "its inputs have types that do not fit together");
    }
    int64_t count = stability_shape_count(&shape);
    double *reals = onnx_allocate(&import->memory, (size_t)count, sizeof *reals);
    int64_t *integers = onnx_allocate(&import->memory, (size_t)count, sizeof *integers);
    struct fold_walk walk = fold_walk_broadcast(&shape, &condition.shape);
    struct fold_walk walk_a = fold_walk_broadcast(&shape, &a.shape);
    struct fold_walk walk_b = fold_walk_broadcast(&shape, &b.shape);
    for (int64_t i = 0; reals != NULL && integers != NULL && i < count; i++) {
        bool first = condition.integers[walk.offset] != 0;
        if (a.real) {
            reals[i] = first ? a.reals[walk_a.offset] : b.reals[walk_b.offset];
        } else {
            integers[i] = first ? a.integers[walk_a.offset] : b.integers[walk_b.offset];
        }
        fold_step(&walk);
        fold_step(&walk_a);
        fold_step(&walk_b);
    }
    if (reals == NULL || integers == NULL) {
        return false;
    }
    return a.real ? fold_set_reals(import, 0, &shape, reals) : fold_set_integers(import, 0, &shape, integers);
}
