/* Rules on losses and weights: what they name, and what is none of their business. */
#include "support.h"

#include "request_builder.h"

#include <math.h>
#include <string.h>

enum { NONE = -1 };

/* ---- losses ----------------------------------------------------------------------------------------- */

static const struct {
    const char *layer;
    const char *loss;
    double target; /* in every element; class 0 where the loss wants classes */
    int severity;
} losses[] = {
    {"Softmax", "CrossEntropyLoss", 0, STABILITY_WARNING},
    {"Sigmoid", "CrossEntropyLoss", 0, STABILITY_WARNING},
    {"LogSoftmax", "CrossEntropyLoss", 0, STABILITY_INFO},
    {"Identity", "CrossEntropyLoss", 0, NONE},
    {"LogSoftmax", "NLLLoss", 0, NONE},
    {"ReLU", "CrossEntropyLoss", 0, STABILITY_INFO},
    {"Softmax", "NLLLoss", 0, STABILITY_ERROR_SEVERITY},
    {"Identity", "NLLLoss", 0, STABILITY_ERROR_SEVERITY},
    {"LogSoftmax", "KLDivLoss", 0.25, NONE},
    {"Softmax", "KLDivLoss", 0.25, STABILITY_ERROR_SEVERITY},
    {"Sigmoid", "BCEWithLogitsLoss", 0.5, STABILITY_WARNING},
    {"Identity", "BCEWithLogitsLoss", 0.5, NONE},
    {"Identity", "BCEWithLogitsLoss", 1.5, STABILITY_ERROR_SEVERITY},
    {"Identity", "BCEWithLogitsLoss", -0.5, STABILITY_ERROR_SEVERITY},
    {"Sigmoid", "BCELoss", 1, NONE},
    {"Sigmoid", "BCELoss", 2, STABILITY_ERROR_SEVERITY},
    {"Identity", "BCELoss", 1, STABILITY_ERROR_SEVERITY},
    {"Identity", "PoissonNLLLoss", 0, NONE},
    {"Identity", "PoissonNLLLoss", -1, STABILITY_ERROR_SEVERITY},
    {"Identity", "SoftMarginLoss", -1, NONE},
    {"Identity", "SoftMarginLoss", 0, STABILITY_ERROR_SEVERITY},
    {"Identity", "HingeEmbeddingLoss", 1, NONE},
    {"Identity", "HingeEmbeddingLoss", 2, STABILITY_ERROR_SEVERITY},
    {"Tanh", "MSELoss", 0.5, NONE},
    {"Tanh", "MSELoss", 1.5, STABILITY_WARNING},
    {"Sigmoid", "L1Loss", -0.5, STABILITY_WARNING},
    {"ReLU", "HuberLoss", -0.5, STABILITY_WARNING},
    {"ReLU", "SmoothL1Loss", 50, NONE},
    {"Identity", "MSELoss", -50, NONE},
};

static void a_loss_wants_what_it_is_made_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        bool classes =
            strcmp(losses[i].loss, "CrossEntropyLoss") == 0 || strcmp(losses[i].loss, "NLLLoss") == 0;
        double target[8];
        for (int k = 0; k < 8; k++)
            target[k] = losses[i].target;
        struct builder b = {0};
        builder_data(&b, "input", SHAPE(2, 4), (double[]){1.5, -1, 2, 0.5, 3, -2, 1, 0.1});
        if (classes)
            builder_integers(&b, "target", SHAPE(2), (int64_t[]){0, 1});
        else
            builder_data(&b, "target", SHAPE(2, 4), target);
        builder_layer(&b, "last", losses[i].layer, NULL);
        if (strstr(losses[i].layer, "oftmax"))
            builder_integer(&b, "dim", 1);
        builder_layer(&b, "moved", "Identity", NULL);
        builder_loss(&b, losses[i].loss, NULL);
        int severity = builder_severity(&b, "loss-mismatch");
        if (severity != losses[i].severity)
            fail_msg("%s before %s, target %g: severity %d where %d was expected", losses[i].layer,
                     losses[i].loss, losses[i].target, severity, losses[i].severity);
    }
}

/* Single targets out of reach are information; their mean decides. */
static void some_targets_out_of_reach_are_information(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 4), (double[]){1, 2, 3, 4});
    builder_data(&b, "target", SHAPE(1, 4), (double[]){0, 0, 0, 3});
    builder_layer(&b, "act", "Tanh", NULL);
    builder_loss(&b, "MSELoss", NULL);
    assert_int_equal(builder_severity(&b, "loss-mismatch"), STABILITY_INFO);
}

