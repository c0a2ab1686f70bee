/* How fast statistics are taken, against summing the same numbers: each figure is the best of several runs,
 * from memory (128 MiB) and from the second cache (400 KB). */
#include "core/kernels.h"
#include "core/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RUNS = 9, LARGE = 1 << 25, SMALL = 100000 };

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double gigabytes_per_second(statistics_function *statistics, const float *values, int64_t count)
{
    struct stability_statistics result;
    double best = INFINITY;
    for (int run = 0; run < RUNS; run++) {
        double start = seconds();
        statistics(values, count, &result);
        best = fmin(best, seconds() - start);
    }
    return (double)count * sizeof(float) / best * 1e-9;
}

static double normal(double x, int64_t i)
{
    (void)i;
    return x;
}

static double rectified(double x, int64_t i)
{
    (void)i;
    return fmax(x, 0);
}

static double far_from_zero(double x, int64_t i)
{
    (void)i;
    return 1000 + x;
}

static double wide(double x, int64_t i)
{
    (void)i;
    return exp(5 * x);
}

static double widest(double x, int64_t i)
{
    (void)i;
    return exp(20 * x);
}

static double with_nan(double x, int64_t i)
{
    return i % 1000 == 7 ? NAN : x;
}

/* A loop that only reads: the sum of the bits. */
static void sum_bits(const void *data, int64_t count, struct stability_statistics *statistics)
{
    const uint32_t *bits = data;
    uint32_t sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += bits[i];
    statistics->zero_count = sum;
}

int main(void)
{
    static const struct {
        const char *name;
        double (*value)(double, int64_t);
    } kinds[] = {
        {"normal", normal}, {"rectified", rectified}, {"mean 1000", far_from_zero},
        {"exp(5 x)", wide}, {"exp(20 x)", widest},    {"a NaN in 1000", with_nan},
    };
    double *draws = malloc(LARGE * sizeof *draws);
    float *values = malloc(LARGE * sizeof *values);
    if (!draws || !values) {
        free(draws);
        free(values);
        return 1;
    }
    random_normal(random_stream(0, "bench"), 0, LARGE, draws);
    statistics_function *statistics = kernels_for(STABILITY_PRECISION_FLOAT32)->statistics;
    printf("%-15s %10s %10s  GB/s, float32\n", "", "memory", "cache");
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        for (int64_t i = 0; i < LARGE; i++)
            values[i] = (float)kinds[k].value(draws[i], i);
        printf("%-15s %10.1f %10.1f\n", kinds[k].name, gigabytes_per_second(statistics, values, LARGE),
               gigabytes_per_second(statistics, values, SMALL));
    }
    printf("%-15s %10.1f %10.1f\n", "reading alone", gigabytes_per_second(sum_bits, values, LARGE),
           gigabytes_per_second(sum_bits, values, SMALL));
    free(draws);
    free(values);
    return 0;
}
