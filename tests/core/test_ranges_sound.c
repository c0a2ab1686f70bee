/* Intervals hold: whatever is drawn within the declared ranges, every number that a run gives lies between
 * its bounds, and what is called safe is finite. Over every case of every registered layer type and loss. */
#include "support.h"

#include "core/ranges.h"
#include "core/trial.h"
#include "kernel_case.h"

#include <stability/registry.h>
#include <stability/stability.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWS = 10 };

struct subject {
    bool is_loss;
    const char *type;
};

/* A model around one case: the layer, a sine so that each of its elements gets a gradient of its own, the sum
 * of all, and its square. */
struct experiment {
    struct kernel_case kernel;
    struct stability_layer layers[3];
    struct stability_request request;
    struct trial trial;
    struct range inputs[8];
    struct ranges ranges;
    const char *what;
    uint64_t state;
};

static double draw(struct experiment *e)
{
    e->state = e->state * 6364136223846793005U + 1442695040888963407U;
    return (double)(e->state >> 11) * 0x1p-53;
}

/* ---- reading and writing reals ---- */

static double element(const struct experiment *e, const void *data, int64_t i)
{
    return e->trial.graph.kernels->real_size == sizeof(float) ? (double)((const float *)data)[i]
                                                              : ((const double *)data)[i];
}

static void set_element(const struct experiment *e, void *data, int64_t i, double value)
{
    if (e->trial.graph.kernels->real_size == sizeof(float))
        ((float *)data)[i] = (float)value;
    else
        ((double *)data)[i] = value;
}

/* ---- the experiment ---- */

static const char *const input_of_mix[] = {"layer"}, *const input_of_sum[] = {"mix"};

static void describe(struct experiment *e)
{
    e->request = e->kernel.request;
    if (kernel_case_is_loss(&e->kernel))
        return;
    e->layers[0] = e->kernel.request.model.layers[0];
    e->layers[1] =
        (struct stability_layer){.name = "mix", .type = "Sin", .input_count = 1, .inputs = input_of_mix};
    e->layers[2] =
        (struct stability_layer){.name = "sum", .type = "Sum", .input_count = 1, .inputs = input_of_sum};
    e->request.model.layers = e->layers;
    e->request.model.layer_count = 3;
}

static void open_trial(struct experiment *e)
{
    struct stability_error error = {0};
    struct trial_options options = {.flags = RUN_OWN | RUN_KEEP_GRADIENTS};
    if (!trial_plan(&e->trial, &e->request, &options, &error) || !trial_open(&e->trial, &error))
        fail_msg("%s: %s", e->what, error.message);
}

/* Draws what is within the ranges: in half of the draws the corners, else anything between. */
static void draw_inputs(struct experiment *e, bool corners)
{
    const struct graph *graph = &e->trial.graph;
    for (int i = 0; i < graph->model_input_count; i++)
        for (int64_t k = 0; !graph->values[i].integer && k < graph->values[i].count; k++) {
            double at = corners ? floor(2 * draw(e)) : draw(e);
            set_element(e, e->trial.run.values[i].data, k,
                        e->inputs[i].low + at * (e->inputs[i].high - e->inputs[i].low));
        }
}

static void draw_weights(struct experiment *e, double radius)
{
    const struct graph *graph = &e->trial.graph;
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].parameter_count; k++) {
            const struct tensor *tensor = &e->trial.run.parameters[graph_slot(graph, i, k)];
            if (!graph->nodes[i].parameters[k].present || graph->nodes[i].parameters[k].row->buffer)
                continue;
            for (int64_t j = 0; j < tensor->count; j++)
                set_element(e, tensor->data, j,
                            element(e, tensor->data, j) + radius * 0.999 * (2 * floor(2 * draw(e)) - 1));
        }
}

static void expect_within(const struct experiment *e, const struct range_operation *operation,
                          const struct tensor *tensor, const struct interval_tensor *interval,
                          const char *where)
{
    for (int64_t i = 0; tensor->data && interval->low.data && i < tensor->count; i++) {
        double x = element(e, tensor->data, i);
        double low = element(e, interval->low.data, i), high = element(e, interval->high.data, i);
        if (!isfinite(x) && operation->safe)
            fail_msg("%s: %s %lld is %g, and was proved finite", e->what, where, (long long)i, x);
        if (isfinite(x) && !(x >= low && x <= high))
            fail_msg("%s: %s %lld is %.9g, outside of [%.9g, %.9g]", e->what, where, (long long)i, x, low,
                     high);
    }
}

/* All numbers of a run that is finite; of others those of the first pass that is not. */
static void expect_hull(const struct experiment *e, const struct tensor *tensor, const struct range *range,
                        const char *where)
{
    for (int64_t i = 0; tensor->data && i < tensor->count; i++) {
        double x = element(e, tensor->data, i);
        if (isfinite(x) && !(x >= range->low && x <= range->high))
            fail_msg("%s: %s %lld is %.9g, outside of [%.9g, %.9g]", e->what, where, (long long)i, x,
                     range->low, range->high);
    }
}

