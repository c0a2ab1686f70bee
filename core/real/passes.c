#include "core/real/passes.h"

void VARIANT(add)(void *destination, const void *source, int64_t count)
{
    real *to = destination;
    const real *from = source;
    for (int64_t i = 0; i < count; i++)
        to[i] += from[i];
}

double VARIANT(norm_of_slice)(const void *data, int64_t outer, int64_t steps, int64_t inner, int64_t step)
{
    double sum = 0;
    for (int64_t o = 0; o < outer; o++) {
        const real *slice = (const real *)data + (o * steps + step) * inner;
        for (int64_t i = 0; i < inner; i++)
            sum += (double)slice[i] * (double)slice[i];
    }
    return sqrt(sum);
}

int64_t VARIANT(first_non_finite)(const void *data, int64_t count, double *value)
{
    const real *x = data;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(x[i])) {
            *value = (double)x[i];
            return i;
        }
    }
    return -1;
}

enum { CHUNK = 1024 };

/* The derivatives of up to CHUNK elements from `start`: the backward pass applied to ones. */
static void derivatives(const struct layer_ops *ops, const struct layer_pass *pass, int64_t start,
                        int64_t count, real *result)
{
    static const struct stability_shape no_shape = {0};
    real ones[CHUNK];
    for (int64_t i = 0; i < count; i++)
        ones[i] = 1;
    struct tensor input = {(real *)pass->inputs[0].data + start, no_shape, count};
    struct tensor output = {(real *)pass->outputs[0].data + start, no_shape, count};
    struct tensor output_gradient = {ones, no_shape, count};
    struct tensor input_gradient = {result, no_shape, count};
    struct layer_pass chunk = *pass;
    chunk.inputs = &input;
    chunk.outputs = &output;
    chunk.output_gradients = &output_gradient;
    chunk.input_gradients = &input_gradient;
    ops->backward(&chunk);
}

int64_t VARIANT(activation_derivatives)(const struct layer_ops *ops, const struct layer_pass *pass,
                                        int64_t units, int64_t inner, double threshold, bool *unit_alive)
{
    real derivative[CHUNK];
    int64_t below = 0;
    int64_t total = pass->outputs[0].count;
    for (int64_t start = 0; start < total; start += CHUNK) {
        int64_t count = total - start < CHUNK ? total - start : CHUNK;
        derivatives(ops, pass, start, count, derivative);
        int64_t unit = start / inner % units;
        int64_t left = inner - start % inner;
        for (int64_t i = 0; i < count; i++) {
            below += fabs((double)derivative[i]) < threshold;
            unit_alive[unit] |= derivative[i] != 0;
            if (--left == 0) {
                left = inner;
                unit = unit + 1 == units ? 0 : unit + 1;
            }
        }
    }
    return below;
}
