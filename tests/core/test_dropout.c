/* Layers with a dropout inside, while it is active: the backward pass draws the forward pass's mask again.
 * Each golden case of theirs runs with a dropout of 3/8, and each gradient's derivative along a direction is
 * compared with central differences in float64, all with the same seed. */
#include "support.h"

#include "kernel_case.h"

#include <math.h>
#include <string.h>

enum { MOST_ATTRIBUTES = 16, MOST_ELEMENTS = 4096 };

/* A golden case in train mode, with an attribute set. */
struct dropping {
    struct golden_case golden;
    struct stability_member attributes[MOST_ATTRIBUTES];
};

static void set_dropout(struct dropping *dropping, const struct golden_case *golden, const char *attribute,
                        double p)
{
    size_t count = 0;
    for (size_t i = 0; i < golden->attributes.count; i++)
        if (strcmp(golden->attributes.items[i].name, attribute) != 0)
            dropping->attributes[count++] = golden->attributes.items[i];
    assert_true(count < MOST_ATTRIBUTES);
    dropping->attributes[count++] = (struct stability_member){attribute, {.kind = STABILITY_REAL, .real = p}};
    dropping->golden = *golden;
    dropping->golden.evaluate = false;
    dropping->golden.attributes = (struct stability_members){count, dropping->attributes};
}

static double objective(struct kernel_case *kernel)
{
    double sum = 0;
    kernel_case_forward(kernel);
    for (int k = 0; k < kernel->node->output_count; k++) {
        const double *y = kernel->outputs[k].data, *dy = kernel->output_gradients[k].data;
        for (int64_t i = 0; dy && i < kernel->outputs[k].count; i++)
            sum += dy[i] * y[i];
    }
    return sum;
}

/* The i-th of a fixed series of numbers in [-1, 1). */
static double direction(int64_t i)
{
    return (double)(i * 7919 % 2000) / 1000 - 1;
}

static double objective_along(struct kernel_case *kernel, const struct tensor *x, const double *from,
                              double step)
{
    for (int64_t i = 0; i < x->count; i++)
        ((double *)x->data)[i] = from[i] + step * direction(i);
    return objective(kernel);
}

static void check_tensor(struct kernel_case *kernel, const struct tensor *x, const double *gradient,
                         const char *name)
{
    static double from[MOST_ELEMENTS];
    const double h = 0x1p-18;
    double expected = 0, magnitude = 0;
    assert_true(x->count <= MOST_ELEMENTS);
    memcpy(from, x->data, (size_t)x->count * sizeof(double));
    for (int64_t i = 0; i < x->count; i++) {
        expected += gradient[i] * direction(i);
        magnitude += fabs(gradient[i] * direction(i));
    }
    uint64_t sides = kernel_case_switches(kernel);
    double above = objective_along(kernel, x, from, h);
    bool crossed = kernel_case_switches(kernel) != sides;
    double below = objective_along(kernel, x, from, -h);
    crossed |= kernel_case_switches(kernel) != sides;
    objective_along(kernel, x, from, 0);
    double difference = (above - below) / (2 * h);
    if (!crossed && !(fabs(difference - expected) <= 1e-6 * (magnitude + 1)))
        fail_msg("case %s, gradient of '%s': %.12g where the difference is %.12g", kernel->golden->name, name,
                 expected, difference);
}

static void check_case(const struct golden_file *file, const struct golden_case *golden)
{
    struct kernel_case derived, kernel;
    kernel_case_open(&derived, file, golden, STABILITY_PRECISION_FLOAT64);
    kernel_case_open(&kernel, file, golden, STABILITY_PRECISION_FLOAT64);
    kernel_case_forward(&derived);
    kernel_case_backward(&derived);
    kernel_case_forward(&kernel);
    for (int k = 0; k < kernel_case_input_count(&kernel); k++)
        if (derived.input_gradients[k].data)
            check_tensor(&kernel, &kernel.inputs[k], derived.input_gradients[k].data, "input");
    for (int k = 0; k < kernel.node->parameter_count; k++)
        if (derived.parameter_gradients[k].data)
            check_tensor(&kernel, &kernel.parameters[k], derived.parameter_gradients[k].data,
                         kernel.node->parameters[k].name);
    kernel_case_close(&kernel);
    kernel_case_close(&derived);
}

