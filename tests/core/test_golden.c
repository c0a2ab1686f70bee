/* Every registered layer type and loss against PyTorch, in both precisions. */
#include "support.h"

#include "kernel_case.h"

#include <stability/registry.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct subject {
    bool is_loss;
    const char *type;
    enum stability_precision precision;
};

/* ---- comparing -------------------------------------------------------------------------------------- */

/* Of the finite elements; at least 0.01, so that what cancels to zero may leave some rounding. */
static double scale_of(const double *expected, int64_t count)
{
    double squares = 0;
    int64_t finite = 0;
    for (int64_t i = 0; i < count; i++) {
        if (isfinite(expected[i])) {
            squares += expected[i] * expected[i];
            finite++;
        }
    }
    double rms = finite ? sqrt(squares / (double)finite) : 0;
    return rms > 0.01 ? rms : 0.01;
}

static bool agrees(double actual, double expected, double tolerance, double scale)
{
    if (!isfinite(expected))
        return isnan(expected) ? isnan(actual) : actual == expected;
    double magnitude = fabs(expected) > scale ? fabs(expected) : scale;
    return fabs(actual - expected) <= tolerance * magnitude;
}

static double tolerance_of(const struct kernel_case *kernel)
{
    return kernel->graph.kernels->dtype == STABILITY_FLOAT64 ? 1e-10 : 1e-4;
}

static const char *const words[GOLDEN_KEYWORD_COUNT] = {
    [GOLDEN_OUTPUT] = "output",
    [GOLDEN_INPUT_GRADIENT] = "gradient of input",
    [GOLDEN_PARAMETER_GRADIENT] = "gradient of",
    [GOLDEN_BUFFER] = "buffer",
};

static void compare(const struct kernel_case *kernel, const struct golden_record *record,
                    const struct tensor *tensor)
{
    const char *what = words[record->keyword];
    if (!tensor)
        fail_msg("case %s: there is no %s '%s'", kernel->golden->name, what, record->name);
    char actual[STABILITY_SHAPE_TEXT], expected[STABILITY_SHAPE_TEXT];
    if (!stability_shape_equal(&tensor->shape, &record->tensor.shape))
        fail_msg("case %s, %s '%s': shape %s where PyTorch has %s", kernel->golden->name, what, record->name,
                 stability_shape_text(&tensor->shape, actual),
                 stability_shape_text(&record->tensor.shape, expected));
    const double *values = record->tensor.data;
    double scale = scale_of(values, tensor->count);
    for (int64_t i = 0; i < tensor->count; i++) {
        double element = kernel_case_element(kernel, tensor, i);
        if (!agrees(element, values[i], tolerance_of(kernel), scale))
            fail_msg("case %s, %s '%s', element %lld: %.17g where PyTorch has %.17g", kernel->golden->name,
                     what, record->name, (long long)i, element, values[i]);
    }
}

static void compare_all(const struct kernel_case *kernel, enum golden_keyword keyword)
{
    for (size_t i = 0; i < kernel->golden->record_count; i++) {
        const struct golden_record *record = &kernel->golden->records[i];
        const struct tensor *tensor =
            record->keyword == keyword ? kernel_case_tensor(kernel, keyword, record->name) : NULL;
        if (record->keyword == keyword && (!tensor || tensor->data))
            compare(kernel, record, tensor);
    }
}

static void compare_outputs(const struct kernel_case *kernel)
{
    if (!kernel_case_is_loss(kernel)) {
        compare_all(kernel, GOLDEN_OUTPUT);
        return;
    }
    const struct golden_record *record = golden_find(kernel->golden, GOLDEN_OUTPUT, "-");
    double expected = *(const double *)record->tensor.data;
    if (!agrees(kernel->loss, expected, tolerance_of(kernel), scale_of(&expected, 1)))
        fail_msg("case %s: the loss is %.17g where PyTorch has %.17g", kernel->golden->name, kernel->loss,
                 expected);
}

static void compare_gradients(const struct kernel_case *kernel)
{
    compare_all(kernel, GOLDEN_INPUT_GRADIENT);
    compare_all(kernel, GOLDEN_PARAMETER_GRADIENT);
}

/* ---- running ---------------------------------------------------------------------------------------- */

static void run(struct kernel_case *kernel)
{
    kernel_case_forward(kernel);
    compare_outputs(kernel);
    compare_all(kernel, GOLDEN_BUFFER); /* a pass leaves running statistics as they are */
    if (!kernel_case_has_gradients(kernel))
        return;
    kernel_case_backward(kernel);
    compare_gradients(kernel);
}

static void agrees_with_pytorch(void **state)
{
    const struct subject *subject = *state;
    struct golden_file file;
    golden_read(&file, subject->is_loss, subject->type);
    for (size_t i = 0; i < file.case_count; i++) {
        struct kernel_case kernel;
        kernel_case_open(&kernel, &file, &file.cases[i], subject->precision);
        run(&kernel);
        kernel_case_close(&kernel);
    }
    golden_free(&file);
}