static bool is_finite(const struct experiment *e, const struct tensor *tensor)
{
    for (int64_t i = 0; tensor->data && i < tensor->count; i++)
        if (!isfinite(element(e, tensor->data, i)))
            return false;
    return true;
}

/* Whether all outputs were finite. */
static bool check_forward(const struct experiment *e)
{
    const struct graph *graph = &e->trial.graph;
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].output_count; k++) {
            int value = graph->nodes[i].first_output + k;
            expect_within(e, &e->ranges.forward[i], &e->trial.run.values[value], &e->ranges.values[value],
                          graph->nodes[i].name);
            if (!is_finite(e, &e->trial.run.values[value]))
                return false;
        }
    double loss = e->trial.run.loss;
    if (!isfinite(loss) && e->ranges.loss.safe)
        fail_msg("%s: the loss is %g, and was proved finite", e->what, loss);
    if (isfinite(loss) && !(loss >= e->ranges.loss.result.low && loss <= e->ranges.loss.result.high))
        fail_msg("%s: the loss is %.9g, outside of [%.9g, %.9g]", e->what, loss, e->ranges.loss.result.low,
                 e->ranges.loss.result.high);
    return isfinite(loss);
}

static void check_backward(const struct experiment *e)
{
    const struct graph *graph = &e->trial.graph;
    for (int i = graph->node_count - 1; i >= 0; i--) {
        for (int k = 0; k < graph->nodes[i].output_count; k++) {
            int value = graph->nodes[i].first_output + k;
            const struct range_operation *from =
                i + 1 < graph->node_count ? &e->ranges.backward[i + 1] : &e->ranges.loss_backward;
            expect_within(e, from, &e->trial.run.value_gradients[value], &e->ranges.gradients[value],
                          "a gradient of an output");
            if (!is_finite(e, &e->trial.run.value_gradients[value]))
                return;
        }
        for (int k = 0; k < graph->nodes[i].parameter_count; k++) {
            const struct tensor *gradient = &e->trial.run.parameter_gradients[graph_slot(graph, i, k)];
            if (!is_finite(e, gradient) && e->ranges.backward[i].safe)
                fail_msg("%s: a gradient of %s is not finite", e->what, graph->nodes[i].parameters[k].name);
            expect_hull(e, gradient, &e->ranges.backward[i].parameters, graph->nodes[i].parameters[k].name);
        }
    }
}

static void experiment(struct experiment *e, double radius)
{
    struct stability_error error = {0};
    struct ranges_declared declared = {e->inputs, radius};
    open_trial(e);
    bool sent_finite = true;
    for (int i = 0; i < e->trial.graph.model_input_count; i++) {
        e->inputs[i] = ranges_of_data(&e->trial.run, i);
        sent_finite &= is_finite(e, &e->trial.run.values[i]);
    }
    if (!ranges_propagate(&e->ranges, &e->trial.run, &declared, &error))
        fail_msg("%s: %s", e->what, error.message);
    for (int round = 0; round < DRAWS; round++) {
        if (round > 0 || !sent_finite)
            draw_inputs(e, round % 2 == 1);
        if (round == DRAWS / 2 && radius > 0)
            draw_weights(e, radius);
        if (!trial_execute(&e->trial, NULL, &error))
            fail_msg("%s: %s", e->what, error.message);
        if (check_forward(e))
            check_backward(e);
    }
    ranges_free(&e->ranges);
    trial_close(&e->trial);
}

static void holds(void **state)
{
    const struct subject *subject = *state;
    struct golden_file file;
    golden_read(&file, subject->is_loss, subject->type);
    for (size_t i = 0; i < file.case_count; i++)
        for (int variant = 0; variant < 4; variant++) {
            enum stability_precision precision =
                variant & 1 ? STABILITY_PRECISION_FLOAT64 : STABILITY_PRECISION_FLOAT32;
            struct experiment e = {.state = i + 1};
            char what[256];
            snprintf(what, sizeof(what), "%s/%s (%s, radius %s)", file.type, file.cases[i].name,
                     variant & 1 ? "float64" : "float32", variant & 2 ? "0.03" : "0");
            e.what = what;
            kernel_case_open(&e.kernel, &file, &file.cases[i], precision);
            describe(&e);
            experiment(&e, variant & 2 ? 0.03 : 0);
            kernel_case_close(&e.kernel);
        }
    golden_free(&file);
}

int main(void)
{
    size_t layers = stability_layer_type_count(), all = layers + stability_loss_type_count();
    struct subject *subjects = calloc(all, sizeof(*subjects));
    struct CMUnitTest *tests = calloc(all, sizeof(*tests));
    struct stability_error error = {0};
    if (!subjects || !tests || !stability_initialize(&error))
        return 1;
    for (size_t i = 0; i < all; i++) {
        subjects[i].is_loss = i >= layers;
        subjects[i].type =
            i < layers ? stability_layer_type_at(i)->type : stability_loss_type_at(i - layers)->type;
        tests[i] = (struct CMUnitTest){subjects[i].type, holds, NULL, NULL, &subjects[i]};
    }
    int failed = _cmocka_run_group_tests("intervals hold", tests, all, NULL, NULL);
    free(subjects);
    free(tests);
    return failed;
}
