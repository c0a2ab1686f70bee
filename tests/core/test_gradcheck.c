/* Gradient checks whose answers follow by hand: exact derivatives, scales, kinks. */
#include "support.h"

#include "gradcheck_claims.h"

#include <math.h>

/* theta^2 at theta = 3 */
static void build_square(struct builder *b, double theta)
{
    builder_data(b, "input", SHAPE(1), (double[]){0});
    builder_data(b, "target", SHAPE(1), (double[]){0});
    builder_layer(b, "theta", "Linear", NULL);
    builder_integer(b, "in_features", 1);
    builder_integer(b, "out_features", 1);
    builder_weight(b, "theta.weight", SHAPE(1, 1), (double[]){1});
    builder_weight(b, "theta.bias", SHAPE(1), (double[]){theta});
    builder_sum_of_squares(b);
}

static void the_textbook_step_differentiates_a_square(void **state)
{
    (void)state;
    struct builder b = {0};
    struct claims claims = {0};
    struct stability_gradcheck_options options = stability_default_gradcheck_options;
    options.epsilon = 1e-4;
    build_square(&b, 3);
    claim(&claims, "theta.bias", SHAPE(1), (double[]){6});
    struct stability_gradcheck_report *report = check(&b, &claims, &options);
    const struct stability_gradcheck_parameter *bias = find(report, "theta.bias");
    assert_true(bias->from_client);
    assert_int_equal(bias->level, STABILITY_GRADCHECK_CORRECT);
    assert_close(bias->step, 1e-4, 0);
    assert_within(bias->worst_numerical, 6, 1e-9);
    assert_int_equal(bias->checked, 1);
    assert_int_equal(find(report, "theta.weight")->from_client, false);
    assert_false(report->failed);
    assert_true(report->deterministic);
    stability_gradcheck_report_free(report);
    builder_free(&b);
}

/* 3 + 1e-20 is 3: the neighbours of 3 are as far as a step can be, and say little. */
static void a_step_too_small_to_take_accuses_nobody(void **state)
{
    (void)state;
    struct builder b = {0};
    struct claims claims = {0};
    struct stability_gradcheck_options options = stability_default_gradcheck_options;
    options.epsilon = 1e-20;
    build_square(&b, 3);
    struct stability_gradcheck_report *report = check(&b, &claims, &options);
    const struct stability_gradcheck_parameter *bias = find(report, "theta.bias");
    assert_true(isfinite(bias->worst_numerical));
    assert_true(bias->worst_uncertainty > 1);
    assert_false(report->failed);
    stability_gradcheck_report_free(report);
    builder_free(&b);
}

static void levels_follow_the_relative_error(void **state)
{
    static const struct {
        double factor;
        enum stability_gradcheck_level level;
    } cases[] = {
        {1 + 2e-9, STABILITY_GRADCHECK_CORRECT},
        {1 + 2.2e-7, STABILITY_GRADCHECK_ACCEPTABLE},
        {1 + 1.9e-4, STABILITY_GRADCHECK_ACCEPTABLE},
        {1 + 2.1e-4, STABILITY_GRADCHECK_SUSPICIOUS},
        {1.0196, STABILITY_GRADCHECK_SUSPICIOUS},
        {1.0206, STABILITY_GRADCHECK_WRONG},
        {-1, STABILITY_GRADCHECK_WRONG},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct builder b = {0};
        struct claims claims = {0};
        double given = 6 * cases[i].factor;
        build_square(&b, 3);
        claim(&claims, "theta.bias", SHAPE(1), &given);
        struct stability_gradcheck_report *report = check(&b, &claims, &stability_default_gradcheck_options);
        const struct stability_gradcheck_parameter *bias = find(report, "theta.bias");
        assert_int_equal(bias->level, cases[i].level);
        if (cases[i].level != STABILITY_GRADCHECK_CORRECT)
            assert_close(bias->relative_error, fabs(cases[i].factor - 1) / (fabs(cases[i].factor) + 1), 1e-3);
        assert_int_equal(report->failed, cases[i].level >= STABILITY_GRADCHECK_SUSPICIOUS);
        assert_int_equal(report->engine_level, STABILITY_GRADCHECK_CORRECT);
        stability_gradcheck_report_free(report);
        builder_free(&b);
    }
}

