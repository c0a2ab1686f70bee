/* What every activation says of its derivative, against the derivative itself on a grid. */
#include "support.h"

#include "kernel_case.h"

#include <stability/registry.h>

#include <math.h>
#include <stdlib.h>

enum { STEPS = 64, REACH = 60, COUNT = 2 * REACH * STEPS + 1 };

/* At 0, where a kink may be, and on both sides of it. */
static double grid(int i)
{
    return (double)(i - REACH * STEPS) / STEPS;
}

/* The derivative of a type, with the attributes of its first case, at every point of the grid. */
static void differentiate(const char *type, double derivative[COUNT])
{
    static double x[COUNT], ones[COUNT];
    for (int i = 0; i < COUNT; i++) {
        x[i] = grid(i);
        ones[i] = 1;
    }
    struct golden_file file;
    golden_read(&file, false, type);
    const struct stability_shape shape = {2, {COUNT, 1}};
    const struct golden_record records[] = {
        {GOLDEN_INPUT, "0", {STABILITY_FLOAT64, shape, x}},
        {GOLDEN_OUTPUT_GRADIENT, "-", {STABILITY_FLOAT64, shape, ones}},
    };
    struct golden_case golden = file.cases[0];
    golden.record_count = 2;
    golden.records = records;
    struct kernel_case kernel;
    kernel_case_open(&kernel, &file, &golden, STABILITY_PRECISION_FLOAT64);
    kernel_case_forward(&kernel);
    kernel_case_backward(&kernel);
    for (int i = 0; i < COUNT; i++)
        derivative[i] = ((const double *)kernel.input_gradients[0].data)[i];
    kernel_case_close(&kernel);
    golden_free(&file);
}

/* Whether the derivative is 0 from `low` to `high`. */
static bool is_flat(const double *derivative, double low, double high)
{
    for (int i = 0; i < COUNT; i++)
        if (grid(i) >= low && grid(i) <= high && derivative[i] != 0)
            return false;
    return true;
}

static void says_how_it_fails(void **state)
{
    const struct layer_ops *ops = *state;
    static double derivative[COUNT];
    differentiate(ops->type.type, derivative);
    double greatest = 0;
    for (int i = 0; i < COUNT; i++)
        greatest = fmax(greatest, fabs(derivative[i]));
    assert_close(ops->activation->greatest_derivative, greatest, 0.01);
    /* as near to 0 as the derivative of no other is exactly 0 */
    assert_int_equal(ops->activation->dies, is_flat(derivative, -8, -6.5) || is_flat(derivative, 6.5, 8));
    bool flat_ends = fabs(derivative[0]) < greatest / 20 && fabs(derivative[COUNT - 1]) < greatest / 20;
    assert_int_equal(ops->activation->saturates, flat_ends && derivative[COUNT / 2 - 1] != 0);
}

int main(void)
{
    const struct layer_ops *const *layers = kernels_for(STABILITY_PRECISION_FLOAT64)->layers;
    struct CMUnitTest *tests = calloc(kernels_layer_count, sizeof(*tests));
    size_t count = 0;
    for (size_t i = 0; tests && i < kernels_layer_count; i++)
        if (layers[i]->activation)
            tests[count++] = (struct CMUnitTest){.name = layers[i]->type.type,
                                                 .test_func = says_how_it_fails,
                                                 .initial_state = (void *)(uintptr_t)layers[i]};
    int failures = count > 0 ? _cmocka_run_group_tests("activations", tests, count, NULL, NULL) : 1;
    free(tests);
    return failures;
}