/* Runs a case without the gradient of one tensor: the others must be the same. */
static void run_without(const struct golden_file *file, const struct golden_case *golden, size_t record_index)
{
    const struct golden_record *record = &golden->records[record_index];
    struct kernel_case kernel;
    kernel_case_open(&kernel, file, golden, STABILITY_PRECISION_FLOAT64);
    const struct tensor *unwanted = kernel_case_tensor(&kernel, record->keyword, record->name);
    struct tensor *tensors =
        record->keyword == GOLDEN_INPUT_GRADIENT ? kernel.input_gradients : kernel.parameter_gradients;
    assert_non_null(unwanted);
    tensors[unwanted - tensors].data = NULL;
    run(&kernel);
    kernel_case_close(&kernel);
}

static bool is_gradient(const struct golden_record *record)
{
    return record->keyword == GOLDEN_INPUT_GRADIENT || record->keyword == GOLDEN_PARAMETER_GRADIENT;
}

static void gradients_can_be_left_out(void **state)
{
    const struct subject *subject = *state;
    struct golden_file file;
    golden_read(&file, subject->is_loss, subject->type);
    for (size_t i = 0; i < file.case_count; i++) {
        const struct golden_case *golden = &file.cases[i];
        size_t gradients = 0;
        for (size_t r = 0; r < golden->record_count; r++)
            gradients += is_gradient(&golden->records[r]);
        for (size_t r = 0; gradients > 1 && r < golden->record_count; r++)
            if (is_gradient(&golden->records[r]))
                run_without(&file, golden, r);
    }
    golden_free(&file);
}

/* ---- the registry ----------------------------------------------------------------------------------- */

static bool is_registered(bool is_loss, const char *type)
{
    size_t count = is_loss ? stability_loss_type_count() : stability_layer_type_count();
    for (size_t i = 0; i < count; i++)
        if (strcmp(is_loss ? stability_loss_type_at(i)->type : stability_layer_type_at(i)->type, type) == 0)
            return true;
    return false;
}

/* The contract's types are those that have a file. */
static void every_file_has_a_type(void **state)
{
    bool is_loss = *(const bool *)*state;
    char path[512];
    snprintf(path, sizeof(path), "%s/tests/golden/%s", SOURCE_DIRECTORY, is_loss ? "losses" : "layers");
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory));) {
        char type[128];
        snprintf(type, sizeof(type), "%.127s", entry->d_name);
        char *ending = strstr(type, ".golden");
        if (!ending)
            continue;
        *ending = '\0';
        if (!is_registered(is_loss, type))
            fail_msg("%s has reference values but is not registered", type);
    }
    closedir(directory);
}

/* ---- main ------------------------------------------------------------------------------------------- */

struct list {
    struct CMUnitTest *tests;
    struct subject *subjects;
    size_t count;
};

static void add(struct list *list, bool is_loss, const char *type, enum stability_precision precision,
                CMUnitTestFunction function, const char *what)
{
    static char names[2048][64];
    size_t index = list->count++;
    list->subjects[index] = (struct subject){is_loss, type, precision};
    snprintf(names[index], sizeof(names[index]), "%s %s", type, what);
    list->tests[index] = (struct CMUnitTest){
        .name = names[index], .test_func = function, .initial_state = &list->subjects[index]};
}

static void add_type(struct list *list, bool is_loss, const char *type)
{
    add(list, is_loss, type, STABILITY_PRECISION_FLOAT64, agrees_with_pytorch,
        "agrees with PyTorch in float64");
    add(list, is_loss, type, STABILITY_PRECISION_FLOAT32, agrees_with_pytorch,
        "agrees with PyTorch in float32");
    add(list, is_loss, type, STABILITY_PRECISION_FLOAT64, gradients_can_be_left_out,
        "leaves out what is not wanted");
}

int main(void)
{
    static bool kinds[] = {false, true};
    size_t types = stability_layer_type_count() + stability_loss_type_count();
    struct list list = {.tests = calloc(3 * types + 2, sizeof(*list.tests)),
                        .subjects = calloc(3 * types + 2, sizeof(*list.subjects))};
    if (!list.tests || !list.subjects)
        return 1;
    for (size_t i = 0; i < stability_layer_type_count(); i++)
        add_type(&list, false, stability_layer_type_at(i)->type);
    for (size_t i = 0; i < stability_loss_type_count(); i++)
        add_type(&list, true, stability_loss_type_at(i)->type);
    list.tests[list.count++] = (struct CMUnitTest)cmocka_unit_test_prestate(every_file_has_a_type, &kinds[0]);
    list.tests[list.count++] = (struct CMUnitTest)cmocka_unit_test_prestate(every_file_has_a_type, &kinds[1]);
    int failures = _cmocka_run_group_tests("golden", list.tests, list.count, NULL, NULL);
    free(list.tests);
    free(list.subjects);
    return failures;
}