/* y = v tanh(w x), loss (y - t)^2: dv = 2 (y - t) tanh(w x), dw = 2 (y - t) v (1 - tanh^2(w x)) x. */
static void a_net_of_two_layers_has_the_gradients_worked_out_by_hand(void **state)
{
    (void)state;
    const double x = 0.7, w = 1.3, v = -0.8, t = 0.25;
    double h = tanh(w * x), apart = v * h - t;
    double dv = 2 * apart * h, dw = 2 * apart * v * (1 - h * h) * x;
    struct builder b = {0};
    struct claims claims = {0};
    builder_data(&b, "input", SHAPE(1, 1), &x);
    builder_data(&b, "target", SHAPE(1, 1), &t);
    builder_linear(&b, "first", NULL, 1, 1);
    builder_weight(&b, "first.weight", SHAPE(1, 1), &w);
    builder_layer(&b, "act", "Tanh", NULL);
    builder_linear(&b, "second", NULL, 1, 1);
    builder_weight(&b, "second.weight", SHAPE(1, 1), &v);
    builder_sum_of_squares(&b);
    claim(&claims, "first.weight", SHAPE(1, 1), &dw);
    claim(&claims, "second.weight", SHAPE(1, 1), &dv);
    struct stability_gradcheck_report *report = check(&b, &claims, &stability_default_gradcheck_options);
    assert_int_equal(report->level, STABILITY_GRADCHECK_CORRECT);
    assert_close(find(report, "first.weight")->worst_numerical, dw, 1e-9);
    assert_close(find(report, "second.weight")->worst_numerical, dv, 1e-9);
    assert_close(report->loss, apart * apart, 1e-14);
    stability_gradcheck_report_free(report);
    builder_free(&b);
}

/* ---- scales ---- */

static void losses_and_parameters_of_any_size_are_checked(void **state)
{
    static const double sizes[][2] = {/* of the loss, of the parameter */
                                      {1e12, 1}, {1e-12, 1}, {1, 1e8}, {1, 1e-8}, {1e-12, 1e8}, {1e12, 1e-8}};
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        double size = sizes[i][1], factor = sqrt(sizes[i][0]) / size;
        double gradient[] = {2 * factor * factor * 1.5 * size, -2 * factor * factor * 0.5 * size};
        struct builder b = {0};
        struct claims claims = {0};
        builder_data(&b, "input", SHAPE(2, 2), (double[]){1, 0, 0, 1});
        builder_data(&b, "target", SHAPE(2, 1), (double[]){0, 0});
        builder_linear(&b, "fc", NULL, 2, 1);
        builder_weight(&b, "fc.weight", SHAPE(1, 2), (double[]){1.5 * size, -0.5 * size});
        builder_layer(&b, "scale", "Scale", NULL);
        builder_real(&b, "factor", factor);
        builder_sum_of_squares(&b);
        claim(&claims, "fc.weight", SHAPE(1, 2), gradient);
        struct stability_gradcheck_report *report = check(&b, &claims, &stability_default_gradcheck_options);
        assert_int_equal(report->level, STABILITY_GRADCHECK_CORRECT);
        assert_true(find(report, "fc.weight")->relative_error < 1e-7);
        stability_gradcheck_report_free(report);
        gradient[0] *= 1 + 2e-3;
        gradient[1] *= 1 + 2e-3;
        report = check(&b, &claims, &stability_default_gradcheck_options);
        assert_int_equal(report->level, STABILITY_GRADCHECK_SUSPICIOUS);
        stability_gradcheck_report_free(report);
        builder_free(&b);
    }
}

/* (x + 10^9) - 10^9 loses nine digits of x: differences are that uncertain, and the check says so. */
static void cancellation_is_told_as_uncertainty(void **state)
{
    (void)state;
    struct builder b = {0};
    struct claims claims = {0};
    builder_data(&b, "input", SHAPE(1, 1), (double[]){0.7});
    builder_data(&b, "target", SHAPE(1, 1), (double[]){0});
    builder_linear(&b, "fc", NULL, 1, 1);
    builder_weight(&b, "fc.weight", SHAPE(1, 1), (double[]){3.1});
    builder_layer(&b, "up", "Scale", NULL);
    builder_real(&b, "shift", 1e9);
    builder_layer(&b, "down", "Scale", NULL);
    builder_real(&b, "shift", -1e9);
    builder_sum_of_squares(&b);
    claim(&claims, "fc.weight", SHAPE(1, 1), (double[]){3.038});
    struct stability_gradcheck_report *report = check(&b, &claims, &stability_default_gradcheck_options);
    const struct stability_gradcheck_parameter *weight = find(report, "fc.weight");
    assert_true(weight->level <= STABILITY_GRADCHECK_ACCEPTABLE);
    assert_true(weight->worst_uncertainty >
                1e-9); /* 10^9 times the smallest step of float64, over a step of about 1 */
    assert_true(fabs(weight->worst_numerical - 3.038) <= weight->worst_uncertainty);
    stability_gradcheck_report_free(report);
    builder_free(&b);
}

