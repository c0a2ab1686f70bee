/* What a diagnosis says of small models whose numbers follow by hand: wiring, shared weights, integers. */
#include "support.h"

#include "request_builder.h"

#include <math.h>
#include <string.h>

static double mean_gradient(const struct stability_report *report, const char *layer)
{
    const struct stability_statistics *gradient = report_layer(report, layer)->outputs[0].gradient;
    assert_non_null(gradient);
    return gradient->all.mean;
}

static double mean_value(const struct stability_report *report, const char *layer)
{
    return report_layer(report, layer)->outputs[0].value->all.mean;
}

/* ---- wiring ----------------------------------------------------------------------------------------- */

static void a_chain_needs_no_wiring(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_options(&b)->precision = STABILITY_PRECISION_FLOAT64;
    builder_options(&b)->learning_rate = 0.5;
    builder_data(&b, "input", SHAPE(1, 2), (double[]){1, 2});
    builder_data(&b, "target", SHAPE(1, 1), (double[]){1});
    builder_linear(&b, "fc", NULL, 2, 1);
    builder_weight(&b, "fc.weight", SHAPE(1, 2), (double[]){3, -4});
    builder_layer(&b, "act", "LeakyReLU", NULL);
    builder_real(&b, "negative_slope", 0.5);
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    assert_close(report->loss, 12.25, 0); /* fc = -5, act = -2.5 */
    assert_close(mean_gradient(report, "act"), -7, 0);
    assert_close(mean_gradient(report, "fc"), -3.5, 0);
    const struct stability_parameter_report *weight = report_parameter(report, "fc", "weight");
    assert_close(weight->gradient->all.min, -7, 0);
    assert_close(weight->gradient->all.max, -3.5, 0);
    assert_close(weight->value->all.norm, 5, 0);
    assert_close(weight->update_ratio, 0.5 * sqrt(7 * 7 + 3.5 * 3.5) / 5, 1e-15);
    assert_close(report->gradient_norm, sqrt(7 * 7 + 3.5 * 3.5), 1e-15);
    assert_false(weight->initialized);
    assert_int_equal(report->parameter_count, 2);
    assert_int_equal(report->batch_size, 1);
    assert_int_equal(report->precision, STABILITY_PRECISION_FLOAT64);
    stability_report_free(report);
    builder_free(&b);
}

static void gradients_of_a_fan_out_add_up(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(2), (double[]){3, 3});
    builder_data(&b, "target", SHAPE(2), (double[]){0, 0});
    builder_layer(&b, "a", "Identity", NULL);
    builder_layer(&b, "twice", "Add", "a a");
    builder_layer(&b, "thrice", "Add", "twice a");
    builder_layer(&b, "product", "Mul", "thrice a");
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    assert_close(mean_value(report, "product"), 27, 0);    /* 3 a² */
    assert_close(mean_gradient(report, "product"), 54, 0); /* 2 y */
    assert_close(mean_gradient(report, "thrice"), 162, 0); /* 2 y a */
    assert_close(mean_gradient(report, "twice"), 162, 0);
    assert_close(mean_gradient(report, "a"), 54 * 18, 0); /* 2 y * 6 a */
    assert_int_equal(report->layers[0].input_count, 1);
    assert_string_equal(report->layers[0].inputs[0], "input");
    assert_int_equal(report->layers[2].input_count, 2);
    assert_string_equal(report->layers[2].inputs[0], "twice");
    assert_string_equal(report->layers[2].inputs[1], "a");
    stability_report_free(report);
    builder_free(&b);
}

static void models_have_several_inputs(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "left", SHAPE(2, 1), (double[]){2, 5});
    builder_data(&b, "right", SHAPE(2, 3), (double[]){1, 2, 3, 4, 5, 6});
    builder_data(&b, "target", SHAPE(2, 3), (double[]){0, 0, 0, 0, 0, 0});
    builder_layer(&b, "pass", "Identity", "left");
    builder_layer(&b, "product", "Mul", "pass right");
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    assert_close(mean_value(report, "product"), (2 * 6 + 5 * 15) / 6.0, 1e-7);
    const struct stability_statistics *gradient = report_layer(report, "pass")->outputs[0].gradient;
    assert_int_equal(gradient->all.count, 2); /* broadcast: summed over the row */
    assert_close(gradient->all.min, 2 * 2 * (1 + 4 + 9), 0);
    assert_close(gradient->all.max, 2 * 5 * (16 + 25 + 36), 0);
    stability_report_free(report);
    builder_free(&b);
}

