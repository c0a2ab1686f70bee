#include "threshold_models.h"

#include <math.h>

/* What a few roundings may cost: values lie on the side of no finding by that much. */
static const double slack = 1e-12;

static void target(struct builder *b, double value)
{
    builder_data(b, "target", SHAPE(1, 1), &value);
}

/* Of one class: log exp(x) = x. */
void log_sum_exp_is(struct builder *b, double value)
{
    value *= 1 - slack;
    builder_data(b, "input", SHAPE(1, 1), &value);
    builder_integers(b, "target", SHAPE(1), (int64_t[]){0});
    builder_layer(b, "x", "Identity", NULL);
    builder_loss(b, "NLLLoss", NULL);
}

void input_rms_is(struct builder *b, double value)
{
    builder_data(b, "input", SHAPE(1, 1), &value);
    target(b, 1);
    builder_linear(b, "fc", NULL, 1, 1);
    builder_weight(b, "fc.weight", SHAPE(1, 1), (double[]){0});
    builder_loss(b, "L1Loss", NULL);
}

/* Rows of two, of p and 1 - p, whose squares sum to `value`, less what rounding might add. */
void concentration_is(struct builder *b, double value)
{
    double p = (1 + sqrt(2 * value * (1 - 1e-12) - 1)) / 2, score = log(p / (1 - p));
    builder_data(b, "input", SHAPE(2, 2), (double[]){score, 0, 0, score});
    builder_data(b, "target", SHAPE(2, 1), (double[]){1, -1});
    builder_layer(b, "softmax", "Softmax", NULL);
    builder_integer(b, "dim", 1);
    builder_linear(b, "fc", NULL, 2, 1);
    builder_weight(b, "fc.weight", SHAPE(1, 2), (double[]){0.5, -0.5});
    builder_loss(b, "MSELoss", NULL);
}

void feature_ratio_is(struct builder *b, double value)
{
    const double unit = 0x1p-7;
    builder_data(b, "input", SHAPE(1, 3), (double[]){unit, unit * value, unit});
    target(b, 1);
    builder_linear(b, "fc", NULL, 3, 1);
    builder_weight(b, "fc.weight", SHAPE(1, 3), (double[]){0, 0, 0});
    builder_loss(b, "L1Loss", NULL);
}

enum { MANY = 1000 };

void twin_fraction_is(struct builder *b, double value)
{
    static double weights[MANY], ones[MANY];
    for (int i = 0; i < MANY; i++) {
        weights[i] = i < lround(value * MANY) ? 0.5 : 1 + i;
        ones[i] = 1;
    }
    builder_data(b, "input", SHAPE(1, 1), (double[]){1});
    target(b, 1);
    builder_linear(b, "fc1", NULL, 1, MANY);
    builder_weight(b, "fc1.weight", SHAPE(MANY, 1), weights);
    builder_linear(b, "fc2", NULL, MANY, 1);
    builder_weight(b, "fc2.weight", SHAPE(1, MANY), ones);
    builder_loss(b, "L1Loss", NULL);
}

/* From 2 to 2 features, with weights a and -a: fan_in * variance is 2 a^2. */
static void two_by_two(struct builder *b, const char *name, const char *key, double a)
{
    builder_linear(b, name, NULL, 2, 2);
    builder_weight(b, key, SHAPE(2, 2), (double[]){a, -a, -a, a});
}

static void two_features(struct builder *b)
{
    builder_data(b, "input", SHAPE(1, 2), (double[]){1, 0.5});
    builder_data(b, "target", SHAPE(1, 2), (double[]){1, 1});
}

void chain_shrinks_by(struct builder *b, double value)
{
    two_features(b);
    two_by_two(b, "fc", "fc.weight", value * (1 + slack) / sqrt(2));
    builder_loss(b, "L1Loss", NULL);
}

/* A rectifier passes half, so that the factor is a: at 0.01 N(0, 0.01^2). */
void wrong_chain_shrinks_by(struct builder *b, double value)
{
    two_features(b);
    two_by_two(b, "fc", "fc.weight", value * (1 + slack));
    builder_layer(b, "act", "ReLU", NULL);
    builder_loss(b, "L1Loss", NULL);
}

/* By steps, none of which is an excess of its own. */
void chain_grows_by(struct builder *b, double value)
{
    static const char *const names[][2] = {
        {"fc1", "fc1.weight"}, {"fc2", "fc2.weight"}, {"fc3", "fc3.weight"}, {"fc4", "fc4.weight"},
        {"fc5", "fc5.weight"}, {"fc6", "fc6.weight"}, {"fc7", "fc7.weight"}, {"fc8", "fc8.weight"}};
    two_features(b);
    for (int i = 0; i < 8; i++)
        two_by_two(b, names[i][0], names[i][1], pow(value * (1 - slack), 1.0 / 8) / sqrt(2));
    builder_loss(b, "L1Loss", NULL);
}

/* 2 / fan_in = 1 is asked for. */
void weight_excess_is(struct builder *b, double value)
{
    two_features(b);
    two_by_two(b, "fc", "fc.weight", sqrt(value * (1 - slack)));
    builder_loss(b, "L1Loss", NULL);
}

/* Two numbers 1 + e and 1 - e have the spread e / sqrt(1 + e^2). */
static double distance_of(double spread)
{
    return spread * (1 + 1e-9) / sqrt(1 - spread * spread);
}

void spread_is(struct builder *b, double value)
{
    builder_data(b, "input", SHAPE(2, 2), (double[]){1, 1, 1, -1});
    builder_data(b, "target", SHAPE(2, 1), (double[]){3, 3});
    builder_linear(b, "fc", NULL, 2, 1);
    builder_weight(b, "fc.weight", SHAPE(1, 2), (double[]){1, distance_of(value)});
    builder_loss(b, "L1Loss", NULL);
}