static void gradients_that_are_all_zero_are_correct(void **state)
{
    (void)state;
    struct builder b = {0};
    struct claims claims = {0};
    builder_data(&b, "input", SHAPE(1, 2), (double[]){0, 0});
    builder_data(&b, "target", SHAPE(1, 2), (double[]){1, 1});
    builder_linear(&b, "fc", NULL, 2, 2);
    builder_weight(&b, "fc.weight", SHAPE(2, 2), (double[]){1, 2, 3, 4});
    builder_linear(&b, "unused", "input", 2, 2);
    builder_weight(&b, "unused.weight", SHAPE(2, 2), (double[]){1, 2, 3, 4});
    builder_loss(&b, "MSELoss", "fc");
    claim(&claims, "fc.weight", SHAPE(2, 2), (double[]){0, 0, 0, 0});
    claim(&claims, "unused.weight", SHAPE(2, 2), (double[]){0, 0, 0, 0});
    struct stability_gradcheck_report *report = check(&b, &claims, &stability_default_gradcheck_options);
    assert_int_equal(report->level, STABILITY_GRADCHECK_CORRECT);
    assert_close(find(report, "fc.weight")->relative_error, 0, 0);
    stability_gradcheck_report_free(report);
    claims.items[1].tensor.data = (double[]){0, 1, 0, 0}; /* the loss does not depend on it */
    report = check(&b, &claims, &stability_default_gradcheck_options);
    assert_int_equal(find(report, "unused.weight")->level, STABILITY_GRADCHECK_WRONG);
    assert_int_equal(find(report, "fc.weight")->level, STABILITY_GRADCHECK_CORRECT);
    stability_gradcheck_report_free(report);
    builder_free(&b);
}

/* ---- kinks ---- */

/* sum (relu(w x) - 1)^2 with one w x exactly at 0 */
static void build_kink(struct builder *b, const char *type)
{
    builder_data(b, "input", SHAPE(1, 1), (double[]){2});
    builder_data(b, "target", SHAPE(1, 3), (double[]){1, 1, 1});
    builder_linear(b, "fc", NULL, 1, 3);
    builder_weight(b, "fc.weight", SHAPE(3, 1), (double[]){0.75, 0, -0.5});
    builder_layer(b, "act", type, NULL);
    builder_sum_of_squares(b);
}

static void an_element_at_a_kink_is_skipped_and_counted(void **state)
{
    (void)state;
    struct builder b = {0};
    struct claims claims = {0};
    build_kink(&b, "ReLU");
    claim(&claims, "fc.weight", SHAPE(3, 1), (double[]){2 * 0.5 * 2, 0, 0});
    struct stability_gradcheck_report *report = check(&b, &claims, &stability_default_gradcheck_options);
    const struct stability_gradcheck_parameter *weight = find(report, "fc.weight");
    assert_int_equal(weight->skipped_at_kink, 1);
    assert_int_equal(weight->checked, 2);
    assert_true(weight->mostly_skipped);
    assert_int_equal(weight->level, STABILITY_GRADCHECK_CORRECT);
    stability_gradcheck_report_free(report);
    builder_free(&b);
}

/* At 0 the one-sided derivatives are 0 and 2 (0 - 1) 2 = -4: nothing else is a gradient there. */
static void a_gradient_outside_the_one_sided_ones_does_not_pass(void **state)
{
    static const struct {
        double given;
        bool passes;
    } cases[] = {{0, true}, {-4, true}, {-2, true}, {4, false}, {-5, false}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double gradient[] = {2, cases[i].given, 0};
        struct builder b = {0};
        struct claims claims = {0};
        build_kink(&b, "ReLU");
        claim(&claims, "fc.weight", SHAPE(3, 1), gradient);
        struct stability_gradcheck_report *report = check(&b, &claims, &stability_default_gradcheck_options);
        assert_int_equal(!report->failed, cases[i].passes);
        assert_int_equal(find(report, "fc.weight")->skipped_at_kink, cases[i].passes);
        stability_gradcheck_report_free(report);
        builder_free(&b);
    }
}

static void a_kink_nearby_is_no_kink(void **state)
{
    (void)state;
    struct builder b = {0};
    struct claims claims = {0};
    builder_data(&b, "input", SHAPE(1, 1), (double[]){1});
    builder_data(&b, "target", SHAPE(1, 2), (double[]){1, 1});
    builder_linear(&b, "fc", NULL, 1, 2);
    builder_weight(&b, "fc.weight", SHAPE(2, 1), (double[]){1e-6, 3});
    builder_layer(&b, "act", "Abs", NULL);
    builder_sum_of_squares(&b);
    claim(&claims, "fc.weight", SHAPE(2, 1), (double[]){2 * (1e-6 - 1), 4});
    struct stability_gradcheck_report *report = check(&b, &claims, &stability_default_gradcheck_options);
    assert_int_equal(report->level, STABILITY_GRADCHECK_CORRECT);
    assert_int_equal(find(report, "fc.weight")->skipped_at_kink, 0);
    stability_gradcheck_report_free(report);
    builder_free(&b);
}

