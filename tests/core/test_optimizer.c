/* Steps of every optimizer, with and without clipping, against torch.optim: tests/golden/analyses/training.py
 * trains the same network. */
#include "support.h"

#include "core/optimizer.h"
#include "request_builder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 15, SETTINGS = 8, MOST = 20 };

struct golden_run {
    char name[32];
    size_t setting_count;
    struct stability_member settings[SETTINGS];
    char names[SETTINGS][32], words[SETTINGS][16];
    double pairs[SETTINGS][2];
    double losses[STEPS], norms[STEPS];
    size_t parameter_count;
    struct {
        char key[32];
        double values[MOST];
        int count;
    } parameters[8];
};

/* ---- reading ---- */

static int read_numbers(FILE *file, double *numbers, int room)
{
    int count;
    assert_int_equal(fscanf(file, "%d", &count), 1);
    assert_true(count <= room);
    for (int i = 0; i < count; i++)
        assert_int_equal(fscanf(file, "%la", &numbers[i]), 1);
    return count;
}

static void read_setting(FILE *file, struct golden_run *run)
{
    char kind[8];
    size_t i = run->setting_count++;
    assert_true(i < SETTINGS);
    assert_int_equal(fscanf(file, "%31s %7s", run->names[i], kind), 2);
    run->settings[i] = (struct stability_member){run->names[i], {STABILITY_BOOLEAN, .boolean = true}};
    if (strcmp(kind, "word") == 0) {
        assert_int_equal(fscanf(file, "%15s", run->words[i]), 1);
        run->settings[i].value = (struct stability_value){STABILITY_STRING, .string = run->words[i]};
    } else if (strcmp(kind, "real") == 0) {
        double real;
        assert_int_equal(fscanf(file, "%la", &real), 1);
        run->settings[i].value = (struct stability_value){STABILITY_REAL, .real = real};
    } else if (strcmp(kind, "pair") == 0) {
        assert_int_equal(fscanf(file, "%la %la", &run->pairs[i][0], &run->pairs[i][1]), 2);
        run->settings[i].value = (struct stability_value){STABILITY_LIST, .list = {2, run->pairs[i], false}};
    } else
        assert_string_equal(kind, "true");
}

/* False at the end of the file. */
static bool read_run(FILE *file, struct golden_run *run)
{
    char word[32];
    *run = (struct golden_run){0};
    if (fscanf(file, "%31s %31s", word, run->name) != 2)
        return false;
    assert_string_equal(word, "case");
    while (fscanf(file, "%31s", word) == 1 && strcmp(word, "end") != 0) {
        if (strcmp(word, "setting") == 0)
            read_setting(file, run);
        else if (strcmp(word, "losses") == 0)
            assert_int_equal(read_numbers(file, run->losses, STEPS), STEPS);
        else if (strcmp(word, "norms") == 0)
            assert_int_equal(read_numbers(file, run->norms, STEPS), STEPS);
        else {
            size_t i = run->parameter_count++;
            assert_string_equal(word, "parameter");
            assert_int_equal(fscanf(file, "%31s", run->parameters[i].key), 1);
            run->parameters[i].count = read_numbers(file, run->parameters[i].values, MOST);
        }
    }
    return true;
}

/* ---- the network ---- */

static double *numbers(double *values, int first, int count, double factor)
{
    for (int i = 0; i < count; i++)
        values[i] = factor * sin(1.7 * (first + i)) / 2;
    return values;
}

static void build_network(struct builder *b, enum stability_precision precision)
{
    double values[32];
    builder_data(b, "input", SHAPE(6, 4), numbers(values, 1, 24, 2));
    builder_integers(b, "target", SHAPE(6), (int64_t[]){0, 1, 2, 0, 1, 2});
    builder_linear(b, "fc1", NULL, 4, 5);
    builder_weight(b, "fc1.weight", SHAPE(5, 4), numbers(values, 100, 20, 1));
    builder_layer(b, "bn", "BatchNorm1d", NULL);
    builder_integer(b, "num_features", 5);
    builder_weight(b, "bn.weight", SHAPE(5), numbers(values, 200, 5, 1));
    builder_weight(b, "bn.bias", SHAPE(5), numbers(values, 300, 5, 1));
    builder_layer(b, "act", "Tanh", NULL);
    builder_layer(b, "fc2", "Linear", NULL);
    builder_integer(b, "in_features", 5);
    builder_integer(b, "out_features", 3);
    builder_weight(b, "fc2.weight", SHAPE(3, 5), numbers(values, 400, 15, 1));
    builder_weight(b, "fc2.bias", SHAPE(3), numbers(values, 500, 3, 1));
    builder_loss(b, "CrossEntropyLoss", NULL);
    builder_options(b)->precision = precision;
}

static void read_settings(const struct golden_run *golden, struct optimizer_settings *settings,
                          struct arena *arena)
{
    struct owner {
        struct optimizer_settings optimizer;
    };
    static const struct stability_attribute rows[] = {OPTIMIZER_ROWS(struct owner, optimizer), {0}};
    struct stability_members members = {golden->setting_count, golden->settings};
    struct attribute_scope scope = {.owner = "the test", .pointer = "", .arena = arena};
    struct stability_error error = {0};
    if (!attributes_read(rows, &members, settings, &scope, &error) || !optimizer_check(settings, "", &error))
        fail_msg("%s: %s", golden->name, error.message);
}

