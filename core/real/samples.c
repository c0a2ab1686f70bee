#include "core/real/passes.h"

#include <string.h>

void VARIANT(add_spread)(const void *data, const struct sample_vectors *v, double *around_mean,
                         double *around_zero)
{
    enum { CHUNK = 64 };
    const real *first = (const real *)data + v->start;
    for (int64_t from = 0; from < v->length; from += CHUNK, first += CHUNK * v->stride) {
        int64_t length = v->length - from < CHUNK ? v->length - from : CHUNK;
        double sums[CHUNK] = {0}, squares[CHUNK] = {0}, whole[CHUNK] = {0};
        for (int64_t i = 0; i < v->count; i++) {
            const real *vector = first + i * v->step;
            for (int64_t k = 0; k < length; k++) {
                double x = (double)vector[k * v->stride], distance = x - (double)first[k * v->stride];
                sums[k] += distance;
                squares[k] += distance * distance;
                whole[k] += x * x;
            }
        }
        for (int64_t k = 0; k < length; k++) {
            double centred = squares[k] - sums[k] * sums[k] / (double)v->count;
            *around_mean += centred > 0 ? centred : 0;
            *around_zero += whole[k];
        }
    }
}

void VARIANT(add_squares)(const void *data, int64_t count, int64_t stride, double *sums)
{
    const real *x = data;
    for (int64_t i = 0; i < count; i++)
        sums[i] += (double)x[i * stride] * (double)x[i * stride];
}

/* Σ a b over a chunk that is filled up with zeros. */
enum { GRAM_CHUNK = 64, GRAM_LANES = 8 };

static double dot(const double a[GRAM_CHUNK], const double b[GRAM_CHUNK])
{
    double lanes[GRAM_LANES] = {0};
    for (int k = 0; k < GRAM_CHUNK; k += GRAM_LANES)
        for (int lane = 0; lane < GRAM_LANES; lane++)
            lanes[lane] += a[k + lane] * b[k + lane];
    return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

void VARIANT(add_gram)(const void *data, const struct sample_vectors *v,
                       double products[SAMPLE_VECTORS][SAMPLE_VECTORS])
{
    double chunk[SAMPLE_VECTORS][GRAM_CHUNK];
    for (int64_t from = 0; from < v->length; from += GRAM_CHUNK) {
        int64_t length = v->length - from < GRAM_CHUNK ? v->length - from : GRAM_CHUNK;
        const real *first = (const real *)data + v->start + from * v->stride;
        if (length < GRAM_CHUNK)
            memset(chunk, 0, sizeof chunk);
        for (int64_t i = 0; i < v->count; i++)
            for (int64_t k = 0; k < length; k++)
                chunk[i][k] = (double)first[i * v->step + k * v->stride];
        for (int64_t i = 0; i < v->count; i++)
            for (int64_t k = 0; k <= i; k++)
                products[i][k] += dot(chunk[i], chunk[k]);
    }
}
