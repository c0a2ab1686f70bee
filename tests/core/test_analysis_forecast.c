/* Mean-field theory against NumPy's: expectations of every smooth activation, and a whole chain. */
#include "support.h"

#include "request_builder.h"

#include "core/expectation.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static FILE *open_golden(const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/tests/golden/analyses/%s", SOURCE_DIRECTORY, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    return file;
}

/* ---- expectations ---- */

/* An activation with its default attributes. */
static struct graph_node node_of(const char *type, struct arena *arena)
{
    int index = kernels_find_layer(type);
    assert_true(index >= 0);
    struct graph_node node = {.ops = kernels_for(STABILITY_PRECISION_FLOAT64)->layers[index]};
    node.attributes = arena_allocate(arena, node.ops->attributes_size);
    struct attribute_scope scope = {type, "", arena};
    struct stability_error error = {0};
    if (node.ops->type.attributes)
        assert_true(attributes_read(node.ops->type.attributes, &(const struct stability_members){0},
                                    node.attributes, &scope, &error));
    return node;
}

static void expectations_equal_numpys(void **state)
{
    (void)state;
    FILE *file = open_golden("expectations.txt");
    const struct gaussian *gaussian = gaussian_standard();
    char type[64];
    double q, square, slope;
    int count = 0;
    for (; fscanf(file, "%63s %lf %lf %lf", type, &q, &square, &slope) == 4; count++) {
        struct arena arena = {0};
        struct graph_node node = node_of(type, &arena);
        struct expectation expectation = expectation_of(gaussian, &node, q);
        assert_close(expectation.square, square, 1e-6);
        assert_close(expectation.derivative_square, slope, 1e-6);
        arena_free(&arena);
    }
    assert_int_equal(count, 70);
    fclose(file);
}

static void weights_of_the_quadrature_are_a_distribution(void **state)
{
    (void)state;
    const struct gaussian *gaussian = gaussian_standard();
    double moments[5] = {0};
    for (int i = 0; i < GAUSSIAN_POINTS; i++)
        for (int k = 0; k < 5; k++)
            moments[k] += gaussian->weights[i] * pow(gaussian->points[i], k);
    assert_close(moments[0], 1, 1e-13);
    assert_within(moments[1], 0, 1e-13);
    assert_close(moments[2], 1, 1e-13);
    assert_within(moments[3], 0, 1e-13);
    assert_close(moments[4], 3, 1e-12);
}

static void the_linear_regime_is_what_happens_around_0(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        double value;
        double derivative;
    } cases[] = {{"Tanh", 0, 1}, {"Sigmoid", 0.5, 0.25}, {"ReLU", 0, M_SQRT1_2}, {"GELU", 0, 0.5}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = {0};
        struct graph_node node = node_of(cases[i].type, &arena);
        struct linear_regime regime = linear_regime_of(&node);
        assert_within(regime.value, cases[i].value, 0);
        assert_close(regime.derivative, cases[i].derivative, 1e-7);
        arena_free(&arena);
    }
}

/* ---- a chain ---- */

/* The same numbers as in generate.py. */
static const double *wave(int count, int start, double scale)
{
    static double numbers[128];
    for (int i = 0; i < count; i++)
        numbers[i] = scale * sin(1.7 * (start + i));
    return numbers;
}

static const int widths[] = {6, 9, 8, 7, 3};
static const char *const layers[] = {"fc0", "fc1", "fc2", "fc3"};
static const char *const weights[] = {"fc0.weight", "fc1.weight", "fc2.weight", "fc3.weight"};
static const char *const biases[] = {"fc0.bias", "fc1.bias", "fc2.bias", "fc3.bias"};
static const char *const activations[][2] = {{"act0", "Tanh"}, {"act1", "ReLU"}, {"act2", "GELU"}};

static const char *const scales[] = {"scale0", "scale1"};

/* builder_linear has said that there is none. */
static void with_bias(struct builder *b)
{
    b->nodes[b->request.model.layer_count - 1].attributes[2].value.boolean = true;
}

static struct stability_report *diagnose_chain(const char *norm)
{
    static const double zeros[15];
    struct builder b = {0};
    builder_options(&b)->precision = STABILITY_PRECISION_FLOAT64;
    builder_data(&b, "input", SHAPE(5, 6), wave(30, 0, 1));
    builder_data(&b, "target", SHAPE(5, 3), zeros);
    for (int i = 0; i < 4; i++) {
        builder_linear(&b, layers[i], NULL, widths[i], widths[i + 1]);
        with_bias(&b);
        builder_weight(&b, weights[i], SHAPE(widths[i + 1], widths[i]),
                       wave(widths[i] * widths[i + 1], 10 * (i + 1), 0.8));
        builder_weight(&b, biases[i], SHAPE(widths[i + 1]), wave(widths[i + 1], 20 * (i + 1), 0.3));
        if (i == 1 && norm) {
            builder_layer(&b, "norm", norm, NULL);
            builder_integer(&b, "normalized_shape", widths[i + 1]);
        }
        if (i < 3)
            builder_layer(&b, activations[i][0], activations[i][1], NULL);
    }
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    builder_free(&b);
    return report;
}

