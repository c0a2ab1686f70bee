/* Rules on data: its scale, and samples and targets that do not differ. */
#include "support.h"

#include "request_builder.h"

#include <string.h>

enum { NONE = -1 };

static int input_scale_behind(const char *norm, double scale)
{
    double x[8];
    for (int i = 0; i < 8; i++)
        x[i] = scale * (i % 3 - 1);
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(4, 2), x);
    builder_data(&b, "target", SHAPE(4, 2), (double[]){1, 2, 3, 4, 5, 6, 7, 8});
    builder_layer(&b, "moved", "Flatten", NULL);
    builder_linear(&b, "fc", NULL, 2, 2);
    if (norm) {
        builder_layer(&b, "norm", norm, NULL);
        builder_integer(&b, "num_features", 2);
    }
    builder_loss(&b, "MSELoss", NULL);
    return builder_severity(&b, "input-scale");
}

static void a_normalisation_takes_the_scale_of_data_away(void **state)
{
    (void)state;
    assert_int_equal(input_scale_behind(NULL, 1), NONE);
    assert_int_equal(input_scale_behind(NULL, 255), STABILITY_WARNING);
    assert_int_equal(input_scale_behind(NULL, 1e5), STABILITY_ERROR_SEVERITY);
    assert_int_equal(input_scale_behind("BatchNorm1d", 255), STABILITY_INFO);
}

/* The scale is the cause, the saturation that it brings about comes second. */
static void data_that_saturates_the_first_activation_comes_first(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(4, 1), (double[]){100, -90, 80, 95});
    builder_data(&b, "target", SHAPE(4, 1), (double[]){0.5, 0, -0.5, 0.1});
    builder_linear(&b, "fc", NULL, 1, 1);
    builder_weight(&b, "fc.weight", SHAPE(1, 1), (double[]){0.5});
    builder_layer(&b, "act", "Tanh", NULL);
    builder_loss(&b, "MSELoss", NULL);
    struct stability_report *report = builder_diagnose(&b);
    assert_int_equal(report_severity(report, "saturated-units"), STABILITY_ERROR_SEVERITY);
    assert_string_equal(report->findings[0].rule, "input-scale");
    stability_report_free(report);
    builder_free(&b);
}

/* The rows of a table are what the first layer reads. */
static void an_embedding_may_be_too_large(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) {
        struct builder b = {0};
        double size = large ? 100 : 1;
        builder_integers(&b, "input", SHAPE(2, 1), (int64_t[]){0, 1});
        builder_data(&b, "target", SHAPE(2, 1), (double[]){1, 2});
        builder_layer(&b, "table", "Embedding", NULL);
        builder_integer(&b, "num_embeddings", 2);
        builder_integer(&b, "embedding_dim", 2);
        builder_weight(&b, "table.weight", SHAPE(2, 2), (double[]){size, -size, size, size});
        builder_layer(&b, "moved", "Flatten", NULL);
        builder_linear(&b, "fc", NULL, 2, 1);
        builder_loss(&b, "MSELoss", NULL);
        assert_int_equal(builder_severity(&b, "input-scale"), large ? STABILITY_WARNING : NONE);
    }
}

/* A layer with weights before it: the scale is the model's own. */
static void only_data_has_an_input_scale(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(4, 1), (double[]){255, 100, 3, 80});
    builder_data(&b, "target", SHAPE(4, 1), (double[]){1, 2, 3, 4});
    builder_layer(&b, "norm", "BatchNorm1d", NULL);
    builder_integer(&b, "num_features", 1);
    builder_linear(&b, "fc", NULL, 1, 1);
    builder_loss(&b, "MSELoss", NULL);
    assert_int_equal(builder_severity(&b, "input-scale"), NONE);
}

/* Numbers that are sent as integers are data as any others; indices are not. */
static void integers_have_a_scale(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_integers(&b, "input", SHAPE(4, 1), (int64_t[]){255, 100, 3, 80});
    builder_data(&b, "target", SHAPE(4, 1), (double[]){1, 2, 3, 4});
    builder_linear(&b, "fc", NULL, 1, 1);
    builder_loss(&b, "MSELoss", NULL);
    assert_int_equal(builder_severity(&b, "input-scale"), STABILITY_WARNING);
}

