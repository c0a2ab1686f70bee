/* Einsum of two operands: a product of stacks of matrices. */
#include "server/input/onnx/operators.h"

#include <stdio.h>
#include <string.h>

#define LETTERS 26

/* Two operands whose letters are each in the batch (both operands and the result), summed over (both, not
 * the result), or in one operand and the result. */
struct einsum {
    char terms[3][STABILITY_MAX_RANK + 1]; /* operands and result */
    int64_t sizes[LETTERS];
};

static bool parse_term(const char **text, char term[STABILITY_MAX_RANK + 1])
{
    size_t count = 0;
    for (; **text != '\0' && **text != ',' && **text != '-'; ++*text) {
        char letter = **text;
        if (letter == ' ') {
            continue;
        }
        if (letter < 'a' || letter > 'z' || count == STABILITY_MAX_RANK ||
            memchr(term, letter, count) != NULL) {
            return false;
        }
        term[count++] = letter;
    }
    term[count] = '\0';
    return true;
}

static bool parse_equation(const char *text, struct einsum *einsum)
{
    return parse_term(&text, einsum->terms[0]) && *text++ == ',' && parse_term(&text, einsum->terms[1]) &&
           *text++ == '-' && *text++ == '>' && parse_term(&text, einsum->terms[2]) && *text == '\0';
}

static bool has(const char *term, char letter)
{
    return strchr(term, letter) != NULL;
}

/* Appends the letters of a term that are (or are not) in the two others. */
static void pick(const char *term, const char *other, bool in_other, const char *result, bool in_result,
                 char *letters)
{
    size_t count = strlen(letters);
    for (; *term != '\0'; term++) {
        if (has(other, *term) == in_other && has(result, *term) == in_result) {
            letters[count++] = *term;
        }
    }
    letters[count] = '\0';
}

/* Letters one after another, with room for three strings of them. */
static void join(char order[6 * LETTERS], const char *first, const char *second, const char *third)
{
    snprintf(order, 6 * LETTERS, "%s%s%s", first, second, third);
}

static int64_t product_of(const struct einsum *einsum, const char *letters)
{
    int64_t product = 1;
    for (; *letters != '\0'; letters++) {
        product *= einsum->sizes[*letters - 'a'];
    }
    return product;
}

/* The operand with its letters in another order, as a stack of matrices. */
static bool arrange(struct onnx_import *import, const char *term, const char *order,
                    const struct stability_shape *shape, const char *role, struct onnx_flow *x)
{
    int dimensions[STABILITY_MAX_RANK];
    for (int d = 0; order[d] != '\0'; d++) {
        dimensions[d] = (int)(strchr(term, order[d]) - term);
    }
    return onnx_permute(import, role, x, dimensions, x) && onnx_reshape(import, role, x, shape, x);
}

static bool read_sizes(struct onnx_import *import, const struct onnx_flow *x, const char *term,
                       struct einsum *einsum)
{
    if (strlen(term) != (size_t)x->shape.rank) {
        return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH, "'%s' does not fit %d dimensions", term,
                         x->shape.rank);
    }
    for (int d = 0; d < x->shape.rank; d++) {
        int64_t *size = &einsum->sizes[term[d] - 'a'];
        if (*size >= 0 && *size != x->shape.sizes[d]) {
            return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH, "'%c' has two sizes", term[d]);
        }
        *size = x->shape.sizes[d];
    }
    return true;
}

static bool multiply(struct onnx_import *import, const struct einsum *einsum, struct onnx_flow *a,
                     struct onnx_flow *b, struct onnx_flow *y)
{
    const char *left = einsum->terms[0], *right = einsum->terms[1], *result = einsum->terms[2];
    char batch[2 * LETTERS] = "", summed[2 * LETTERS] = "", rows[2 * LETTERS] = "", columns[2 * LETTERS] = "";
    char order_a[6 * LETTERS], order_b[6 * LETTERS], order[6 * LETTERS];
    pick(left, right, true, result, true, batch);
    pick(left, right, true, result, false, summed);
    pick(left, right, false, result, true, rows);
    pick(right, left, false, result, true, columns);
    join(order_a, batch, rows, summed);
    join(order_b, batch, summed, columns);
    join(order, batch, rows, columns);
    if (strlen(order_a) != strlen(left) || strlen(order_b) != strlen(right) ||
        strlen(order) != strlen(result)) {
        return onnx_refuse(import, "its equation sums over a letter of one operand alone");
    }
    int64_t b0 = product_of(einsum, batch), m = product_of(einsum, rows), k = product_of(einsum, summed);
    int64_t n = product_of(einsum, columns);
    struct stability_shape shape = {.rank = (int)strlen(order)};
    int back[STABILITY_MAX_RANK] = {0};
    for (int d = 0; d < shape.rank; d++) {
        shape.sizes[d] = einsum->sizes[order[d] - 'a'];
        back[d] = (int)(strchr(order, result[d]) - order);
    }
    return arrange(import, left, order_a, &(struct stability_shape){3, {b0, m, k}}, "left", a) &&
           arrange(import, right, order_b, &(struct stability_shape){3, {b0, k, n}}, "right", b) &&
           onnx_binary(import, "MatMul", NULL, a, b, y) && onnx_reshape(import, "shape", y, &shape, y) &&
           onnx_permute(import, "order", y, back, y);
}

bool onnx_einsum(struct onnx_import *import)
{
    const char *equation = "";
    struct einsum einsum = {0};
    struct onnx_flow a, b, y;
    memset(einsum.sizes, -1, sizeof einsum.sizes);
    if (!onnx_text(import, "equation", &equation)) {
        return false;
    }
    if (import->node->input_count != 2 || !parse_equation(equation, &einsum)) {
        return onnx_refuse(import, "the equation '%.64s' is not one of two operands in lower-case letters",
                           equation);
    }
    return onnx_operand_at(import, 0, &a) && onnx_operand_at(import, 1, &b) &&
           read_sizes(import, &a, einsum.terms[0], &einsum) &&
           read_sizes(import, &b, einsum.terms[1], &einsum) &&
           onnx_finish(import, multiply(import, &einsum, &a, &b, &y), &y);
}