static const struct stability_result *layer_of(const struct stability_report *report, const char *name)
{
    const struct stability_result *forecast = stability_result_member(report->analyses, "forecast");
    const struct stability_result *layer = stability_result_member(forecast, "layers")->children;
    while (layer && strcmp(stability_result_member(layer, "name")->text, name) != 0)
        layer = layer->next;
    assert_non_null(layer);
    return layer;
}

static double number_of(const struct stability_result *layer, const char *pass, const char *which)
{
    const struct stability_result *number =
        stability_result_member(stability_result_member(layer, pass), which);
    assert_non_null(number);
    return number->kind == STABILITY_RESULT_NUMBER ? number->number : NAN;
}

static void a_chain_is_forecast_as_by_numpy(void **state)
{
    (void)state;
    struct stability_report *report = diagnose_chain(NULL);
    FILE *file = open_golden("chain.txt");
    char name[64];
    double forward, backward, chi;
    int count = 0;
    for (; fscanf(file, "%63s %lf %lf %lf", name, &forward, &backward, &chi) == 4; count++) {
        const struct stability_result *layer = layer_of(report, name);
        assert_close(number_of(layer, "forward", "predicted"), forward, 1e-6);
        double starts = strcmp(name, "fc3") == 0 ? number_of(layer, "backward", "measured")
                                                 : number_of(layer, "backward", "predicted");
        assert_close(starts, backward, 1e-6);
        if (chi != 0)
            assert_close(stability_result_member(layer, "chi")->number, chi, 1e-6);
    }
    assert_int_equal(count, 7);
    fclose(file);
    stability_report_free(report);
}

static void measured_is_what_the_report_says(void **state)
{
    (void)state;
    struct stability_report *report = diagnose_chain(NULL);
    const struct stability_layer_report *layer = report_layer(report, "fc1");
    const struct stability_result *forecast = layer_of(report, "fc1");
    double rms = layer->outputs[0].value->all.rms, gradient = layer->outputs[0].gradient->all.rms;
    assert_close(number_of(forecast, "forward", "measured"), rms * rms, 1e-15);
    assert_close(number_of(forecast, "backward", "measured"), gradient * gradient, 1e-15);
    stability_report_free(report);
}

static void a_normalisation_starts_at_its_own_weights(void **state)
{
    (void)state;
    struct stability_report *report = diagnose_chain("LayerNorm");
    assert_close(number_of(layer_of(report, "norm"), "forward", "predicted"), 1, 0);
    assert_close(number_of(layer_of(report, "act1"), "forward", "predicted"), 0.5, 1e-12);
    const struct stability_result *fixed_point =
        stability_result_member(stability_result_member(report->analyses, "forecast"), "fixed_point");
    assert_false(stability_result_member(fixed_point, "plain")->boolean);
    stability_report_free(report);
}

/* ---- fixed points ---- */

static const struct stability_result *fixed_point_of(struct stability_report *report)
{
    return stability_result_member(stability_result_member(report->analyses, "forecast"), "fixed_point");
}

/* Two layers of 2 features whose weights have the variance a^2, with biases of either sign. */
static struct stability_report *two_scaled_layers(const char *activation, double factor, double shift,
                                                  double a, double bias)
{
    struct builder b = {0};
    builder_options(&b)->precision = STABILITY_PRECISION_FLOAT64;
    builder_data(&b, "input", SHAPE(1, 2), (double[]){1, 0.5});
    builder_data(&b, "target", SHAPE(1, 2), (double[]){0, 0});
    for (int i = 0; i < 2; i++) {
        builder_linear(&b, layers[i], NULL, 2, 2);
        with_bias(&b);
        builder_weight(&b, weights[i], SHAPE(2, 2), (double[]){a, -a, -a, a});
        builder_weight(&b, biases[i], SHAPE(2), (double[]){bias, -bias});
        builder_layer(&b, activations[i][0], activation, NULL);
        if (factor == 1 && shift == 0)
            continue;
        builder_layer(&b, scales[i], "Scale", NULL);
        builder_real(&b, "factor", factor);
        builder_real(&b, "shift", shift);
    }
    builder_sum_of_squares(&b);
    struct stability_report *report = builder_diagnose(&b);
    builder_free(&b);
    return report;
}

static struct stability_report *two_layers(const char *activation, double a, double bias)
{
    return two_scaled_layers(activation, 1, 0, a, bias);
}

