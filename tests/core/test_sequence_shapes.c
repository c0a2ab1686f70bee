/* What recurrent layers, attention and Upsample refuse, and where their errors point. */
#include "support.h"

#include <stability/stability.h>

#include <string.h>

enum { MOST_ATTRIBUTES = 5 };

struct refusal {
    const char *type;
    struct stability_member attributes[MOST_ATTRIBUTES];
    struct stability_shape shape;
    const char *at; /* member of the layer that the error points to */
    const char *says;
};

#define INTEGER(name, number)                              \
    {                                                      \
        name,                                              \
        {                                                  \
            .kind = STABILITY_INTEGER, .integer = (number) \
        }                                                  \
    }
#define REAL(name, number)                           \
    {                                                \
        name,                                        \
        {                                            \
            .kind = STABILITY_REAL, .real = (number) \
        }                                            \
    }
#define TRUE(name)                                     \
    {                                                  \
        name,                                          \
        {                                              \
            .kind = STABILITY_BOOLEAN, .boolean = true \
        }                                              \
    }
#define WORD(name, word)                               \
    {                                                  \
        name,                                          \
        {                                              \
            .kind = STABILITY_STRING, .string = (word) \
        }                                              \
    }
#define LIST(name, ...)                                           \
    {                                                             \
        name,                                                     \
        {                                                         \
            .kind = STABILITY_LIST, .list = {                     \
                sizeof((double[]){__VA_ARGS__}) / sizeof(double), \
                (const double[]){__VA_ARGS__},                    \
                true                                              \
            }                                                     \
        }                                                         \
    }
#define RECURRENT INTEGER("input_size", 3), INTEGER("hidden_size", 2)
#define ATTENTION INTEGER("embed_dim", 4), INTEGER("num_heads", 2)

static const struct refusal refusals[] = {
    {"RNN", {RECURRENT}, {4, {2, 2, 2, 3}}, "inputs", "(steps, batch, features) or 2 without the batch"},
    {"RNN", {RECURRENT, TRUE("batch_first")}, {1, {3}}, "inputs", "(batch, steps, features)"},
    {"GRU", {RECURRENT}, {3, {2, 2, 4}}, "input_size", "input_size = 3, got (2, 2, 4)"},
    {"GRU", {RECURRENT}, {3, {0, 2, 3}}, "inputs", "at least one step"},
    {"GRU", {RECURRENT, TRUE("batch_first")}, {3, {2, 0, 3}}, "inputs", "at least one step"},
    {"LSTM", {RECURRENT, INTEGER("proj_size", 1)}, {3, {2, 2, 3}}, "proj_size", "must be 0, got 1"},
    {"LSTM", {RECURRENT, INTEGER("num_layers", 0)}, {3, {2, 2, 3}}, "num_layers", "from 1 to 128"},
    {"LSTM", {RECURRENT, REAL("dropout", 1.5)}, {3, {2, 2, 3}}, "dropout", "from 0 to 1"},
    {"RNN", {RECURRENT, WORD("nonlinearity", "gelu")}, {3, {2, 2, 3}}, "nonlinearity", "'tanh' or 'relu'"},
    {"MultiheadAttention", {ATTENTION}, {4, {1, 1, 1, 4}}, "inputs", "(length, batch, features)"},
    {"MultiheadAttention", {ATTENTION}, {3, {2, 2, 3}}, "embed_dim", "embed_dim = 4, got (2, 2, 3)"},
    {"MultiheadAttention", {ATTENTION, INTEGER("kdim", 3)}, {3, {2, 2, 4}}, "kdim", "kdim = 3"},
    {"MultiheadAttention", {ATTENTION, INTEGER("vdim", 5)}, {3, {2, 2, 4}}, "vdim", "vdim = 5"},
    {"MultiheadAttention",
     {INTEGER("embed_dim", 4), INTEGER("num_heads", 3)},
     {2, {2, 4}},
     "num_heads",
     "multiple"},
    {"TransformerEncoderLayer",
     {INTEGER("d_model", 4), INTEGER("nhead", 3)},
     {2, {2, 4}},
     "nhead",
     "multiple"},
    {"TransformerEncoderLayer",
     {INTEGER("d_model", 4), INTEGER("nhead", 2)},
     {2, {2, 5}},
     "d_model",
     "(2, 5)"},
    {"TransformerEncoderLayer",
     {INTEGER("d_model", 4), INTEGER("nhead", 2)},
     {1, {4}},
     "inputs",
     "3 dimensions"},
    {"Upsample", {LIST("size", 4)}, {2, {2, 2}}, "mode", "(batch, channels, 1 to 3 spatial dimensions)"},
    {"Upsample", {LIST("size", 4), WORD("mode", "bilinear")}, {3, {1, 1, 2}}, "mode", "2 spatial dimensions"},
    {"Upsample", {WORD("mode", "nearest")}, {3, {1, 1, 2}}, "size", "got neither"},
    {"Upsample", {LIST("size", 4), REAL("scale_factor", 2)}, {3, {1, 1, 2}}, "size", "got both"},
    {"Upsample", {LIST("size", 4, 4)}, {3, {1, 1, 2}}, "size", "expected 1 sizes"},
    {"Upsample", {LIST("scale_factor", 2, 2)}, {3, {1, 1, 2}}, "scale_factor", "expected 1 factors"},
    {"Upsample", {REAL("scale_factor", 0.25)}, {3, {1, 1, 2}}, "scale_factor", "must be positive"},
    {"Upsample", {REAL("scale_factor", 1e18)}, {3, {1, 1, 2}}, "scale_factor", "below 2^31"},
    {"Upsample", {REAL("scale_factor", 2)}, {3, {1, 1, 0}}, "scale_factor", "must be positive"},
    {"Upsample",
     {REAL("scale_factor", 2), TRUE("align_corners")},
     {3, {1, 1, 2}},
     "align_corners",
     "nearest"},
    {"Upsample",
     {LIST("size", 4), TRUE("recompute_scale_factor")},
     {3, {1, 1, 2}},
     "recompute_scale_factor",
     "size"},
};