static void a_loss_can_read_two_layers(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_options(&b)->precision = STABILITY_PRECISION_FLOAT64;
    builder_data(&b, "input", SHAPE(1, 2), (double[]){3, 4});
    builder_data(&b, "target", SHAPE(1), (double[]){1});
    builder_linear(&b, "one", "input", 2, 2);
    builder_weight(&b, "one.weight", SHAPE(2, 2), (double[]){1, 0, 0, 1});
    builder_linear(&b, "other", "input", 2, 2);
    builder_weight(&b, "other.weight", SHAPE(2, 2), (double[]){0, 1, 1, 0});
    builder_loss(&b, "CosineEmbeddingLoss", "one other");
    struct stability_report *report = builder_diagnose(&b);
    assert_close(report->loss, 1 - 24 / 25.0, 1e-11);
    /* of (3, 4) to (4, 3): -(b - 24/25 a) / 25 */
    assert_close(report_layer(report, "one")->outputs[0].gradient->all.min, -(4 - 0.96 * 3) / 25, 1e-9);
    assert_close(report_layer(report, "other")->outputs[0].gradient->all.min, -(4 - 0.96 * 3) / 25, 1e-9);
    stability_report_free(report);
    builder_free(&b);
}

static void what_the_loss_does_not_depend_on_has_no_gradient(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 2), (double[]){1, 2});
    builder_data(&b, "target", SHAPE(1, 2), (double[]){0, 0});
    builder_layer(&b, "used", "Identity", NULL);
    builder_linear(&b, "aside", "used", 2, 2);
    builder_loss(&b, "MSELoss", "used");
    struct stability_report *report = builder_diagnose(&b);
    assert_non_null(report_layer(report, "used")->outputs[0].gradient);
    assert_null(report_layer(report, "aside")->outputs[0].gradient);
    assert_non_null(report_layer(report, "aside")->outputs[0].value);
    const struct stability_parameter_report *weight = report_parameter(report, "aside", "weight");
    assert_null(weight->gradient);
    assert_true(isnan(weight->update_ratio));
    assert_true(weight->initialized);
    stability_report_free(report);
    builder_free(&b);
}

/* ---- shared weights --------------------------------------------------------------------------------- */

static void shared_weights_count_once_and_their_gradients_add_up(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 1), (double[]){3});
    builder_data(&b, "target", SHAPE(1, 1), (double[]){0});
    builder_linear(&b, "first", NULL, 1, 1);
    builder_weight(&b, "first.weight", SHAPE(1, 1), (double[]){2});
    builder_linear(&b, "second", NULL, 1, 1);
    b.layers[1].weights_from = "first";
    builder_linear(&b, "third", NULL, 1, 1);
    b.layers[2].weights_from = "second"; /* and so the first's */
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    assert_close(mean_value(report, "third"), 24, 0); /* w³ x */
    assert_int_equal(report->parameter_count, 1);
    /* d (w³ x)² / dw = 6 w⁵ x² */
    for (size_t i = 0; i < 3; i++) {
        const struct stability_parameter_report *weight = &report->layers[i].parameters[0];
        assert_close(weight->gradient->all.mean, 6 * 32 * 9, 0);
        assert_close(weight->value->all.mean, 2, 0);
    }
    assert_null(report->layers[0].parameters[0].shared_with);
    assert_string_equal(report->layers[1].parameters[0].shared_with, "first");
    assert_string_equal(report->layers[2].parameters[0].shared_with, "first");
    assert_close(report->gradient_norm, 6 * 32 * 9, 0);
    stability_report_free(report);
    builder_free(&b);
}

