/* Schemes that weights were drawn by are recognised, over seeds and shapes, and no others. */
#include "support.h"

#include "request_builder.h"

#include "core/scheme.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct stability_report *drawn(const struct stability_recipe *recipe, int64_t inputs, int64_t outputs,
                                      const char *activation, uint64_t seed)
{
    static const double zeros[512];
    struct builder b = {0};
    struct stability_init init = {"weight", *recipe};
    builder_options(&b)->precision = STABILITY_PRECISION_FLOAT64;
    builder_options(&b)->seed = seed;
    if (recipe->name)
        builder_options(&b)->init = (struct stability_inits){1, &init};
    builder_data(&b, "input", SHAPE(1, inputs), zeros);
    builder_data(&b, "target", SHAPE(1, outputs), zeros);
    builder_linear(&b, "fc", NULL, inputs, outputs);
    if (activation)
        builder_layer(&b, "act", activation, NULL);
    builder_loss(&b, "L1Loss", NULL);
    struct stability_report *report = builder_diagnose(&b);
    builder_free(&b);
    return report;
}

static const struct stability_result *weight_of(const struct stability_report *report)
{
    const struct stability_result *analysis = stability_result_member(report->analyses, "initialization");
    const struct stability_result *weight = stability_result_member(analysis, "weights")->children;
    assert_non_null(weight);
    assert_string_equal(stability_result_member(weight, "name")->text, "fc.weight");
    return weight;
}

static bool is_matched(const struct stability_result *weight, const char *scheme)
{
    for (const struct stability_result *match = stability_result_member(weight, "matches")->children; match;
         match = match->next)
        if (strcmp(match->text, scheme) == 0)
            return true;
    return false;
}

#define REAL(text, value)                   \
    {                                       \
        text,                               \
        {                                   \
            STABILITY_REAL, .real = (value) \
        }                                   \
    }

static const struct stability_member std_001[] = {REAL("mean", 0), REAL("std", 0.01)};
static const struct stability_member std_1[] = {REAL("mean", 0), REAL("std", 1)};
static const struct stability_member relu[] = {{"nonlinearity", {STABILITY_STRING, .string = "relu"}}};
static const struct stability_member linear[] = {{"nonlinearity", {STABILITY_STRING, .string = "linear"}}};
static const struct stability_member half[] = {REAL("val", 0.5)};

static const struct {
    const char *scheme;
    struct stability_recipe recipe;
} schemes[] = {
    {"torch_default", {0}},
    {"lecun_normal", {.name = "kaiming_normal_", .arguments = {1, linear}}},
    {"lecun_uniform", {.name = "kaiming_uniform_", .arguments = {1, linear}}},
    {"kaiming_normal", {.name = "kaiming_normal_", .arguments = {1, relu}}},
    {"kaiming_uniform", {.name = "kaiming_uniform_", .arguments = {1, relu}}},
    {"xavier_normal", {.name = "xavier_normal_"}},
    {"xavier_uniform", {.name = "xavier_uniform_"}},
    {"normal_0.01", {.name = "normal_", .arguments = {2, std_001}}},
    {"normal_1", {.name = "normal_", .arguments = {2, std_1}}},
    {"orthogonal", {.name = "orthogonal_"}},
    {"constant", {.name = "constant_", .arguments = {1, half}}},
};
enum { SCHEMES = sizeof(schemes) / sizeof(schemes[0]) };

static void a_drawn_weight_is_recognised(void **state)
{
    (void)state;
    static const int64_t shapes[][2] = {{64, 16}, {200, 100}, {40, 160}};
    for (int s = 0; s < SCHEMES; s++)
        for (size_t k = 0; k < 3; k++)
            for (uint64_t seed = 0; seed < 5; seed++) {
                struct stability_report *report =
                    drawn(&schemes[s].recipe, shapes[k][0], shapes[k][1], NULL, seed);
                const struct stability_result *weight = weight_of(report);
                if (!is_matched(weight, schemes[s].scheme))
                    fail_msg("%s of shape (%d, %d), seed %d is not recognised", schemes[s].scheme,
                             (int)shapes[k][1], (int)shapes[k][0], (int)seed);
                stability_report_free(report);
            }
}

/* With 20000 elements schemes that differ in variance are told apart. */
static void it_is_not_taken_for_another(void **state)
{
    (void)state;
    for (int s = 0; s < SCHEMES; s++) {
        struct stability_report *report = drawn(&schemes[s].recipe, 200, 100, NULL, 1);
        const struct stability_result *weight = weight_of(report);
        assert_string_equal(stability_result_member(weight, "scheme")->text, schemes[s].scheme);
        for (int other = 0; other < SCHEMES; other++)
            if (other != s && strcmp(schemes[s].scheme, "orthogonal") != 0)
                assert_false(is_matched(weight, schemes[other].scheme));
        stability_report_free(report);
    }
}

static void the_activation_decides_what_is_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *activation;
        const char *scheme;
        double variance; /* of 32 inputs and 96 outputs */
    } cases[] = {{"ReLU", "kaiming", 2.0 / 32},
                 {"GELU", "kaiming", 2.0 / 32},
                 {"LeakyReLU", "kaiming", 2 / (1 + 1e-4) / 32},
                 {"SELU", "lecun", 1.0 / 32},
                 {"Tanh", "xavier", 1.0 / 64},
                 {"Sigmoid", "xavier", 16.0 / 64},
                 {NULL, "xavier", 1.0 / 64}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stability_report *report = drawn(&schemes[0].recipe, 32, 96, cases[i].activation, 3);
        const struct stability_result *weight = weight_of(report);
        const struct stability_result *wanted = stability_result_member(weight, "wanted");
        assert_string_equal(stability_result_member(wanted, "scheme")->text, cases[i].scheme);
        assert_close(stability_result_member(wanted, "variance")->number, cases[i].variance, 1e-7);
        double factor = stability_result_member(wanted, "rescale_by")->number;
        assert_close(factor * factor * stability_result_member(weight, "variance")->number, cases[i].variance,
                     1e-7);
        stability_report_free(report);
    }
}

static void fans_are_those_of_torch(void **state)
{
    (void)state;
    struct fans linear_fans = fans_of(&SHAPE(3, 7)), conv_fans = fans_of(&SHAPE(8, 4, 3, 5));
    assert_close(linear_fans.in, 7, 0);
    assert_close(linear_fans.out, 3, 0);
    assert_close(conv_fans.in, 4 * 15, 0);
    assert_close(conv_fans.out, 8 * 15, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drawn_weight_is_recognised),
        cmocka_unit_test(it_is_not_taken_for_another),
        cmocka_unit_test(the_activation_decides_what_is_asked_for),
        cmocka_unit_test(fans_are_those_of_torch),
    };
    return cmocka_run_group_tests_name("initialization", tests, NULL, NULL);
}
