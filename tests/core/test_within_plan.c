/* Networks, with every analysis and with a gradient check: none takes more memory than was planned. Tensors
 * are large enough to show beside the texts of a report. Single layers of every type are in
 * test_degenerate.c. */
#include "support.h"

#include "request_builder.h"
#include "within_plan.h"

#include <stdio.h>

static void integers(struct builder *b, const char *first, int64_t value, const char *second, int64_t other)
{
    builder_integer(b, first, value);
    builder_integer(b, second, other);
}

static void perceptron(struct builder *b, int64_t batch)
{
    builder_drawn(b, "input", SHAPE(batch, 64));
    builder_drawn(b, "target", SHAPE(batch, 8));
    builder_linear(b, "fc1", NULL, 64, 64);
    builder_layer(b, "norm", "BatchNorm1d", NULL);
    builder_integer(b, "num_features", 64);
    builder_layer(b, "act", "ReLU", NULL);
    builder_layer(b, "drop", "Dropout", NULL);
    builder_layer(b, "sum", "Add", "drop act");
    builder_linear(b, "fc2", NULL, 64, 8);
    builder_loss(b, "MSELoss", NULL);
}

static void convolutional(struct builder *b, int64_t batch)
{
    builder_drawn(b, "input", SHAPE(batch, 3, 16, 16));
    builder_drawn(b, "target", SHAPE(batch, 8));
    builder_layer(b, "conv1", "Conv2d", NULL);
    integers(b, "in_channels", 3, "out_channels", 8);
    builder_integer(b, "kernel_size", 3);
    builder_layer(b, "act1", "GELU", NULL);
    builder_layer(b, "pool", "MaxPool2d", NULL);
    builder_integer(b, "kernel_size", 2);
    builder_layer(b, "conv2", "Conv2d", NULL);
    integers(b, "in_channels", 8, "out_channels", 4);
    builder_integer(b, "kernel_size", 3);
    builder_layer(b, "act2", "Sigmoid", NULL);
    builder_layer(b, "flat", "Flatten", NULL);
    builder_linear(b, "fc", NULL, 100, 8);
    builder_loss(b, "MSELoss", NULL);
}

static void recurrent(struct builder *b, int64_t batch)
{
    builder_drawn(b, "input", SHAPE(12, batch, 8));
    builder_drawn(b, "target", SHAPE(12, batch, 1));
    builder_layer(b, "lstm", "LSTM", NULL);
    integers(b, "input_size", 8, "hidden_size", 16);
    builder_layer(b, "gru", "GRU", NULL);
    integers(b, "input_size", 16, "hidden_size", 16);
    builder_linear(b, "fc", NULL, 16, 1);
    builder_loss(b, "MSELoss", NULL);
}

static void attentive(struct builder *b, int64_t batch)
{
    builder_drawn(b, "input", SHAPE(batch, 12, 16));
    builder_drawn(b, "target", SHAPE(batch, 12, 16));
    builder_layer(b, "encoder", "TransformerEncoderLayer", NULL);
    integers(b, "d_model", 16, "nhead", 4);
    builder_integer(b, "dim_feedforward", 32);
    builder_boolean(b, "batch_first", true);
    builder_layer(b, "attention", "MultiheadAttention", NULL);
    integers(b, "embed_dim", 16, "num_heads", 2);
    builder_boolean(b, "batch_first", true);
    builder_layer(b, "norm", "LayerNorm", NULL);
    builder_integer(b, "normalized_shape", 16);
    builder_loss(b, "MSELoss", NULL);
}

/* In float32 an overflow, whose origin is looked for in further runs. */
static void overflowing(struct builder *b, int64_t batch)
{
    builder_drawn(b, "input", SHAPE(batch, 64));
    builder_drawn(b, "target", SHAPE(batch, 64));
    builder_layer(b, "scale", "Scale", NULL);
    builder_real(b, "factor", 100);
    builder_linear(b, "fc", NULL, 64, 64);
    builder_layer(b, "exp", "Exp", NULL);
    builder_loss(b, "MSELoss", NULL);
}

/* No samples of two tokens, of many features each: whatever has an element for each feature shows. */
static void hollow(struct builder *b, int64_t batch)
{
    (void)batch;
    builder_drawn(b, "input", SHAPE(0, 2, INT32_MAX));
    builder_drawn(b, "target", SHAPE(0, 2, INT32_MAX));
    builder_layer(b, "act", "Sigmoid", NULL);
    builder_layer(b, "scale", "Scale", NULL);
    builder_real(b, "factor", 2);
    builder_loss(b, "MSELoss", NULL);
}

static const struct {
    const char *name;
    void (*describe)(struct builder *b, int64_t batch);
} networks[] = {{"a perceptron", perceptron},       {"a convolutional network", convolutional},
                {"a recurrent network", recurrent}, {"attention", attentive},
                {"an overflow", overflowing},       {"nothing", hollow}};
enum { NETWORK_COUNT = sizeof(networks) / sizeof(networks[0]) };

/* Calls `try` for every network, in both precisions, with and without samples. */
static void for_each_network(void (*try)(struct builder *b, const char *name))
{
    static const int64_t batches[] = {0, 1, 8};
    for (int i = 0; i < NETWORK_COUNT * 6; i++) {
        char name[64];
        struct builder b = {0};
        networks[i / 6].describe(&b, batches[i / 2 % 3]);
        builder_options(&b)->precision = i % 2 ? STABILITY_PRECISION_FLOAT64 : STABILITY_PRECISION_FLOAT32;
        snprintf(name, sizeof(name), "%s, batch %d, %s", networks[i / 6].name, (int)batches[i / 2 % 3],
                 i % 2 ? "float64" : "float32");
        try(&b, name);
        builder_free(&b);
    }
}

/* A batch without samples may be refused. */
static void expect_done(const struct builder *b, const char *what, bool done,
                        const struct stability_error *error)
{
    if (!done && stability_shape_count(&b->data[0].recipe.shape) > 0)
        fail_msg("%s: %s", what, error->message);
}

static void diagnose(struct builder *b, const char *network)
{
    for (size_t i = 0; i < stability_analysis_type_count(); i++) {
        char what[128];
        struct stability_error error = {0};
        const char *analysis = stability_analysis_type_at(i)->name;
        snprintf(what, sizeof(what), "%s, %s", network, analysis);
        builder_ask(b, analysis, 0, NULL);
        struct stability_report *report = diagnose_within_plan(&b->request, what, &error);
        expect_done(b, what, report != NULL, &error);
        stability_report_free(report);
    }
}

static void gradcheck(struct builder *b, const char *network)
{
    struct stability_error error = {0};
    if (b->request.options.precision != STABILITY_PRECISION_FLOAT64)
        return;
    struct stability_gradcheck_report *report = gradcheck_within_plan(&b->request, network, &error);
    expect_done(b, network, report != NULL, &error);
    stability_gradcheck_report_free(report);
}

static void analyses_stay_within_their_plan(void **state)
{
    (void)state;
    for_each_network(diagnose);
}

static void gradient_checks_stay_within_their_plan(void **state)
{
    (void)state;
    for_each_network(gradcheck);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(analyses_stay_within_their_plan),
        cmocka_unit_test(gradient_checks_stay_within_their_plan),
    };
    struct stability_error error = {0};
    return stability_initialize(&error) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