/* ---- no differences --------------------------------------------------------------------------------- */

enum { MOST = 16 };

/* `samples` of two features, the last of which may differ; a target of reals, or classes. */
static void arrange(struct builder *b, int64_t samples, double value, double last, const char *loss)
{
    double x[2 * MOST], targets[MOST];
    int64_t classes[MOST];
    for (int64_t i = 0; i < samples; i++) {
        x[2 * i] = x[2 * i + 1] = i + 1 < samples ? value : last;
        classes[i] = 1;
        targets[i] = 1;
    }
    bool indices = strcmp(loss, "CrossEntropyLoss") == 0;
    builder_data(b, "input", SHAPE(samples, 2), x);
    if (indices)
        builder_integers(b, "target", SHAPE(samples), classes);
    else
        builder_data(b, "target", SHAPE(samples, 1), targets);
    builder_linear(b, "fc", NULL, 2, indices ? 3 : 1);
    builder_loss(b, loss, NULL);
}

static int severity_of_samples(int64_t samples, double value, double last)
{
    struct builder b = {0};
    arrange(&b, samples, value, last, "MSELoss");
    return builder_severity(&b, "input-scale");
}

static void samples_that_do_not_differ_teach_nothing(void **state)
{
    (void)state;
    assert_int_equal(severity_of_samples(8, 0, 0), STABILITY_WARNING);
    assert_int_equal(severity_of_samples(7, 0, 0), NONE);
    assert_int_equal(severity_of_samples(8, 0, 1), NONE);
    assert_int_equal(severity_of_samples(8, 0.5, 0.5), STABILITY_INFO);
    assert_int_equal(severity_of_samples(8, 0.5, 0.25), NONE);
}

/* One finding: the scale says more. */
static void equal_samples_of_a_large_scale_are_too_large(void **state)
{
    (void)state;
    struct builder b = {0};
    arrange(&b, 8, 255, 255, "MSELoss");
    struct stability_report *report = builder_diagnose(&b);
    size_t count = 0;
    for (size_t i = 0; i < report->finding_count; i++)
        count += strcmp(report->findings[i].rule, "input-scale") == 0;
    assert_int_equal(report_severity(report, "input-scale"), STABILITY_WARNING);
    assert_int_equal(count, 1);
    stability_report_free(report);
    builder_free(&b);
}

static int severity_of_targets(int64_t samples, const char *loss)
{
    struct builder b = {0};
    arrange(&b, samples, 0.5, 0.25, loss);
    return builder_severity(&b, "loss-mismatch");
}

/* A discriminator is given one side alone on purpose. */
static void targets_that_do_not_differ_are_information(void **state)
{
    (void)state;
    assert_int_equal(severity_of_targets(MOST, "CrossEntropyLoss"), STABILITY_INFO);
    assert_int_equal(severity_of_targets(MOST - 1, "CrossEntropyLoss"), NONE);
    assert_int_equal(severity_of_targets(MOST, "MSELoss"), STABILITY_INFO);
    assert_int_equal(severity_of_targets(MOST - 1, "MSELoss"), NONE);
    assert_int_equal(severity_of_targets(MOST, "BCEWithLogitsLoss"), NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_normalisation_takes_the_scale_of_data_away),
        cmocka_unit_test(data_that_saturates_the_first_activation_comes_first),
        cmocka_unit_test(an_embedding_may_be_too_large),
        cmocka_unit_test(only_data_has_an_input_scale),
        cmocka_unit_test(integers_have_a_scale),
        cmocka_unit_test(samples_that_do_not_differ_teach_nothing),
        cmocka_unit_test(equal_samples_of_a_large_scale_are_too_large),
        cmocka_unit_test(targets_that_do_not_differ_are_information),
    };
    return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