static void fixed_points_equal_numpys(void **state)
{
    (void)state;
    FILE *file = open_golden("fixed_points.txt");
    char type[64];
    double factor, shift, weight, bias, q, chi;
    int count = 0;
    for (; fscanf(file, "%63s %lf %lf %lf %lf %lf %lf", type, &factor, &shift, &weight, &bias, &q, &chi) == 7;
         count++) {
        struct stability_report *report = two_scaled_layers(type, factor, shift, weight, bias);
        const struct stability_result *point = fixed_point_of(report);
        assert_close(stability_result_member(point, "q")->number, q, 1e-8);
        assert_close(stability_result_member(point, "chi")->number, chi, 1e-8);
        assert_close(stability_result_member(point, "depth_scale")->number, 1 / fabs(log(chi)), 1e-6);
        stability_report_free(report);
    }
    assert_int_equal(count, 11);
    fclose(file);
}

/* Tanh and 4 sigmoid(x) - 2 keep small signals as they are, and ReLU those above 0; a sigmoid does not. */
static void some_activations_are_the_identity_around_0(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        double factor;
        double shift;
        bool identity;
        double identity_factor;
        double identity_shift;
    } cases[] = {{"Tanh", 1, 0, true, 1, 0},
                 {"ReLU", 1, 0, true, 1, 0},
                 {"Sigmoid", 1, 0, false, 4, -2},
                 {"Sigmoid", 4, -2, true, 4, -2},
                 {"GELU", 1, 0, false, 2, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stability_report *report =
            two_scaled_layers(cases[i].type, cases[i].factor, cases[i].shift, 1, 0.1);
        const struct stability_result *regime =
            stability_result_member(layer_of(report, "act0"), "linear_regime");
        assert_int_equal(stability_result_member(regime, "identity_at_0")->boolean, cases[i].identity);
        assert_close(stability_result_member(regime, "identity_factor")->number, cases[i].identity_factor,
                     1e-6);
        assert_within(stability_result_member(regime, "identity_shift")->number, cases[i].identity_shift,
                      1e-6);
        stability_report_free(report);
    }
}

/* What a GELU makes of small signals dies out, and of large ones grows: it depends on where one starts. */
static void the_fixed_point_is_the_one_that_is_reached(void **state)
{
    (void)state;
    struct stability_report *report = two_layers("GELU", 1.25, 0); /* gain 3.1: q of the input 2 */
    assert_true(isinf(stability_result_member(fixed_point_of(report), "q")->number));
    stability_report_free(report);
    report = two_layers("GELU", 1.05, 0); /* gain 2.2: 1.4 */
    assert_within(stability_result_member(fixed_point_of(report), "q")->number, 0, 0);
    stability_report_free(report);
}

/* Of a ReLU q = g q / 2 + b^2: q* = b^2 / (1 - g / 2), chi = g / 2. */
static void the_fixed_point_of_a_relu_follows_by_hand(void **state)
{
    (void)state;
    struct stability_report *report = two_layers("ReLU", sqrt(0.5), 0.5);
    const struct stability_result *point = fixed_point_of(report);
    assert_close(stability_result_member(point, "gain")->number, 1, 1e-12);
    assert_close(stability_result_member(point, "q")->number, 0.5, 1e-9);
    assert_close(stability_result_member(point, "chi")->number, 0.5, 1e-9);
    assert_close(stability_result_member(point, "depth_scale")->number, 1 / log(2), 1e-9);
    assert_true(stability_result_member(point, "plain")->boolean);
    stability_report_free(report);
    report = two_layers("ReLU", 2, 0.5); /* gain 8 */
    assert_true(isinf(stability_result_member(fixed_point_of(report), "q")->number));
    stability_report_free(report);
    report = two_layers("Tanh", 0.5, 0); /* gain 1/2: everything dies out */
    assert_within(stability_result_member(fixed_point_of(report), "q")->number, 0, 0);
    assert_close(stability_result_member(fixed_point_of(report), "chi")->number, 0.5, 1e-6);
    stability_report_free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expectations_equal_numpys),
        cmocka_unit_test(weights_of_the_quadrature_are_a_distribution),
        cmocka_unit_test(the_linear_regime_is_what_happens_around_0),
        cmocka_unit_test(a_chain_is_forecast_as_by_numpy),
        cmocka_unit_test(measured_is_what_the_report_says),
        cmocka_unit_test(a_normalisation_starts_at_its_own_weights),
        cmocka_unit_test(the_fixed_point_of_a_relu_follows_by_hand),
        cmocka_unit_test(fixed_points_equal_numpys),
        cmocka_unit_test(some_activations_are_the_identity_around_0),
        cmocka_unit_test(the_fixed_point_is_the_one_that_is_reached),
    };
    return cmocka_run_group_tests_name("forecast", tests, NULL, NULL);
}