static void a_max_pool_switches_between_equal_elements(void **state)
{
    (void)state;
    struct builder b = {0};
    struct claims claims = {0};
    builder_data(&b, "input", SHAPE(1, 4), (double[]){1, 1, 2, 5});
    builder_data(&b, "target", SHAPE(1, 2), (double[]){0, 0});
    builder_linear(&b, "mix", NULL, 4, 4);
    builder_weight(&b, "mix.weight", SHAPE(4, 4), (double[]){1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1});
    builder_layer(&b, "pool", "MaxPool1d", NULL);
    builder_integer(&b, "kernel_size", 2);
    builder_sum_of_squares(&b);
    /* The first window's elements are equal: rows 0 and 1 of the weight are at a kink, row 2 is behind row 3.
     */
    claim(&claims, "mix.weight", SHAPE(4, 4),
          (double[]){2, 2, 4, 10, 0, 0, 0, 0, 0, 0, 0, 0, 10, 10, 20, 50});
    struct stability_gradcheck_report *report = check(&b, &claims, &stability_default_gradcheck_options);
    assert_int_equal(find(report, "mix.weight")->skipped_at_kink, 8);
    assert_false(report->failed);
    stability_gradcheck_report_free(report);
    builder_free(&b);
}

static void a_loss_that_is_not_finite_has_no_gradient(void **state)
{
    (void)state;
    struct builder b = {0};
    struct claims none = {0};
    struct stability_error error = {0};
    build_square(&b, INFINITY);
    assert_null(try_check(&b, &none, &stability_default_gradcheck_options, &error));
    assert_int_equal(error.code, STABILITY_ERROR_INVALID_VALUE);
    builder_free(&b);
}

/* A row that gets no gradient by convention is not compared with its derivative. */
static void conventions_are_not_errors(void **state)
{
    (void)state;
    for (int mode = STABILITY_GRADCHECK_FULL; mode <= STABILITY_GRADCHECK_DIRECTIONAL; mode++) {
        struct builder b = {0};
        struct claims claims = {0};
        struct stability_gradcheck_options options = stability_default_gradcheck_options;
        options.mode = (enum stability_gradcheck_mode)mode;
        builder_integers(&b, "input", SHAPE(3), (int64_t[]){0, 1, 1});
        builder_data(&b, "target", SHAPE(3, 2), (double[]){0, 0, 0, 0, 0, 0});
        builder_layer(&b, "table", "Embedding", NULL);
        builder_integer(&b, "num_embeddings", 2);
        builder_integer(&b, "embedding_dim", 2);
        builder_integer(&b, "padding_idx", 1);
        builder_weight(&b, "table.weight", SHAPE(2, 2), (double[]){1, 2, 3, 4});
        builder_sum_of_squares(&b);
        claim(&claims, "table.weight", SHAPE(2, 2), (double[]){2, 4, 0, 0});
        struct stability_gradcheck_report *report = check(&b, &claims, &options);
        assert_int_equal(find(report, "table.weight")->level, STABILITY_GRADCHECK_CORRECT);
        assert_int_equal(report->engine_level, STABILITY_GRADCHECK_CORRECT);
        stability_gradcheck_report_free(report);
        builder_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_textbook_step_differentiates_a_square),
        cmocka_unit_test(a_step_too_small_to_take_accuses_nobody),
        cmocka_unit_test(levels_follow_the_relative_error),
        cmocka_unit_test(a_net_of_two_layers_has_the_gradients_worked_out_by_hand),
        cmocka_unit_test(losses_and_parameters_of_any_size_are_checked),
        cmocka_unit_test(cancellation_is_told_as_uncertainty),
        cmocka_unit_test(gradients_that_are_all_zero_are_correct),
        cmocka_unit_test(an_element_at_a_kink_is_skipped_and_counted),
        cmocka_unit_test(a_gradient_outside_the_one_sided_ones_does_not_pass),
        cmocka_unit_test(a_kink_nearby_is_no_kink),
        cmocka_unit_test(a_max_pool_switches_between_equal_elements),
        cmocka_unit_test(a_loss_that_is_not_finite_has_no_gradient),
        cmocka_unit_test(conventions_are_not_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
