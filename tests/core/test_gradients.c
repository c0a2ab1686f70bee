/* Every registered layer type and loss: each element of each gradient against differences of the forward
 * pass, in float64, at the inputs of the golden files.
 *
 * The objective is Σ dy * y over the outputs that have an output gradient, or the loss. Its derivative along
 * an element x is the five-point difference (8 (f(x + h) - f(x - h)) - (f(x + 2h) - f(x - 2h))) / 12 h, whose
 * error is h⁴ f⁽⁵⁾ / 30. An element where a step crosses a kink, by the type's own `switches`, or leaves the
 * domain has no such derivative. */
#include "support.h"

#include "kernel_case.h"

#include <stability/registry.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct subject {
    bool is_loss;
    const char *type;
};

struct tally {
    int64_t checked;
    int64_t skipped;
};

struct objective {
    double value;
    double magnitude; /* Σ |dy * y|: what its rounding errors are relative to */
    uint64_t switches;
};

static struct objective evaluate(struct kernel_case *kernel)
{
    kernel_case_forward(kernel);
    struct objective objective = {.switches = kernel_case_switches(kernel)};
    if (kernel_case_is_loss(kernel)) {
        objective.value = kernel->loss;
        objective.magnitude = fabs(kernel->loss);
        return objective;
    }
    for (int k = 0; k < kernel->node->output_count; k++) {
        const double *y = kernel->outputs[k].data, *dy = kernel->output_gradients[k].data;
        for (int64_t i = 0; dy && i < kernel->outputs[k].count; i++) {
            objective.value += dy[i] * y[i];
            objective.magnitude += fabs(dy[i] * y[i]);
        }
    }
    return objective;
}

struct difference {
    bool valid;
    double derivative;
    double uncertainty;
};

static struct difference differentiate(struct kernel_case *kernel, double *element,
                                       const struct objective *base)
{
    static const double steps[4] = {-2, -1, 1, 2}, weights[4] = {1, -8, 8, -1};
    double x = *element;
    double h = 0x1p-10 * fmin(fmax(fabs(x), 0x1p-8), 1);
    struct difference difference = {.valid = true, .uncertainty = 1e-14 * base->magnitude / h};
    for (int k = 0; k < 4; k++) {
        *element = x + steps[k] * h;
        struct objective objective = evaluate(kernel);
        difference.derivative += weights[k] * objective.value / (12 * h);
        difference.valid &= objective.switches == base->switches && isfinite(objective.value);
    }
    *element = x;
    return difference;
}

/* A tensor that is varied, and its gradient by the backward pass. */
struct varied {
    const char *kind;
    const char *name;
    int index;
    bool is_parameter;
};

static double rms_of(const double *values, int64_t count)
{
    double squares = 0;
    for (int64_t i = 0; i < count; i++)
        squares += values[i] * values[i];
    return count ? sqrt(squares / (double)count) : 0;
}

/* Whether the gradient of an element is its derivative by the type's own word. */
static bool is_derivative(const struct kernel_case *kernel, const struct varied *varied, int64_t element)
{
    if (!varied->is_parameter || !kernel->node->ops->is_derivative)
        return true;
    return kernel->node->ops->is_derivative(&kernel->pass, varied->index, element);
}

static void check_tensor(struct kernel_case *kernel, const struct kernel_case *derived,
                         const struct varied *varied, struct tally *tally)
{
    const struct tensor *x =
        varied->is_parameter ? &kernel->parameters[varied->index] : &kernel->inputs[varied->index];
    const double *gradient = varied->is_parameter ? derived->parameter_gradients[varied->index].data
                                                  : derived->input_gradients[varied->index].data;
    struct objective base = evaluate(kernel);
    double scale = rms_of(gradient, x->count);
    for (int64_t i = 0; i < x->count; i++) {
        struct difference numerical = differentiate(kernel, (double *)x->data + i, &base);
        if (!numerical.valid || !is_derivative(kernel, varied, i)) {
            tally->skipped++;
            continue;
        }
        tally->checked++;
        double magnitude = fmax(fmax(fabs(numerical.derivative), fabs(gradient[i])), scale);
        if (!(fabs(numerical.derivative - gradient[i]) <= 1e-6 * magnitude + numerical.uncertainty))
            fail_msg("case %s, gradient of %s '%s', element %lld: %.12g where the difference is %.12g",
                     kernel->golden->name, varied->kind, varied->name, (long long)i, gradient[i],
                     numerical.derivative);
    }
}

static void check_case(const struct golden_file *file, const struct golden_case *golden, struct tally *tally)
{
    struct kernel_case derived, kernel;
    kernel_case_open(&derived, file, golden, STABILITY_PRECISION_FLOAT64);
    kernel_case_open(&kernel, file, golden, STABILITY_PRECISION_FLOAT64);
    if (kernel_case_has_gradients(&derived)) {
        kernel_case_forward(&derived);
        kernel_case_backward(&derived);
        for (int k = 0; k < kernel_case_input_count(&kernel); k++) {
            char name[16];
            snprintf(name, sizeof(name), "%d", k);
            if (derived.input_gradients[k].data)
                check_tensor(&kernel, &derived, &(struct varied){"input", name, k, false}, tally);
        }
        for (int k = 0; !file->is_loss && k < kernel.node->parameter_count; k++)
            if (derived.parameter_gradients[k].data)
                check_tensor(&kernel, &derived,
                             &(struct varied){"parameter", kernel.node->parameters[k].name, k, true}, tally);
    }
    kernel_case_close(&kernel);
    kernel_case_close(&derived);
}

static void gradients_are_derivatives(void **state)
{
    const struct subject *subject = *state;
    struct golden_file file;
    struct tally tally = {0};
    golden_read(&file, subject->is_loss, subject->type);
    for (size_t i = 0; i < file.case_count; i++)
        check_case(&file, &file.cases[i], &tally);
    golden_free(&file);
    if (strcmp(subject->type, "Constant") != 0) /* has neither inputs nor parameters */
        assert_true(tally.checked > tally.skipped);
}

int main(void)
{
    size_t layers = stability_layer_type_count(), types = layers + stability_loss_type_count();
    struct CMUnitTest *tests = calloc(types, sizeof(*tests));
    struct subject *subjects = calloc(types, sizeof(*subjects));
    if (!tests || !subjects)
        return 1;
    for (size_t i = 0; i < types; i++) {
        bool is_loss = i >= layers;
        subjects[i].is_loss = is_loss;
        subjects[i].type =
            is_loss ? stability_loss_type_at(i - layers)->type : stability_layer_type_at(i)->type;
        tests[i] = (struct CMUnitTest){
            .name = subjects[i].type, .test_func = gradients_are_derivatives, .initial_state = &subjects[i]};
    }
    int failures = _cmocka_run_group_tests("gradients", tests, types, NULL, NULL);
    free(tests);
    free(subjects);
    return failures;
}
