/* Where the first NaN or infinity of a run arose: in the data, a parameter, the forward pass, the loss or the
 * backward pass. */
#include "support.h"

#include "request_builder.h"

#include <math.h>
#include <string.h>

/* Expects the one finding to begin at that element of what `where` says, with a cause that has `cause` in it,
 * and to name these layers in this order. */
static void expect(struct builder *b, int64_t element, const char *where, const char *cause,
                   const char *const *layers, size_t count)
{
    struct stability_report *report = builder_diagnose(b);
    const struct stability_finding *finding = report_finding(report, "non-finite");
    assert_non_null(finding);
    assert_int_equal(finding->severity, STABILITY_ERROR_SEVERITY);
    assert_int_equal(report->verdict, STABILITY_UNSTABLE);
    if (!strstr(finding->message, where))
        fail_msg("'%s' does not say '%s'", finding->message, where);
    if (!strstr(finding->cause, cause))
        fail_msg("'%s' does not say '%s'", finding->cause, cause);
    assert_close(finding_evidence(finding, "element"), (double)element, 0);
    assert_true(isfinite(finding_evidence(finding, "value")) == 0);
    assert_int_equal(finding->layer_count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(finding->layers[i], layers[i]);
    stability_report_free(report);
    builder_free(b);
}

#define NAMES(...) \
    (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

/* Three elements through layers of these types, to Σ (x - t)². */
static void chain(struct builder *b, const double *x, const double *target, const char *const *types,
                  size_t count)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    builder_data(b, "input", SHAPE(1, 3), x);
    builder_data(b, "target", SHAPE(1, 3), target);
    for (size_t i = 0; i < count; i++)
        builder_layer(b, names[i], types[i], NULL);
    builder_sum_of_squares(b);
}

static const double zeros[3];

static void in_the_data(void **state)
{
    (void)state;
    struct builder b = {0};
    chain(&b, (double[]){1, NAN, 2}, zeros, NAMES("Identity", "Exp"));
    expect(&b, 1, "NaN of the run is element 1 of data 'input'", "sent so", NAMES("a", "b"));
}

static void in_data_that_the_precision_cannot_hold(void **state)
{
    (void)state;
    struct builder b = {0};
    chain(&b, (double[]){1, 2, -1e300}, zeros, NAMES("Identity"));
    expect(&b, 2, "-Infinity of the run is element 2 of data 'input'", "-1e+300 was sent", NAMES("a"));
}

static void in_the_target(void **state)
{
    (void)state;
    struct builder b = {0};
    chain(&b, zeros, (double[]){0, 0, INFINITY}, NAMES("Identity"));
    expect(&b, 2, "Infinity of the run is element 2 of data 'target'", "sent so", NAMES("a"));
}

static void in_a_parameter(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 2), (double[]){0, 1});
    builder_data(&b, "target", SHAPE(1, 1), zeros);
    builder_layer(&b, "before", "Identity", NULL);
    builder_linear(&b, "fc", NULL, 2, 1);
    builder_weight(&b, "fc.weight", SHAPE(1, 2), (double[]){0, INFINITY});
    builder_sum_of_squares(&b);
    /* the layer of origin comes first, then the others in the order of the model */
    expect(&b, 1, "element 1 of parameter 'weight' of layer 'fc' (Linear)", "sent so", NAMES("fc", "before"));
}

static void in_a_parameter_that_is_drawn(void **state)
{
    (void)state;
    struct stability_init init = {
        "weight",
        {.name = "constant_",
         .arguments = {1, (const struct stability_member[]){{"val", {STABILITY_REAL, .real = 1e39}}}}}};
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 1), (double[]){1});
    builder_data(&b, "target", SHAPE(1, 1), zeros);
    builder_linear(&b, "fc", NULL, 1, 1);
    b.layers[0].init = (struct stability_inits){1, &init};
    builder_sum_of_squares(&b);
    expect(&b, 0, "parameter 'weight'", "drawn so", NAMES("fc"));
}

static void in_the_forward_pass(void **state)
{
    (void)state;
    struct builder b = {0};
    chain(&b, (double[]){1, 100, 2}, zeros, NAMES("Identity", "Exp", "Identity"));
    expect(&b, 1, "element 1 of the output of layer 'b' (Exp), in the forward pass", "100",
           NAMES("b", "a", "c"));
}

