/* Runs of one request, again and again. */
#include "support.h"

#include "core/trial.h"
#include "request_builder.h"

#include <math.h>
#include <string.h>

static const double weight_values[] = {0.5, -0.25, 0.125, 1, -0.75, 0.375};

/* (2, 2) through fc1 (3, 2), tanh, drop, fc2 (1, 3), against a target. */
static void small_model(struct builder *b, double p)
{
    builder_data(b, "input", SHAPE(2, 2), (double[]){1, -1, 0.5, 2});
    builder_data(b, "target", SHAPE(2, 1), (double[]){0.5, -1});
    builder_linear(b, "fc1", NULL, 2, 3);
    builder_layer(b, "act", "Tanh", NULL);
    builder_layer(b, "drop", "Dropout", NULL);
    builder_real(b, "p", p);
    builder_linear(b, "fc2", NULL, 3, 1);
    builder_weight(b, "fc1.weight", SHAPE(3, 2), weight_values);
    builder_weight(b, "fc2.weight", SHAPE(1, 3), (double[]){0.5, -1, 0.25});
    builder_loss(b, "MSELoss", NULL);
    builder_options(b)->precision = STABILITY_PRECISION_FLOAT64;
}

static void open_trial(struct trial *trial, struct builder *b, struct trial_options options)
{
    struct stability_error error = {0};
    bool opened = trial_plan(trial, &b->request, &options, &error) && trial_open(trial, &error);
    if (!opened)
        fail_msg("%s", error.message);
}

static void execute(struct trial *trial)
{
    struct stability_error error = {0};
    if (!trial_execute(trial, NULL, &error))
        fail_msg("%s", error.message);
}

static double *parameter(const struct trial *trial, int node)
{
    return trial->run.parameters[graph_slot(&trial->graph, node, 0)].data;
}

static const double *gradient(const struct trial *trial, int node)
{
    return trial->run.parameter_gradients[graph_slot(&trial->graph, node, 0)].data;
}

static void a_trial_computes_what_the_diagnosis_does(void **state)
{
    (void)state;
    struct builder b = {0};
    struct trial trial;
    small_model(&b, 0.5);
    struct stability_report *report = builder_diagnose(&b);
    open_trial(&trial, &b, (struct trial_options){.flags = RUN_OWN});
    for (int i = 0; i < 2; i++) {
        execute(&trial);
        assert_true(trial.run.loss == report->loss);
        double squares = 0;
        for (int k = 0; k < 6; k++)
            squares += gradient(&trial, 0)[k] * gradient(&trial, 0)[k];
        assert_within(sqrt(squares), report_parameter(report, "fc1", "weight")->gradient->all.norm, 1e-15);
    }
    trial_close(&trial);
    stability_report_free(report);
    builder_free(&b);
}

static void parameters_can_be_changed_and_put_back(void **state)
{
    (void)state;
    struct builder b = {0};
    struct trial trial;
    small_model(&b, 0);
    open_trial(&trial, &b, (struct trial_options){.flags = RUN_OWN, .resettable = true});
    execute(&trial);
    double loss = trial.run.loss, before = gradient(&trial, 0)[0];
    struct stability_error error = {0};
    parameter(&trial, 0)[0] += 1;
    assert_true(trial_forward(&trial, NULL, &error));
    assert_true(trial.run.loss != loss);
    assert_true(gradient(&trial, 0)[0] == before);
    execute(&trial);
    assert_true(gradient(&trial, 0)[0] != before);
    assert_memory_equal(b.weights[0].tensor.data, weight_values, sizeof(weight_values));
    trial_reset(&trial);
    execute(&trial);
    assert_true(trial.run.loss == loss && gradient(&trial, 0)[0] == before);
    trial_close(&trial);
    builder_free(&b);
}

static void drops_change_with_the_step_alone(void **state)
{
    (void)state;
    struct builder b = {0};
    struct trial trial;
    small_model(&b, 0.5);
    open_trial(&trial, &b, (struct trial_options){.flags = RUN_OWN});
    double losses[8];
    bool differ = false;
    for (int i = 0; i < 8; i++) {
        trial_set_step(&trial, i);
        execute(&trial);
        losses[i] = trial.run.loss;
        differ |= losses[i] != losses[0];
    }
    assert_true(differ);
    trial_set_step(&trial, 3);
    execute(&trial);
    assert_true(trial.run.loss == losses[3]);
    trial_close(&trial);

    struct trial still;
    open_trial(&still, &b, (struct trial_options){.flags = RUN_OWN | RUN_NO_DROPS});
    double output[2];
    for (int i = 0; i < 2; i++) {
        trial_set_step(&still, i);
        execute(&still);
        output[i] = still.run.loss;
    }
    assert_true(output[0] == output[1]);
    trial_close(&still);
    builder_free(&b);
}