/* ---- zero by construction --------------------------------------------------------------------------- */

/* x + W2 relu(W1 x) with W2 = 0: W1 has no gradient, and that is how it should start. */
static void a_residual_branch_that_starts_at_0_is_no_finding(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(2, 2), (double[]){1, -1, 0.5, 2});
    builder_data(&b, "target", SHAPE(2, 2), (double[]){0, 1, 2, -1});
    builder_linear(&b, "fc0", NULL, 2, 2);
    builder_weight(&b, "fc0.weight", SHAPE(2, 2), (double[]){1, 0.5, -0.5, 1});
    builder_linear(&b, "fc1", NULL, 2, 2);
    builder_weight(&b, "fc1.weight", SHAPE(2, 2), (double[]){1, -1, 0.7, 0.9});
    builder_layer(&b, "act", "ReLU", NULL);
    builder_linear(&b, "fc2", NULL, 2, 2);
    builder_weight(&b, "fc2.weight", SHAPE(2, 2), (double[]){0, 0, 0, 0});
    builder_layer(&b, "sum", "Add", "fc2 fc0");
    builder_loss(&b, "MSELoss", NULL);
    struct stability_report *report = builder_diagnose(&b);
    assert_close(report_layer(report, "fc1")->outputs[0].gradient->all.norm, 0, 0);
    assert_int_equal(report->finding_count, 0);
    assert_int_equal(report->verdict, STABILITY_STABLE);
    stability_report_free(report);
    builder_free(&b);
}

/* x + gate fc(x): the least gradient that fc's output gets, and whether that is a finding. */
static double gradient_behind_gate(double gate, bool learned, int *severity)
{
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(2, 2), (double[]){1, -1, 0.5, 2});
    builder_data(&b, "target", SHAPE(2, 2), (double[]){0, 1, 2, -1});
    builder_linear(&b, "fc0", NULL, 2, 2);
    builder_weight(&b, "fc0.weight", SHAPE(2, 2), (double[]){1, 0.5, -0.5, 1});
    builder_linear(&b, "fc1", NULL, 2, 2);
    builder_weight(&b, "fc1.weight", SHAPE(2, 2), (double[]){1, -1, 0.7, 0.9});
    if (learned) {
        builder_layer(&b, "gate", "Parameter", NULL);
        builder_integer(&b, "shape", 1);
        builder_weight(&b, "gate.weight", SHAPE(1), &gate);
        builder_layer(&b, "gated", "Mul", "gate fc1");
    } else {
        builder_layer(&b, "gated", "Scale", "fc1");
        builder_real(&b, "factor", gate);
    }
    builder_layer(&b, "sum", "Add", "gated fc0");
    builder_loss(&b, "MSELoss", NULL);
    struct stability_report *report = builder_diagnose(&b);
    double norm = report_layer(report, "fc1")->outputs[0].gradient->all.norm;
    *severity = report_severity(report, "vanishing-gradient");
    stability_report_free(report);
    builder_free(&b);
    return norm;
}

/* ReZero starts its gates at 0, LayerScale at 1e-6: they open as they learn. A factor that does not learn
 * stays. */
static void a_gate_that_learns_may_start_closed(void **state)
{
    (void)state;
    int severity;
    assert_close(gradient_behind_gate(0, true, &severity), 0, 0);
    assert_int_equal(severity, NONE);
    assert_true(gradient_behind_gate(1e-7, true, &severity) < 1e-6);
    assert_int_equal(severity, NONE);
    assert_true(gradient_behind_gate(1e-7, false, &severity) < 1e-6);
    assert_int_equal(severity, STABILITY_ERROR_SEVERITY);
}

/* The state that a sequence of one step starts from is 0, so that nothing reaches weight_hh. */
static void a_sequence_of_one_step_teaches_no_recurrence(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(2, 1, 2), (double[]){1, -1, 0.5, 2});
    builder_data(&b, "target", SHAPE(2, 1, 3), (double[]){0, 1, 1, 0, 1, 1});
    builder_layer(&b, "rnn", "RNN", NULL);
    builder_integer(&b, "input_size", 2);
    builder_integer(&b, "hidden_size", 3);
    builder_boolean(&b, "batch_first", true);
    builder_loss(&b, "MSELoss", NULL);
    struct stability_report *report = builder_diagnose(&b);
    assert_close(report_parameter(report, "rnn", "weight_hh_l0")->gradient->all.norm, 0, 0);
    assert_null(report_finding(report, "vanishing-gradient"));
    stability_report_free(report);
    builder_free(&b);
}