/* Without words of the type's own. */
static void from_a_type_that_does_not_explain(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 1), (double[]){1e30});
    builder_data(&b, "target", SHAPE(1, 1), zeros);
    builder_linear(&b, "fc", NULL, 1, 1);
    builder_weight(&b, "fc.weight", SHAPE(1, 1), (double[]){1e30});
    builder_sum_of_squares(&b);
    expect(&b, 0, "the output of layer 'fc'", "beyond the largest float32", NAMES("fc"));
}

static void in_a_normalisation_of_equal_elements(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 3), (double[]){2, 2, 2});
    builder_data(&b, "target", SHAPE(1, 3), zeros);
    builder_layer(&b, "norm", "LayerNorm", NULL);
    builder_integer(&b, "normalized_shape", 3);
    builder_real(&b, "eps", 0);
    builder_sum_of_squares(&b);
    expect(&b, 0, "NaN of the run is element 0 of the output of layer 'norm'", "all equal", NAMES("norm"));
}

static void in_the_loss(void **state)
{
    (void)state;
    struct builder b = {0};
    chain(&b, (double[]){0, 1e30, 0}, zeros, NAMES("Identity")); /* 1e60 in float32; the gradient is finite */
    expect(&b, 0, "the loss", "overflow", NULL, 0);
}

static void in_the_backward_pass(void **state)
{
    (void)state;
    struct builder b = {0};
    chain(&b, (double[]){4, 0, 4}, (double[]){0, 1, 0}, NAMES("Identity", "Sqrt", "Identity"));
    expect(&b, 1, "element 1 of the gradient of its input of layer 'b' (Sqrt), in the backward pass", "0",
           NAMES("b", "a"));
}

static void in_the_gradient_of_a_parameter(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 1), (double[]){1e20});
    builder_data(&b, "target", SHAPE(1, 1), (double[]){-1e19});
    builder_linear(&b, "fc", NULL, 1, 1);
    builder_weight(&b, "fc.weight", SHAPE(1, 1), (double[]){0});
    builder_sum_of_squares(&b); /* the loss is 1e38, the gradient 2e19 * 1e20 */
    expect(&b, 0, "the gradient of 'weight' of layer 'fc'", "beyond the largest float32", NAMES("fc"));
}

/* Each part of the gradient is finite, their sum is not. */
static void in_the_sum_over_a_fan_out(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1), (double[]){1e-20});
    builder_data(&b, "target", SHAPE(1), (double[]){-1});
    builder_layer(&b, "a", "Identity", NULL);
    builder_layer(&b, "left", "Scale", "a");
    builder_real(&b, "factor", 3e38);
    builder_layer(&b, "right", "Scale", "a");
    builder_real(&b, "factor", 3e38);
    builder_layer(&b, "sum", "Add", "left right");
    builder_loss(&b, "L1Loss", NULL);
    struct stability_report *report = builder_diagnose(&b);
    const struct stability_finding *finding = report_finding(report, "non-finite");
    assert_non_null(finding);
    assert_non_null(strstr(finding->message, "the gradient of its output of layer 'a'"));
    assert_non_null(strstr(finding->cause, "the sum of what its readers pass back"));
    stability_report_free(report);
    builder_free(&b);
}

static void nowhere(void **state)
{
    (void)state;
    struct builder b = {0};
    chain(&b, (double[]){1, 2, 3}, zeros, NAMES("Identity", "Sqrt", "Exp"));
    struct stability_report *report = builder_diagnose(&b);
    assert_null(report_finding(report, "non-finite"));
    stability_report_free(report);
    builder_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_data),
        cmocka_unit_test(in_data_that_the_precision_cannot_hold),
        cmocka_unit_test(in_the_target),
        cmocka_unit_test(in_a_parameter),
        cmocka_unit_test(in_a_parameter_that_is_drawn),
        cmocka_unit_test(in_the_forward_pass),
        cmocka_unit_test(from_a_type_that_does_not_explain),
        cmocka_unit_test(in_a_normalisation_of_equal_elements),
        cmocka_unit_test(in_the_loss),
        cmocka_unit_test(in_the_backward_pass),
        cmocka_unit_test(in_the_gradient_of_a_parameter),
        cmocka_unit_test(in_the_sum_over_a_fan_out),
        cmocka_unit_test(nowhere),
    };
    return cmocka_run_group_tests_name("non-finite", tests, NULL, NULL);
}
