/* How fast matrices of 512 by 512 are multiplied in float32: by OpenBLAS, and by the kernels for this
 * processor. Each figure is the best of several runs. */
#include "core/kernels.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RUNS = 15, SIZE = 512 };

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static float *numbers(void)
{
    float *values = malloc(sizeof(float) * SIZE * SIZE);
    if (!values)
        exit(1);
    for (int i = 0; i < SIZE * SIZE; i++)
        values[i] = (float)(i % 97) / 97 - 0.5f;
    return values;
}

int main(void)
{
    float *x = numbers(), *weight = numbers(), *y = numbers();
    const struct stability_shape shape = {2, {SIZE, SIZE}};
    const struct tensor inputs[] = {{x, shape, SIZE * SIZE}, {weight, shape, SIZE * SIZE}};
    const struct tensor output = {y, shape, SIZE * SIZE};
    const struct layer_pass pass = {.input_count = 2, .inputs = inputs, .outputs = &output};
    const struct layer_ops *product =
        kernels_for(STABILITY_PRECISION_FLOAT32)->layers[kernels_find_layer("MatMul")];
    double library = INFINITY, kernels = INFINITY, count = 2.0 * SIZE * SIZE * SIZE;
    openblas_set_num_threads(1);
    for (int run = 0; run < RUNS; run++) {
        double start = seconds();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIZE, SIZE, SIZE, 1, x, SIZE, weight, SIZE, 0,
                    y, SIZE);
        double middle = seconds();
        product->forward(&pass);
        library = fmin(library, middle - start);
        kernels = fmin(kernels, seconds() - middle);
    }
    printf("OpenBLAS (%s)  %6.1f GFLOP/s\n", openblas_get_corename(), 1e-9 * count / library);
    printf("kernels            %6.1f GFLOP/s\n", 1e-9 * count / kernels);
    free(x);
    free(weight);
    free(y);
    return 0;
}