/* Tied embeddings: a row of the table is looked up and multiplied with. */
static void an_embedding_shares_its_table(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_integers(&b, "input", SHAPE(1), (int64_t[]){1});
    builder_data(&b, "target", SHAPE(1, 2), (double[]){0, 0});
    builder_layer(&b, "table", "Embedding", NULL);
    builder_integer(&b, "num_embeddings", 2);
    builder_integer(&b, "embedding_dim", 3);
    builder_weight(&b, "table.weight", SHAPE(2, 3), (double[]){1, 0, 2, 0, 1, 1});
    builder_linear(&b, "logits", NULL, 3, 2);
    b.layers[1].weights_from = "table";
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    /* h = row 1 = (0, 1, 1), y = (2, 2), dy = (4, 4); the product's part dy hᵀ = (0, 4, 4) in both rows, the
     * look-up's part in row 1: 4 (1, 1, 3) */
    const struct stability_moments *gradient = &report_parameter(report, "table", "weight")->gradient->all;
    assert_close(gradient->max, 4 + 12, 0);
    assert_close(gradient->mean, (0 + 4 + 4 + 4 + 8 + 16) / 6.0, 1e-7);
    assert_int_equal(report->parameter_count, 6);
    stability_report_free(report);
    builder_free(&b);
}

static void what_cannot_be_shared_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        int64_t size;
        enum stability_code code;
    } cases[] = {
        {"nobody", 2, STABILITY_ERROR_UNKNOWN_INPUT},
        {"after", 2, STABILITY_ERROR_UNKNOWN_INPUT},
        {"fc", 3, STABILITY_ERROR_SHAPE_MISMATCH},
        {"act", 2, STABILITY_ERROR_INVALID_VALUE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct builder b = {0};
        builder_data(&b, "input", SHAPE(1, 2), (double[]){1, 2});
        builder_data(&b, "target", SHAPE(1, 2), (double[]){0, 0});
        builder_linear(&b, "fc", NULL, 2, 2);
        builder_layer(&b, "act", "ReLU", NULL);
        builder_linear(&b, "shares", NULL, 2, cases[i].size);
        b.layers[2].weights_from = cases[i].from;
        builder_linear(&b, "after", NULL, cases[i].size, 2);
        builder_sum_of_squares(&b);
        builder_expect_error(&b, cases[i].code, "/model/layers/2/weights_from");
        builder_free(&b);
    }
}

/* ---- time --------------------------------------------------------------------------------------------- */

static void a_recurrent_layer_has_a_profile_over_time(void **state)
{
    (void)state;
    enum { STEPS = 3 };
    struct builder b = {0};
    builder_options(&b)->precision = STABILITY_PRECISION_FLOAT64;
    builder_data(&b, "input", SHAPE(STEPS, 1, 1), (double[]){1, 2, 3});
    builder_data(&b, "target", SHAPE(STEPS, 1, 1), (double[]){0, 0, 0});
    builder_layer(&b, "rnn", "RNN", NULL);
    builder_integer(&b, "input_size", 1);
    builder_integer(&b, "hidden_size", 1);
    builder_string(&b, "nonlinearity", "relu");
    builder_boolean(&b, "bias", false);
    builder_weight(&b, "rnn.weight_ih_l0", SHAPE(1, 1), (double[]){1});
    builder_weight(&b, "rnn.weight_hh_l0", SHAPE(1, 1), (double[]){0.5});
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    const struct stability_output_report *output = &report_layer(report, "rnn")->outputs[0];
    assert_int_equal(output->step_count, STEPS);
    /* h = 1, 2.5, 4.25; dL/dh(t) = 2 h(t) + dL/dh(t + 1) / 2, over all paths to the loss */
    static const double expected[STEPS] = {2 + 9.25 / 2, 5 + 8.5 / 2, 8.5};
    for (int t = 0; t < STEPS; t++)
        assert_close(output->steps[t], expected[t], 1e-15);
    assert_int_equal(report_layer(report, "rnn")->output_count, 2);
    assert_string_equal(report_layer(report, "rnn")->outputs[1].name, "h_n");
    assert_null(report_layer(report, "rnn")->outputs[1].gradient);
    stability_report_free(report);
    builder_free(&b);
}

