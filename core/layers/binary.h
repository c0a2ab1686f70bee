/* Operations on two inputs that are broadcast together. A file of such a type gives inline functions of one
 * pair of elements; these loops take them in, so that each becomes vectorised loops over rows. */
#ifndef LAYERS_BINARY_H
#define LAYERS_BINARY_H

#include "core/layers/broadcast.h"
#include "core/layers/explain.h"

/* The output's shape, and room for the sums over broadcast dimensions. */
static inline bool binary_shape(struct layer_shapes *shapes)
{
    if (!layer_shape_broadcast(shapes))
        return false;
    int64_t most = 0;
    for (int k = 0; k < 2; k++) {
        int64_t count = stability_shape_count(&shapes->inputs[k]);
        if (!stability_shape_equal(&shapes->inputs[k], &shapes->outputs[0]) && count > most)
            most = count;
    }
    broadcast_add_sums(shapes, &shapes->workspace, most);
    return true;
}

/* y = value(a, b) */
__attribute__((always_inline)) static inline void binary_forward(const struct layer_pass *pass,
                                                                 real (*value)(real a, real b))
{
    struct broadcast walk;
    for (bool more =
             broadcast_first(&walk, &pass->outputs[0].shape, &pass->inputs[0].shape, &pass->inputs[1].shape);
         more; more = broadcast_next(&walk)) {
        const real *a = (const real *)pass->inputs[0].data + walk.operand[0];
        const real *b = (const real *)pass->inputs[1].data + walk.operand[1];
        real *y = (real *)pass->outputs[0].data + walk.whole;
        if (walk.step[0] == 0)
            for (int64_t i = 0; i < walk.row; i++)
                y[i] = value(*a, b[i]);
        else if (walk.step[1] == 0)
            for (int64_t i = 0; i < walk.row; i++)
                y[i] = value(a[i], *b);
        else
            for (int64_t i = 0; i < walk.row; i++)
                y[i] = value(a[i], b[i]);
    }
}

/* The gradients of one row's elements, by those of the outputs. */
__attribute__((always_inline)) static inline void binary_row(const struct broadcast *walk, const real *a,
                                                             const real *b, const real *dy, int64_t count,
                                                             real (*gradient)(real a, real b, real dy),
                                                             real *result)
{
    if (walk->step[0] == 0)
        for (int64_t i = 0; i < count; i++)
            result[i] = gradient(*a, b[i], dy[i]);
    else if (walk->step[1] == 0)
        for (int64_t i = 0; i < count; i++)
            result[i] = gradient(a[i], *b, dy[i]);
    else
        for (int64_t i = 0; i < count; i++)
            result[i] = gradient(a[i], b[i], dy[i]);
}

/* The gradient of input k: gradient(a, b, dy), summed where the input is broadcast. Nothing where it is not
 * wanted. */
__attribute__((always_inline)) static inline void binary_backward(const struct layer_pass *pass, int k,
                                                                  real (*gradient)(real a, real b, real dy))
{
    enum { CHUNK = 512 };
    real chunk[CHUNK];
    const struct tensor *input = &pass->inputs[k];
    const struct stability_shape *shape = &pass->output_gradients[0].shape;
    real *dx = pass->input_gradients[k].data;
    if (!dx)
        return;
    bool sums_up = !stability_shape_equal(&input->shape, shape);
    double *sums = pass->workspace;
    for (int64_t i = 0; sums_up && i < input->count; i++)
        sums[i] = 0;
    struct broadcast walk;
    for (bool more = broadcast_first(&walk, shape, &pass->inputs[0].shape, &pass->inputs[1].shape); more;
         more = broadcast_next(&walk)) {
        const real *a = (const real *)pass->inputs[0].data + walk.operand[0];
        const real *b = (const real *)pass->inputs[1].data + walk.operand[1];
        const real *dy = (const real *)pass->output_gradients[0].data + walk.whole;
        if (!sums_up) {
            binary_row(&walk, a, b, dy, walk.row, gradient, dx + walk.whole);
            continue;
        }
        for (int64_t i = 0; i < walk.row; i += CHUNK) {
            int64_t count = walk.row - i < CHUNK ? walk.row - i : CHUNK;
            binary_row(&walk, a + i * walk.step[0], b + i * walk.step[1], dy + i, count, gradient, chunk);
            broadcast_accumulate(sums + walk.operand[k] + i * walk.step[k], walk.step[k], chunk, count);
        }
    }
    for (int64_t i = 0; sums_up && i < input->count; i++)
        dx[i] = (real)sums[i];
}

/* Adds the pair that element `element` of the output is made of to an explanation. */
static inline void binary_operands(const struct layer_pass *pass, int64_t element, struct layer_cause *cause,
                                   double *a, double *b)
{
    const struct tensor *inputs = pass->inputs;
    const struct stability_shape *shape = &pass->outputs[0].shape;
    *a = explain_operand(cause, "input 0", &inputs[0], broadcast_offset(shape, &inputs[0].shape, element));
    *b = explain_operand(cause, "input 1", &inputs[1], broadcast_offset(shape, &inputs[1].shape, element));
}

/* Where the gradient of input k is the product of the output's gradient and the other input, element by
 * element or summed where the input is broadcast. */
static inline bool binary_explain_product(const struct layer_pass *pass, const struct layer_place *place,
                                          struct layer_cause *cause)
{
    int k = place->tensor;
    const struct tensor *other = &pass->inputs[1 - k], *dy = &pass->output_gradients[0];
    if (pass->inputs[k].count != dy->count)
        return explain_extremes(cause, OUTPUT_GRADIENT, dy, k ? "input 0" : "input 1", other);
    double gradient = explain_operand(cause, OUTPUT_GRADIENT, dy, place->element);
    double factor = explain_operand(cause, k ? "input 0" : "input 1", other,
                                    broadcast_offset(&dy->shape, &other->shape, place->element));
    if (isnan(gradient * factor))
        return explain_say(cause, "%g * %g", gradient, factor);
    return explain_say(cause, "%.6g, the gradient that arrives, * %.6g overflows " REAL_NAME, gradient,
                       factor);
}

#endif