/* ---- gates ------------------------------------------------------------------------------------------ */

/* Of a layer whose last step is read, drawn as PyTorch draws it but for the bias of its second gate. */
static int severity_of_gates(const char *type, int64_t steps, int64_t units, double bias)
{
    enum { MOST = 4 * 16 };
    static double biases[MOST];
    struct builder b = {0};
    int64_t gates = (strcmp(type, "GRU") == 0 ? 3 : 4) * units;
    for (int64_t i = 0; i < gates; i++)
        biases[i] = i / units == 1 ? bias : 0.1;
    builder_drawn(&b, "input", SHAPE(4, steps, 3));
    builder_drawn(&b, "target", SHAPE(4, units));
    builder_layer(&b, "gated", type, NULL);
    builder_integer(&b, "input_size", 3);
    builder_integer(&b, "hidden_size", units);
    builder_boolean(&b, "batch_first", true);
    builder_weight(&b, "gated.bias_ih_l0", SHAPE(gates), biases);
    builder_layer(&b, "last", "Select", NULL);
    builder_integer(&b, "dim", 1);
    builder_integer(&b, "index", -1);
    builder_loss(&b, "MSELoss", NULL);
    return builder_severity(&b, "vanishing-gradient");
}

/* By PyTorch's default a step passes 0.5 to 0.7, however many there are: nobody is accused of that. */
static void gates_that_forget_are_a_finding(void **state)
{
    (void)state;
    static const char *const types[] = {"LSTM", "GRU"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(severity_of_gates(types[i], 64, 16, -5), STABILITY_WARNING);
        assert_int_equal(severity_of_gates(types[i], 200, 16, -5), STABILITY_WARNING);
        assert_int_equal(severity_of_gates(types[i], 16, 8, -5), STABILITY_WARNING);
        assert_int_equal(severity_of_gates(types[i], 15, 8, -5), NONE);
        assert_int_equal(severity_of_gates(types[i], 16, 7, -5), NONE);
        assert_int_equal(severity_of_gates(types[i], 64, 16, 0.1), NONE);
        assert_int_equal(severity_of_gates(types[i], 200, 16, 0.1), NONE);
        assert_int_equal(severity_of_gates(types[i], 64, 16, 1), NONE);
    }
}

/* ---- consequences ----------------------------------------------------------------------------------- */

/* All units dead: vanishing is folded under them. */
static void dead_units_are_the_cause_of_what_vanishes_before_them(void **state)
{
    (void)state;
    double x[8 * 4], zeros[8 * 4] = {0}, weight[16] = {0};
    for (int i = 0; i < 32; i++)
        x[i] = 1 + 0.1 * i;
    for (int i = 0; i < 16; i++)
        weight[i] = -0.5 - 0.01 * i;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(8, 4), x);
    builder_data(&b, "target", SHAPE(8, 4), zeros);
    builder_linear(&b, "fc", NULL, 4, 4);
    builder_weight(&b, "fc.weight", SHAPE(4, 4), weight);
    builder_layer(&b, "act", "ReLU", NULL);
    builder_layer(&b, "shift", "Scale", NULL);
    builder_real(&b, "shift", 1);
    builder_loss(&b, "MSELoss", NULL);
    struct stability_report *report = builder_diagnose(&b);
    assert_int_equal(report_severity(report, "dead-units"), STABILITY_ERROR_SEVERITY);
    assert_int_equal(report_severity(report, "vanishing-gradient"), STABILITY_INFO);
    assert_non_null(strstr(report_finding(report, "vanishing-gradient")->cause, "'act'"));
    assert_string_equal(report->findings[0].rule, "dead-units");
    stability_report_free(report);
    builder_free(&b);
}

/* A LayerNorm divides by the size of what it reads, and the gradient too: whoever made that large comes
 * first. */