/* ---- integers --------------------------------------------------------------------------------------- */

static void indexed(struct builder *b, const int64_t *indices)
{
    builder_integers(b, "input", SHAPE(1, 2), indices);
    builder_data(b, "target", SHAPE(2, 1), (double[]){0, 0});
    builder_layer(b, "flat", "Flatten", NULL);
    builder_integer(b, "start_dim", 0);
    builder_layer(b, "table", "Embedding", NULL);
    builder_integer(b, "num_embeddings", 3);
    builder_integer(b, "embedding_dim", 1);
    builder_weight(b, "table.weight", SHAPE(3, 1), (double[]){10, 20, 30});
    builder_sum_of_squares(b);
}

static void integers_stay_integers_on_their_way(void **state)
{
    (void)state;
    struct builder b = {0};
    indexed(&b, (int64_t[]){2, 0});
    struct stability_report *report = builder_diagnose(&b);
    assert_true(report_layer(report, "flat")->outputs[0].integer);
    assert_null(report_layer(report, "flat")->outputs[0].gradient);
    assert_close(mean_value(report, "table"), 20, 0);
    stability_report_free(report);
    builder_free(&b);
}

/* PyTorch zeroes that row of a table that it draws, not of one that is given. */
static void the_row_of_padding_is_zero(void **state)
{
    (void)state;
    for (int given = 0; given < 2; given++) {
        struct builder b = {0};
        indexed(&b, (int64_t[]){1, 1});
        b.nodes[1].attributes[2] =
            (struct stability_member){"padding_idx", {STABILITY_INTEGER, .integer = -2}};
        b.layers[1].attributes.count = 3;
        b.request.weights.count = (size_t)given;
        struct stability_report *report = builder_diagnose(&b);
        assert_close(mean_value(report, "table"), given ? 20 : 0, 0);
        assert_int_equal(report_parameter(report, "table", "weight")->value->zero_count, given ? 0 : 1);
        stability_report_free(report);
        builder_free(&b);
    }
}

static void indices_out_of_range_are_refused(void **state)
{
    (void)state;
    static const int64_t wrong[2][2] = {{0, 3}, {-1, 0}};
    for (int i = 0; i < 2; i++) {
        struct builder b = {0};
        indexed(&b, wrong[i]);
        builder_expect_error(&b, STABILITY_ERROR_INVALID_TENSOR, "/data/input");
        builder_free(&b);
    }
}

static void an_index_must_be_an_integer(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(2), (double[]){0, 1});
    builder_data(&b, "target", SHAPE(2, 1), (double[]){0, 0});
    builder_layer(&b, "table", "Embedding", NULL);
    builder_integer(&b, "num_embeddings", 3);
    builder_integer(&b, "embedding_dim", 1);
    builder_sum_of_squares(&b);
    builder_expect_error(&b, STABILITY_ERROR_SHAPE_MISMATCH, "/model/layers/0/inputs");
    builder_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_needs_no_wiring),
        cmocka_unit_test(gradients_of_a_fan_out_add_up),
        cmocka_unit_test(models_have_several_inputs),
        cmocka_unit_test(a_loss_can_read_two_layers),
        cmocka_unit_test(what_the_loss_does_not_depend_on_has_no_gradient),
        cmocka_unit_test(shared_weights_count_once_and_their_gradients_add_up),
        cmocka_unit_test(an_embedding_shares_its_table),
        cmocka_unit_test(what_cannot_be_shared_is_refused),
        cmocka_unit_test(integers_stay_integers_on_their_way),
        cmocka_unit_test(the_row_of_padding_is_zero),
        cmocka_unit_test(indices_out_of_range_are_refused),
        cmocka_unit_test(an_index_must_be_an_integer),
        cmocka_unit_test(a_recurrent_layer_has_a_profile_over_time),
    };
    return cmocka_run_group_tests_name("diagnose", tests, NULL, NULL);
}
