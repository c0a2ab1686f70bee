/* Words for how a non-finite number arose: what a type's `explain` is made of. Numbers are printed with as
 * many digits as a reader can use. */
#ifndef LAYERS_EXPLAIN_H
#define LAYERS_EXPLAIN_H

#include "core/layer.h"
#include "core/real/real.h"

#include <stdarg.h>
#include <stdio.h>

#if REAL_BITS == 32
#define REAL_NAME "float32"
#define REAL_MAX_TEXT "3.4e38"
#else
#define REAL_NAME "float64"
#define REAL_MAX_TEXT "1.8e308"
#endif

#define OUTPUT_GRADIENT "gradient of the output"

/* Element of a tensor, for printing. */
static inline double explain_element(const struct tensor *tensor, int64_t element)
{
    return (double)((const real *)tensor->data)[element];
}

/* Ends an explanation with its text; true. */
__attribute__((format(printf, 2, 3))) static inline bool explain_say(struct layer_cause *cause,
                                                                     const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(cause->text, sizeof(cause->text), format, arguments);
    va_end(arguments);
    return true;
}

/* Adds an operand to an explanation and gives its value. */
static inline double explain_operand(struct layer_cause *cause, const char *name, const struct tensor *tensor,
                                     int64_t element)
{
    double value = explain_element(tensor, element);
    if (cause->operand_count < LAYER_MAX_OPERANDS)
        cause->operands[cause->operand_count++] = (struct layer_operand){name, tensor->shape, element, value};
    return value;
}

/* One factor of the products of a sum: every `stride`th element of a tensor from `start`. */
struct explain_factor {
    const char *name;
    const struct tensor *tensor;
    int64_t start;
    int64_t stride;
};

/* What a sum of products comes to: 0 * inf in it, inf - inf, or an overflow. */
static inline bool explain_products(struct layer_cause *cause, int64_t count, const struct explain_factor *a,
                                    const struct explain_factor *b)
{
    int64_t greatest = 0;
    double most = -1, infinities = 0;
    for (int64_t i = 0; i < count; i++) {
        double product = explain_element(a->tensor, a->start + i * a->stride) *
                         explain_element(b->tensor, b->start + i * b->stride);
        bool undefined = isnan(product);
        infinities += isinf(product) ? 1 : 0;
        if (undefined || fabs(product) > most)
            greatest = i;
        most = undefined ? INFINITY : fmax(most, fabs(product));
        if (undefined)
            break;
    }
    if (count == 0)
        return false;
    double x = explain_operand(cause, a->name, a->tensor, a->start + greatest * a->stride);
    double y = explain_operand(cause, b->name, b->tensor, b->start + greatest * b->stride);
    if (isnan(x * y))
        return explain_say(cause, "%g * %g in a sum of %lld products of the %s and the %s", x, y,
                           (long long)count, a->name, b->name);
    if ((isinf(x) || isinf(y)) && infinities > 1)
        return explain_say(cause, "inf - inf in a sum of %lld products of the %s and the %s",
                           (long long)count, a->name, b->name);
    if (count == 1)
        return explain_say(
            cause, "overflow: %.6g (%s) * %.6g (%s) is beyond the largest " REAL_NAME ", " REAL_MAX_TEXT, x,
            a->name, y, b->name);
    return explain_say(cause,
                       "overflow: a sum of %lld products, the greatest %.6g (%s) * %.6g (%s), is beyond the "
                       "largest " REAL_NAME ", " REAL_MAX_TEXT,
                       (long long)count, x, a->name, y, b->name);
}

/* The same for a sum of numbers: every `stride`th element of one tensor. */
static inline bool explain_sum(struct layer_cause *cause, int64_t count, const struct explain_factor *a)
{
    double plus = -INFINITY, minus = INFINITY;
    int64_t greatest = 0;
    for (int64_t i = 0; i < count; i++) {
        double x = explain_element(a->tensor, a->start + i * a->stride);
        if (fabs(x) > fmax(plus, -minus))
            greatest = i;
        plus = fmax(plus, x);
        minus = fmin(minus, x);
    }
    if (count == 0)
        return false;
    double x = explain_operand(cause, a->name, a->tensor, a->start + greatest * a->stride);
    if (isinf(plus) && isinf(minus) && plus > minus)
        return explain_say(cause, "inf - inf in a sum of %lld numbers of the %s", (long long)count, a->name);
    return explain_say(
        cause,
        "overflow: a sum of %lld numbers of the %s, the greatest %.6g, is beyond the largest " REAL_NAME
        ", " REAL_MAX_TEXT,
        (long long)count, a->name, x);
}

/* Adds the element of the greatest magnitude of a tensor as an operand. */
static inline double explain_greatest(struct layer_cause *cause, const char *name,
                                      const struct tensor *tensor)
{
    int64_t greatest = 0;
    for (int64_t i = 1; i < tensor->count; i++)
        if (fabs(explain_element(tensor, i)) > fabs(explain_element(tensor, greatest)))
            greatest = i;
    return tensor->count ? explain_operand(cause, name, tensor, greatest) : 0;
}

/* Sums of products whose operands are not looked for one by one: told from the greatest of both tensors. */
static inline bool explain_extremes(struct layer_cause *cause, const char *name_a, const struct tensor *a,
                                    const char *name_b, const struct tensor *b)
{
    double x = explain_greatest(cause, name_a, a), y = explain_greatest(cause, name_b, b);
    if (!isfinite(x) || !isfinite(y))
        return explain_say(cause, "0 * inf or inf - inf in a sum of products of the %s and the %s", name_a,
                           name_b);
    return explain_say(cause,
                       "overflow: a sum of products of the %s, up to %.6g, and the %s, up to %.6g, is beyond "
                       "the largest " REAL_NAME ", " REAL_MAX_TEXT,
                       name_a, fabs(x), name_b, fabs(y));
}

/* As layer_ops.explain, for types whose passes are sums of products of the inputs, the gradients and their
 * first parameter, the weight; the second is a bias. */
static inline bool explain_weighted(const struct layer_pass *pass, const struct layer_place *place,
                                    struct layer_cause *cause)
{
    const struct tensor *dy = &pass->output_gradients[0], *weight = &pass->parameters[0];
    const struct tensor *x = &pass->inputs[0];
    if (!place->backward)
        return explain_extremes(cause, "input", x, "weight", weight);
    if (!place->parameter)
        return explain_extremes(cause, OUTPUT_GRADIENT, dy, "weight", weight);
    if (place->tensor == 0)
        return explain_extremes(cause, OUTPUT_GRADIENT, dy, "input", x);
    return explain_sum(cause, dy->count, &(struct explain_factor){OUTPUT_GRADIENT, dy, 0, 1});
}

#endif