static void refuse(const struct stability_layer *layers, size_t layer_count,
                   const struct stability_shape *shape, const char *pointer, const char *says)
{
    static const double zeros[32];
    struct stability_named_tensor data[] = {
        {.name = "input", .tensor = {STABILITY_FLOAT64, *shape, zeros}},
        {.name = "target", .tensor = {STABILITY_FLOAT64, *shape, zeros}},
    };
    struct stability_request request = {
        .model = {.layer_count = layer_count, .layers = layers, .loss = {.type = "MSELoss"}},
        .data = {2, data},
        .options = stability_default_options,
    };
    struct stability_error error = {0};
    assert_true(stability_shape_count(shape) <= 32);
    struct stability_plan *plan = stability_plan_new(&request, &error);
    if (plan || strcmp(error.pointer, pointer) != 0 || !strstr(error.message, says))
        fail_msg("expected '%s' at %s, got '%s' at %s", says, pointer, error.message, error.pointer);
}

static void impossible_shapes_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct refusal *refusal = &refusals[i];
        struct stability_layer layer = {.name = "layer", .type = refusal->type};
        layer.attributes.items = refusal->attributes;
        while (layer.attributes.count < MOST_ATTRIBUTES && refusal->attributes[layer.attributes.count].name)
            layer.attributes.count++;
        char pointer[64] = "/model/layers/0/";
        strcat(pointer, refusal->at);
        refuse(&layer, 1, &refusal->shape, pointer, refusal->says);
    }
}

/* Attention of a query (2, 1, 4) to a key and a value that are reshaped to these. */
static void refuse_attention(int inputs, const double key[3], const double value[3], const char *says)
{
    static const char *const names[] = {"input", "key", "value"};
    const struct stability_member attention[] = {ATTENTION};
    const struct stability_member key_shape = {"shape", {.kind = STABILITY_LIST, .list = {3, key, true}}};
    const struct stability_member value_shape = {"shape", {.kind = STABILITY_LIST, .list = {3, value, true}}};
    const struct stability_layer layers[] = {
        {.name = "key", .type = "Reshape", .input_count = 1, .inputs = names, .attributes = {1, &key_shape}},
        {.name = "value",
         .type = "Reshape",
         .input_count = 1,
         .inputs = names,
         .attributes = {1, &value_shape}},
        {.name = "attention",
         .type = "MultiheadAttention",
         .input_count = (size_t)inputs,
         .inputs = names,
         .attributes = {2, attention}},
    };
    refuse(layers, 3, &(struct stability_shape){3, {2, 1, 4}}, "/model/layers/2/inputs", says);
}

static void attention_wants_inputs_that_fit(void **state)
{
    (void)state;
    const double as_query[] = {2, 1, 4}, two_samples[] = {1, 2, 4};
    refuse_attention(2, as_query, as_query, "got 2");
    refuse_attention(3, two_samples, two_samples, "same batch size");
    refuse_attention(3, as_query, two_samples, "same length and batch size");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(impossible_shapes_are_refused),
        cmocka_unit_test(attention_wants_inputs_that_fit),
    };
    return cmocka_run_group_tests_name("sequence_shapes", tests, NULL, NULL);
}