void token_spread_is(struct builder *b, double value)
{
    builder_data(b, "input", SHAPE(1, 2, 2), (double[]){1, 1, 1, -1});
    builder_data(b, "weights", SHAPE(1, 2, 1), (double[]){1, distance_of(value)});
    builder_data(b, "target", SHAPE(1, 2, 1), (double[]){3, 3});
    builder_layer(b, "mix", "MatMul", "input weights");
    builder_loss(b, "L1Loss", NULL);
}

/* From 4e-6 at the loss to `value` times that before it. */
void gradient_falls_by(struct builder *b, double value)
{
    builder_data(b, "input", SHAPE(1, 1), (double[]){1});
    target(b, value - 2e-6);
    builder_layer(b, "x", "Identity", NULL);
    builder_linear(b, "fc", NULL, 1, 1);
    builder_weight(b, "fc.weight", SHAPE(1, 1), &value);
    builder_sum_of_squares(b);
}

/* Two steps whose states are 0, where tanh has slope 1. */
void gradient_through_time_is(struct builder *b, double value)
{
    double a = value * (1 + slack) / sqrt(2);
    builder_data(b, "input", SHAPE(1, 2, 1), (double[]){0, 0});
    builder_data(b, "target", SHAPE(1, 2), (double[]){1, 1});
    builder_layer(b, "rnn", "RNN", NULL);
    builder_integer(b, "input_size", 1);
    builder_integer(b, "hidden_size", 2);
    builder_boolean(b, "bias", false);
    builder_boolean(b, "batch_first", true);
    builder_weight(b, "rnn.weight_ih_l0", SHAPE(2, 1), (double[]){0.5, -0.5});
    builder_weight(b, "rnn.weight_hh_l0", SHAPE(2, 2), (double[]){a, -a, -a, a});
    builder_layer(b, "last", "Select", NULL);
    builder_integer(b, "dim", 1);
    builder_integer(b, "index", -1);
    builder_loss(b, "L1Loss", NULL);
}

/* States are 0, and gates depend on biases alone: half open but for the forget gate f. A step passes f
 * through the cell and 1/4 of the weight from h to the cell's input, which is 0.4. */
void a_step_of_gates_passes(struct builder *b, double value)
{
    enum { STEPS = 16, UNITS = 8, GATES = 4 * UNITS };
    static double zeros[STEPS], hidden[GATES * UNITS], bias[GATES];
    double forget = value * (1 + slack) - 0.1;
    for (int i = 0; i < UNITS; i++) {
        hidden[(2 * UNITS + i) * UNITS + i] = 0.4;
        bias[UNITS + i] = log(forget / (1 - forget));
    }
    builder_data(b, "input", SHAPE(1, STEPS, 1), zeros);
    builder_data(b, "target", SHAPE(1, UNITS), (double[UNITS]){1, 1, 1, 1, 1, 1, 1, 1});
    builder_layer(b, "lstm", "LSTM", NULL);
    builder_integer(b, "input_size", 1);
    builder_integer(b, "hidden_size", UNITS);
    builder_boolean(b, "batch_first", true);
    builder_weight(b, "lstm.weight_hh_l0", SHAPE(GATES, UNITS), hidden);
    builder_weight(b, "lstm.bias_ih_l0", SHAPE(GATES), bias);
    builder_weight(b, "lstm.bias_hh_l0", SHAPE(GATES), (double[GATES]){0});
    builder_layer(b, "last", "Select", NULL);
    builder_integer(b, "dim", 1);
    builder_integer(b, "index", -1);
    builder_loss(b, "L1Loss", NULL);
}

/* A weight and a gradient of 1: the rate itself. */
void update_ratio_is(struct builder *b, double value)
{
    builder_options(b)->learning_rate = value;
    builder_options(b)->learning_rate_given = true;
    builder_data(b, "input", SHAPE(1, 1), (double[]){1});
    target(b, 3);
    builder_linear(b, "fc", NULL, 1, 1);
    builder_weight(b, "fc.weight", SHAPE(1, 1), (double[]){1});
    builder_loss(b, "L1Loss", NULL);
}

/* 65520 is the least number that float16 rounds to an infinity. */
void overflow_fraction_is(struct builder *b, double value)
{
    static double x[MANY], zeros[MANY];
    for (int i = 0; i < MANY; i++)
        x[i] = i < lround(value * MANY) ? 65520 : nextafter(65520, 0);
    builder_data(b, "input", SHAPE(1, MANY), x);
    builder_data(b, "target", SHAPE(1, MANY), zeros);
    builder_layer(b, "x", "Identity", NULL);
    builder_loss(b, "L1Loss", NULL);
}

/* The gradient of a weight of zeros is its input. */
static void flushed(struct builder *b, double fraction, double loss)
{
    static double x[MANY], zeros[MANY];
    for (int i = 0; i < MANY; i++)
        x[i] = i < lround(fraction * MANY) ? nextafter(0x1p-25, 0) : 0x1p-24;
    builder_data(b, "input", SHAPE(1, MANY), x);
    target(b, -loss);
    builder_linear(b, "fc", NULL, MANY, 1);
    builder_weight(b, "fc.weight", SHAPE(1, MANY), zeros);
    builder_loss(b, "L1Loss", NULL);
}

void underflow_fraction_is(struct builder *b, double value)
{
    flushed(b, value, 1);
}

void underflow_at_loss(struct builder *b, double value)
{
    flushed(b, 1, value);
}