static void what_a_normalisation_shrinks_comes_second(void **state)
{
    (void)state;
    for (int data = 0; data < 2; data++) {
        double size = data ? 1 : 1e5, x = data ? 1e7 : 1;
        struct builder b = {0};
        builder_data(&b, "input", SHAPE(2, 2), (double[]){x, -x, 0.5 * x, 2 * x});
        builder_data(&b, "target", SHAPE(2, 2), (double[]){0, 1, 2, -1});
        builder_linear(&b, "fc1", NULL, 2, 3);
        builder_weight(&b, "fc1.weight", SHAPE(3, 2),
                       (double[]){size, -size, 0.5 * size, 0.75 * size, -size, -0.25 * size});
        builder_layer(&b, "norm", "LayerNorm", NULL);
        builder_integer(&b, "normalized_shape", 3);
        builder_linear(&b, "fc2", NULL, 3, 2);
        builder_weight(&b, "fc2.weight", SHAPE(2, 3), (double[]){0.01, -0.02, 0.03, 0.02, 0.01, -0.03});
        builder_loss(&b, "MSELoss", NULL);
        builder_options(&b)->precision = STABILITY_PRECISION_FLOAT64;
        struct stability_report *report = builder_diagnose(&b);
        assert_string_equal(report->findings[0].rule, data ? "input-scale" : "exploding-activation");
        assert_int_equal(report->findings[0].severity, STABILITY_ERROR_SEVERITY);
        assert_int_equal(report_severity(report, "vanishing-gradient"), STABILITY_ERROR_SEVERITY);
        assert_non_null(strstr(report_finding(report, "vanishing-gradient")->cause, "'norm' divides"));
        stability_report_free(report);
        builder_free(&b);
    }
}

/* exp(800) overflows: what lies behind it is told of by non-finite alone. */
static void what_is_not_finite_is_told_of_once(void **state)
{
    (void)state;
    struct builder b = {0};
    builder_data(&b, "input", SHAPE(1, 2), (double[]){200, 1});
    builder_data(&b, "target", SHAPE(1, 2), (double[]){1, 1});
    builder_layer(&b, "exp", "Exp", NULL);
    builder_layer(&b, "act", "Sigmoid", NULL);
    builder_layer(&b, "log", "Log", NULL);
    builder_layer(&b, "square", "Mul", "log exp");
    builder_loss(&b, "MSELoss", NULL);
    struct stability_report *report = builder_diagnose(&b);
    assert_string_equal(report->findings[0].rule, "non-finite");
    assert_int_equal(report->finding_count, 1);
    stability_report_free(report);
    builder_free(&b);
}

/* ---- rates ------------------------------------------------------------------------------------------ */

static void only_a_rate_that_was_given_is_judged(void **state)
{
    (void)state;
    for (int given = 0; given < 2; given++) {
        struct builder b = {0};
        builder_options(&b)->learning_rate = 1e3;
        builder_options(&b)->learning_rate_given = given;
        builder_data(&b, "input", SHAPE(1, 1), (double[]){1});
        builder_data(&b, "target", SHAPE(1, 1), (double[]){3});
        builder_linear(&b, "fc", NULL, 1, 1);
        builder_weight(&b, "fc.weight", SHAPE(1, 1), (double[]){1});
        builder_loss(&b, "L1Loss", NULL);
        struct stability_report *report = builder_diagnose(&b);
        assert_int_equal(report_severity(report, "learning-rate"), given ? STABILITY_WARNING : NONE);
        assert_int_equal(report_severity(report, "update-ratio"), given ? STABILITY_WARNING : STABILITY_INFO);
        if (given)
            assert_close(finding_evidence(report_finding(report, "learning-rate"), "suggested_learning_rate"),
                         1e-3, 1e-6);
        stability_report_free(report);
        builder_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loss_wants_what_it_is_made_for),
        cmocka_unit_test(some_targets_out_of_reach_are_information),
        cmocka_unit_test(a_residual_branch_that_starts_at_0_is_no_finding),
        cmocka_unit_test(a_gate_that_learns_may_start_closed),
        cmocka_unit_test(a_sequence_of_one_step_teaches_no_recurrence),
        cmocka_unit_test(gates_that_forget_are_a_finding),
        cmocka_unit_test(dead_units_are_the_cause_of_what_vanishes_before_them),
        cmocka_unit_test(what_a_normalisation_shrinks_comes_second),
        cmocka_unit_test(what_is_not_finite_is_told_of_once),
        cmocka_unit_test(only_a_rate_that_was_given_is_judged),
    };
    return cmocka_run_group_tests_name("causes", tests, NULL, NULL);
}