/* A case that drops something, whatever the seed: its first output under a seed. */
static void run_case(const struct golden_file *file, const struct golden_case *golden, uint64_t seed,
                     double *output, int64_t *count)
{
    struct kernel_case kernel;
    kernel_case_open(&kernel, file, golden, STABILITY_PRECISION_FLOAT64);
    kernel.pass.seed = seed;
    kernel_case_forward(&kernel);
    *count = kernel.outputs[0].count;
    assert_true(*count <= MOST_ELEMENTS);
    memcpy(output, kernel.outputs[0].data, (size_t)*count * sizeof(double));
    kernel_case_close(&kernel);
}

struct subject {
    const char *type;
    const char *attribute;
    const char *deep; /* a case that certainly drops */
};

static const struct golden_case *find_case(const struct golden_file *file, const char *name)
{
    for (size_t i = 0; i < file->case_count; i++)
        if (strcmp(file->cases[i].name, name) == 0)
            return &file->cases[i];
    fail_msg("%s has no case %s", file->type, name);
    return NULL;
}

static void gradients_are_derivatives(void **state)
{
    const struct subject *subject = *state;
    struct golden_file file;
    golden_read(&file, false, subject->type);
    for (size_t i = 0; i < file.case_count; i++) {
        struct dropping dropping;
        set_dropout(&dropping, &file.cases[i], subject->attribute, 0.375);
        check_case(&file, &dropping.golden);
    }
    golden_free(&file);
}

static void masks_follow_the_seed(void **state)
{
    static double first[MOST_ELEMENTS], again[MOST_ELEMENTS], other[MOST_ELEMENTS];
    const struct subject *subject = *state;
    struct golden_file file;
    struct dropping dropping;
    int64_t count;
    golden_read(&file, false, subject->type);
    set_dropout(&dropping, find_case(&file, subject->deep), subject->attribute, 0.375);
    run_case(&file, &dropping.golden, 1, first, &count);
    run_case(&file, &dropping.golden, 1, again, &count);
    run_case(&file, &dropping.golden, 2, other, &count);
    assert_memory_equal(first, again, (size_t)count * sizeof(double));
    assert_memory_not_equal(first, other, (size_t)count * sizeof(double));
    golden_free(&file);
}

/* With p = 1 all is dropped, and nothing is NaN. */
static void all_may_be_dropped(void **state)
{
    static double output[MOST_ELEMENTS];
    const struct subject *subject = *state;
    struct golden_file file;
    struct dropping dropping;
    int64_t count;
    golden_read(&file, false, subject->type);
    set_dropout(&dropping, find_case(&file, subject->deep), subject->attribute, 1);
    run_case(&file, &dropping.golden, 1, output, &count);
    for (int64_t i = 0; i < count; i++)
        assert_true(isfinite(output[i]));
    golden_free(&file);
}

#define SUBJECT_TESTS(subject)                                                                           \
    {#subject ": gradients are derivatives", gradients_are_derivatives, NULL, NULL, (void *)&(subject)}, \
        {#subject ": masks follow the seed", masks_follow_the_seed, NULL, NULL, (void *)&(subject)},     \
    {                                                                                                    \
#subject ": all may be dropped", all_may_be_dropped, NULL, NULL, (void *)&(subject)              \
    }

int main(void)
{
    static struct subject rnn = {"RNN", "dropout", "deep"};
    static struct subject lstm = {"LSTM", "dropout", "deep"};
    static struct subject gru = {"GRU", "dropout", "deep_batch_first_no_bias"};
    static struct subject attention = {"MultiheadAttention", "dropout", "add_both_causal"};
    static struct subject encoder = {"TransformerEncoderLayer", "dropout", "everything"};
    const struct CMUnitTest tests[] = {
        SUBJECT_TESTS(rnn),       SUBJECT_TESTS(lstm),    SUBJECT_TESTS(gru),
        SUBJECT_TESTS(attention), SUBJECT_TESTS(encoder),
    };
    return cmocka_run_group_tests_name("dropout", tests, NULL, NULL);
}
