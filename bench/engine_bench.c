/* What a diagnosis costs beside its matrix products: a 784-512x4-10 MLP with ReLU, batch 128, float32. Prints
 * the medians of both, their ratio, and the memory at its peak beside what the plan said.
 *
 *     engine_bench [runs] */
#include <stability/stability.h>

#include <cblas.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEPTH = 5, BATCH = 128, MOST_RUNS = 1000 };
static const int64_t widths[DEPTH + 1] = {784, 512, 512, 512, 512, 10};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times, int count)
{
    qsort(times, (size_t)count, sizeof(*times), compare);
    return times[count / 2];
}

static float *random_floats(int64_t count, float scale)
{
    float *values = malloc((size_t)count * sizeof(*values));
    if (!values)
        exit(1);
    for (int64_t i = 0; i < count; i++)
        values[i] = scale * ((float)rand() / (float)RAND_MAX - 0.5f);
    return values;
}

struct network {
    float *weights[DEPTH];
    float *biases[DEPTH];
    float *activations[DEPTH + 1];
    float *gradients[DEPTH + 1];
    float *weight_gradients[DEPTH];
    int64_t target[BATCH];
};

static void fill(struct network *n)
{
    for (int i = 0; i < DEPTH; i++) {
        n->weights[i] = random_floats(widths[i] * widths[i + 1], 0.1f);
        n->weight_gradients[i] = random_floats(widths[i] * widths[i + 1], 1);
        n->biases[i] = random_floats(widths[i + 1], 0.1f);
    }
    for (int i = 0; i <= DEPTH; i++) {
        n->activations[i] = random_floats(BATCH * widths[i], 1);
        n->gradients[i] = random_floats(BATCH * widths[i], 1);
    }
    for (int i = 0; i < BATCH; i++)
        n->target[i] = i % 10;
}

/* y = x W^T, dW = dy^T x and, from the second layer on, dx = dy W. */
static void products(struct network *n)
{
    for (int i = 0; i < DEPTH; i++)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, BATCH, (int)widths[i + 1], (int)widths[i], 1,
                    n->activations[i], (int)widths[i], n->weights[i], (int)widths[i], 0,
                    n->activations[i + 1], (int)widths[i + 1]);
    for (int i = DEPTH - 1; i >= 0; i--) {
        if (i > 0)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, BATCH, (int)widths[i], (int)widths[i + 1],
                        1, n->gradients[i + 1], (int)widths[i + 1], n->weights[i], (int)widths[i], 0,
                        n->gradients[i], (int)widths[i]);
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)widths[i + 1], (int)widths[i], BATCH, 1,
                    n->gradients[i + 1], (int)widths[i + 1], n->activations[i], (int)widths[i], 0,
                    n->weight_gradients[i], (int)widths[i]);
    }
}

static struct stability_named_tensor tensor(const char *name, enum stability_dtype dtype, const void *data,
                                            int rank, int64_t first, int64_t second)
{
    return (struct stability_named_tensor){.name = name, .tensor = {dtype, {rank, {first, second}}, data}};
}

static void run(const struct stability_request *request, int64_t *planned)
{
    struct stability_error error = {0};
    struct stability_plan *plan = stability_plan_new(request, &error);
    struct stability_report *report = plan ? stability_diagnose(plan, &error) : NULL;
    if (!report) {
        fprintf(stderr, "engine_bench: %s\n", error.message);
        exit(1);
    }
    *planned = stability_plan_bytes(plan);
    stability_report_free(report);
    stability_plan_free(plan);
}

/* A number of /proc/self/status, in kilobytes: VmRSS is in memory now, VmHWM was at most. (What getrusage
 * tells begins with what the parent had.) */
static long status_kilobytes(const char *name)
{
    char line[128];
    long kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, name, strlen(name)) == 0)
            kilobytes = strtol(line + strlen(name), NULL, 10);
    if (file)
        fclose(file);
    return kilobytes;
}

int main(int count, char **arguments)
{
    static char names[DEPTH][4][16];
    static struct network network;
    struct stability_layer layers[2 * DEPTH] = {0};
    struct stability_member sizes[DEPTH][2];
    struct stability_named_tensor weights[2 * DEPTH], data[2];
    struct stability_error error = {0};
    mallopt(M_MMAP_THRESHOLD, 32 << 20); /* as the server does */
    mallopt(M_TRIM_THRESHOLD, 32 << 20);
    int runs = count > 1 ? (int)strtol(arguments[1], NULL, 10) : 101;
    if (runs < 1 || runs > MOST_RUNS || !stability_initialize(&error))
        return 2;
    fill(&network);
    for (int i = 0; i < DEPTH; i++) {
        snprintf(names[i][0], 16, "fc%d", i);
        snprintf(names[i][1], 16, "act%d", i);
        snprintf(names[i][2], 16, "fc%d.weight", i);
        snprintf(names[i][3], 16, "fc%d.bias", i);
        sizes[i][0] = (struct stability_member){"in_features", {STABILITY_INTEGER, {.integer = widths[i]}}};
        sizes[i][1] =
            (struct stability_member){"out_features", {STABILITY_INTEGER, {.integer = widths[i + 1]}}};
        layers[2 * i] =
            (struct stability_layer){.name = names[i][0], .type = "Linear", .attributes = {2, sizes[i]}};
        layers[2 * i + 1] = (struct stability_layer){.name = names[i][1], .type = "ReLU"};
        weights[2 * i] =
            tensor(names[i][2], STABILITY_FLOAT32, network.weights[i], 2, widths[i + 1], widths[i]);
        weights[2 * i + 1] = tensor(names[i][3], STABILITY_FLOAT32, network.biases[i], 1, widths[i + 1], 0);
    }
    data[0] = tensor("input", STABILITY_FLOAT32, network.activations[0], 2, BATCH, widths[0]);
    data[1] = tensor("target", STABILITY_INT64, network.target, 1, BATCH, 0);
    struct stability_request request = {
        .model = {.layer_count = 2 * DEPTH - 1, .layers = layers, .loss = {.type = "CrossEntropyLoss"}},
        .weights = {2 * DEPTH, weights},
        .data = {2, data},
        .options = stability_default_options,
    };
    static double diagnoses[MOST_RUNS], matrices[MOST_RUNS], ratios[MOST_RUNS];
    int64_t planned = 0;
    products(&network);
    run(&request, &planned); /* brings the program's own pages into memory */
    malloc_trim(0);
    long before = status_kilobytes("VmRSS:");
    for (int i = 0; i < runs; i++) { /* in turn, so that both see the same machine */
        double start = seconds();
        run(&request, &planned);
        double middle = seconds();
        products(&network);
        diagnoses[i] = middle - start;
        matrices[i] = seconds() - middle;
        ratios[i] = diagnoses[i] / matrices[i];
    }
    printf("diagnosis        %8.3f ms\n", 1e3 * median(diagnoses, runs));
    printf("matrix products  %8.3f ms\n", 1e3 * median(matrices, runs));
    printf("ratio            %8.3f\n", median(ratios, runs));
    printf("planned memory   %8.2f MB\n", 1e-6 * (double)planned);
    printf("peak memory      %8.2f MB more than between two runs\n",
           1e-3 * (double)(status_kilobytes("VmHWM:") - before));
    return 0;
}