/* ---- tests ---- */

static void assert_near(const char *name, double actual, double expected, double tolerance)
{
    if (!(fabs(actual - expected) <= tolerance * fmax(fabs(expected), 0.01)))
        fail_msg("%s: %.17g, PyTorch has %.17g", name, actual, expected);
}

static void compare_parameters(const struct golden_run *golden, const struct trial *trial, double tolerance)
{
    for (size_t i = 0; i < golden->parameter_count; i++) {
        int node, parameter;
        struct stability_error error = {0};
        double values[MOST];
        assert_true(graph_find_parameter((struct graph *)&trial->graph, golden->parameters[i].key, "", &node,
                                         &parameter, &error));
        const struct tensor *tensor = &trial->run.parameters[graph_slot(&trial->graph, node, parameter)];
        assert_int_equal(tensor->count, golden->parameters[i].count);
        stability_convert(trial->graph.kernels->dtype, tensor->data, STABILITY_FLOAT64, values,
                          tensor->count);
        for (int k = 0; k < golden->parameters[i].count; k++)
            assert_near(golden->name, values[k], golden->parameters[i].values[k], tolerance);
    }
}

/* Twice over: resetting begins again. */
static void train(const struct golden_run *golden, enum stability_precision precision, double tolerance)
{
    struct builder b = {0};
    struct trial trial;
    struct optimizer optimizer;
    struct optimizer_settings settings = {0};
    struct stability_error error = {0};
    struct trial_options options = {.flags = RUN_OWN, .resettable = true};
    build_network(&b, precision);
    read_settings(golden, &settings, &b.arena);
    assert_true(trial_plan(&trial, &b.request, &options, &error) && trial_open(&trial, &error));
    assert_true(optimizer_open(&optimizer, &trial, &settings, &error));
    assert_int_equal(optimizer.count, 5);
    for (int round = 0; round < 2; round++) {
        for (int step = 0; step < STEPS; step++) {
            struct optimizer_taken taken;
            assert_true(trial_execute(&trial, NULL, &error));
            assert_near(golden->name, trial.run.loss, golden->losses[step], tolerance);
            optimizer_step(&optimizer, &taken);
            assert_near(golden->name, taken.gradient_norm, golden->norms[step], tolerance);
        }
        compare_parameters(golden, &trial, tolerance);
        trial_reset(&trial);
        optimizer_reset(&optimizer);
    }
    optimizer_close(&optimizer);
    trial_close(&trial);
    builder_free(&b);
}

static void each_run(void (*visit)(const struct golden_run *golden))
{
    struct golden_run golden;
    int count = 0;
    FILE *file = fopen(SOURCE_DIRECTORY "/tests/golden/analyses/training.txt", "r");
    assert_non_null(file);
    for (; read_run(file, &golden); count++)
        visit(&golden);
    fclose(file);
    assert_true(count >= 16);
}

static void train_in_both_precisions(const struct golden_run *golden)
{
    train(golden, STABILITY_PRECISION_FLOAT64, 1e-9);
    train(golden, STABILITY_PRECISION_FLOAT32, 1e-4);
}

static void steps_are_those_of_torch_optim(void **state)
{
    (void)state;
    each_run(train_in_both_precisions);
}

static void compare_list(const struct golden_run *golden, const struct stability_result *list,
                         const double *expected, double tolerance)
{
    int count = 0;
    for (const struct stability_result *item = list->children; item; item = item->next, count++)
        assert_near(golden->name, item->number, expected[count], tolerance);
    assert_int_equal(count, STEPS);
}

static void train_by_request(const struct golden_run *golden)
{
    struct stability_member settings[SETTINGS + 1];
    memcpy(settings, golden->settings, sizeof(golden->settings));
    settings[golden->setting_count] =
        (struct stability_member){"steps", {STABILITY_INTEGER, .integer = STEPS}};
    struct stability_analysis analysis = {"training", {golden->setting_count + 1, settings}};
    for (int i = 0; i < 2; i++) {
        struct builder b = {0};
        build_network(&b, i ? STABILITY_PRECISION_FLOAT64 : STABILITY_PRECISION_FLOAT32);
        builder_options(&b)->analyses = &analysis;
        builder_options(&b)->analysis_count = 1;
        struct stability_report *report = builder_diagnose(&b);
        const struct stability_result *result = stability_result_member(report->analyses, "training");
        compare_list(golden, stability_result_member(result, "losses"), golden->losses, i ? 1e-9 : 1e-4);
        compare_list(golden, stability_result_member(result, "gradient_norms"), golden->norms,
                     i ? 1e-9 : 1e-4);
        stability_report_free(report);
        builder_free(&b);
    }
}

static void the_analysis_tells_the_same_losses(void **state)
{
    (void)state;
    each_run(train_by_request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_those_of_torch_optim),
        cmocka_unit_test(the_analysis_tells_the_same_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