static void inputs_have_gradients_where_asked_for(void **state)
{
    (void)state;
    struct builder b = {0};
    struct trial trial;
    small_model(&b, 0);
    open_trial(&trial, &b, (struct trial_options){.flags = RUN_OWN, .input_gradients = true});
    execute(&trial);
    double kept[4], *input = trial.run.values[0].data;
    memcpy(kept, trial.run.value_gradients[0].data, sizeof(kept));
    for (int i = 0; i < 4; i++) {
        struct stability_error error = {0};
        double loss[2], value = input[i];
        for (int side = 0; side < 2; side++) {
            input[i] = value + (side ? 1e-5 : -1e-5);
            assert_true(trial_forward(&trial, NULL, &error));
            loss[side] = trial.run.loss;
        }
        input[i] = value;
        assert_within(kept[i], (loss[1] - loss[0]) / 2e-5, 1e-8);
    }
    trial_close(&trial);
    builder_free(&b);
}

static void it_runs_in_another_precision(void **state)
{
    (void)state;
    struct builder b = {0};
    struct trial trial;
    small_model(&b, 0);
    open_trial(&trial, &b,
               (struct trial_options){
                   .flags = RUN_OWN, .change_precision = true, .precision = STABILITY_PRECISION_FLOAT32});
    execute(&trial);
    assert_int_equal(trial.graph.kernels->dtype, STABILITY_FLOAT32);
    struct stability_report *report = builder_diagnose(&b);
    assert_true(trial.run.loss != report->loss);
    assert_within(trial.run.loss, report->loss, 1e-6);
    stability_report_free(report);
    trial_close(&trial);
    builder_free(&b);
}

static void the_budget_counts(void **state)
{
    (void)state;
    struct builder b = {0};
    struct trial trial;
    struct stability_error error = {0};
    small_model(&b, 0);
    assert_true(trial_plan(&trial, &b.request, &(struct trial_options){.flags = RUN_OWN, .resettable = true},
                           &error));
    trial.request.options.limits.bytes = (int64_t)trial_bytes(&trial) + 100;
    assert_true(trial_admit(&trial, "the test", 100, &error));
    assert_false(trial_admit(&trial, "the test", 101, &error));
    assert_int_equal(error.code, STABILITY_ERROR_MODEL_TOO_LARGE);
    assert_non_null(strstr(error.message, "the test needs"));
    trial_close(&trial);
    builder_free(&b);
}

struct watch {
    const char *stage;
    int64_t last, total, stop_at;
};

static bool watch_progress(void *context, const char *stage, int64_t done, int64_t total)
{
    struct watch *watch = context;
    assert_true(done >= watch->last && done <= total);
    *watch = (struct watch){stage, done, total, watch->stop_at};
    return done < watch->stop_at;
}

static void progress_is_of_all_executions_and_can_stop_them(void **state)
{
    (void)state;
    struct builder b = {0};
    struct trial trial;
    struct watch watch = {.stop_at = INT64_MAX};
    struct stability_error error = {0};
    small_model(&b, 0);
    builder_options(&b)->progress = watch_progress;
    builder_options(&b)->progress_context = &watch;
    open_trial(&trial, &b, (struct trial_options){.flags = RUN_OWN});
    trial.stage = "training";
    trial.planned = 3;
    execute(&trial);
    execute(&trial);
    assert_string_equal(watch.stage, "training");
    assert_int_equal(watch.total, 3 * (2 * 4 + 2));
    assert_true(watch.last > watch.total / 2);
    watch.stop_at = watch.total - 3;
    assert_false(trial_execute(&trial, NULL, &error));
    assert_int_equal(error.code, STABILITY_ERROR_CANCELLED);
    trial_close(&trial);
    builder_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trial_computes_what_the_diagnosis_does),
        cmocka_unit_test(parameters_can_be_changed_and_put_back),
        cmocka_unit_test(drops_change_with_the_step_alone),
        cmocka_unit_test(inputs_have_gradients_where_asked_for),
        cmocka_unit_test(it_runs_in_another_precision),
        cmocka_unit_test(the_budget_counts),
        cmocka_unit_test(progress_is_of_all_executions_and_can_stop_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
