/* The JSON report, byte for byte, and as jansson reads it back. */
#include "failing_buffer.h"
#include "sample_report.h"
#include "server/output/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#define PLAIN                                                                                            \
    "{\"count\":4,\"mean\":0.25,\"variance\":1.25,\"std\":1.118033988749895,\"min\":-1,\"max\":2,\"abs_" \
    "max\":2,"                                                                                           \
    "\"norm\":2.29128784747792,\"rms\":1.14564392373896,\"zero_fraction\":0.25,\"nan_count\":0,\"inf_"   \
    "count\":0,"                                                                                         \
    "\"subnormal_count\":0}"
#define TINY                                                                                              \
    "{\"count\":4,\"mean\":1e-7,\"variance\":1e-14,\"std\":1e-7,\"min\":0,\"max\":2e-7,\"abs_max\":2e-7," \
    "\"norm\":1.7e-9,\"rms\":8.5e-10,\"zero_fraction\":0.75,\"nan_count\":0,\"inf_count\":0,\"subnormal_" \
    "count\":1}"
#define POISONED                                                                                            \
    "{\"count\":4,\"mean\":\"NaN\",\"variance\":\"NaN\",\"std\":\"NaN\",\"min\":\"NaN\",\"max\":\"NaN\","   \
    "\"abs_max\":\"NaN\",\"norm\":\"NaN\",\"rms\":\"NaN\",\"zero_fraction\":0.25,\"nan_count\":1,\"inf_"    \
    "count\":1,"                                                                                            \
    "\"subnormal_count\":0,"                                                                                \
    "\"finite\":{\"count\":2,\"mean\":1e+21,\"variance\":0,\"std\":0,\"min\":-0,\"max\":1e+21,\"abs_max\":" \
    "1e+21,"                                                                                                \
    "\"norm\":1e+21,\"rms\":1e+21,\"zero_fraction\":0.5,\"nan_count\":0,\"inf_count\":0,\"subnormal_"       \
    "count\":0}}"
#define INFINITE                                                                                             \
    "{\"count\":1,\"mean\":\"Infinity\",\"variance\":\"NaN\",\"std\":\"NaN\",\"min\":\"-Infinity\","         \
    "\"max\":\"Infinity\",\"abs_max\":\"Infinity\",\"norm\":\"Infinity\",\"rms\":\"Infinity\",\"zero_"       \
    "fraction\":0,"                                                                                          \
    "\"nan_count\":0,\"inf_count\":1,\"subnormal_count\":0,"                                                 \
    "\"finite\":{\"count\":0,\"mean\":\"NaN\",\"variance\":\"NaN\",\"std\":\"NaN\",\"min\":\"NaN\",\"max\":" \
    "\"NaN\","                                                                                               \
    "\"abs_max\":\"NaN\",\"norm\":0,\"rms\":\"NaN\",\"zero_fraction\":\"NaN\",\"nan_count\":0,\"inf_"        \
    "count\":0,"                                                                                             \
    "\"subnormal_count\":0}}"

static const char sample_json[] =
    "{\"verdict\":\"unstable\",\"summary\":{\"model\":\"digits-mlp\",\"loss\":2.31,\"gradient_norm\":"
    "\"Infinity\","
    "\"parameter_count\":3466,\"batch_size\":32,\"flops\":665472,\"planned_bytes\":75776,"
    "\"findings\":{\"error\":1,\"warning\":1,\"info\":0}},"
    "\"findings\":["
    "{\"rule\":\"vanishing-gradient\",\"severity\":\"error\",\"layers\":[\"fc1\",\"act\"],"
    "\"message\":\"The gradient's norm is 1.7e-09, below 1e-06, in 2 layers.\","
    "\"cause\":\"The derivative of a sigmoid is at most 1/4, so each of the sixteen layers between the loss "
    "and 'fc1' "
    "makes the gradient at least four times smaller.\","
    "\"evidence\":{\"gradient_norm\":1.7e-9,\"threshold\":0.000001},\"fingerprint\":\"0123456789abcdef\","
    "\"fixes\":[]},"
    "{\"rule\":\"dead-units\",\"severity\":\"warning\",\"layers\":[\"act\"],"
    "\"message\":\"A quarter of the units is dead.\",\"cause\":null,"
    "\"evidence\":{\"dead_units\":\"Infinity\"},\"fingerprint\":\"fedcba9876543210\",\"fixes\":[]}],"
    "\"layers\":["
    "{\"name\":\"fc1\",\"type\":\"Linear\",\"inputs\":[\"input\"],\"output_shape\":[32,64],\"flags\":["
    "\"vanishing-gradient\"],"
    "\"output\":" PLAIN ",\"output_gradient\":" TINY ",\"parameters\":{"
    "\"weight\":{\"shape\":[64,16],\"initialized\":false,\"value\":" PLAIN ",\"gradient\":" TINY ","
    "\"update_ratio\":0.0001},"
    "\"bias\":{\"shape\":[64],\"initialized\":true,\"shared_with\":\"fc0\",\"value\":" PLAIN
    ",\"gradient\":null,"
    "\"update_ratio\":null}}},"
    "{\"name\":\"act\",\"type\":\"ReLU\",\"inputs\":[\"fc1\"],\"output_shape\":[32,64],\"flags\":["
    "\"vanishing-gradient\",\"dead-"
    "units\"],"
    "\"output\":" INFINITE ",\"output_gradient\":" POISONED ","
    "\"activation\":{\"dead_fraction\":0.25,\"saturated_fraction\":null},\"parameters\":{}},"
    "{\"name\":\"lstm\",\"type\":\"LSTM\",\"inputs\":[],\"output_shape\":[32,2,8],\"flags\":[],"
    "\"output\":" PLAIN ",\"output_gradient\":" PLAIN ",\"steps\":[0.5,\"NaN\"],"
    "\"outputs\":{\"h_n\":{\"shape\":[1,32,8],\"output\":" PLAIN ",\"output_gradient\":null}},"
    "\"parameters\":{\"steps\":{\"shape\":[],\"initialized\":false,\"buffer\":true,\"value\":null,"
    "\"gradient\":null,"
    "\"update_ratio\":null}}},"
    "{\"name\":\"encoder.\\\"layers\\\".\\n\\u001b[31m.self_attention.out_projection.\xC3\xA9\xEF\xBF\xBD\","
    "\"type\":\"TransformerEncoderLayer\",\"inputs\":[],\"output_shape\":[],\"flags\":[],\"output\":null,"
    "\"output_"
    "gradient\":null,"
    "\"parameters\":{}}],"
    "\"analyses\":{},"
    "\"engine\":{\"version\":\"1.0.0\",\"precision\":\"float32\",\"mode\":\"train\",\"seed\":"
    "18446744073709551615,"
    "\"blas\":\"OpenBLAS 0.3.21 SkylakeX\",\"blas_threads\":1}}\n";

static void writes_the_contract_to_the_byte(void **unused)
{
    (void)unused;
    struct buffer buffer = {0};
    assert_true(report_format(format_find("json"), &sample_report, NULL, &buffer));
    assert_string_equal(buffer.data, sample_json);
    assert_int_equal(buffer.length, sizeof sample_json - 1);
    buffer_free(&buffer);
}

static void writes_an_empty_report(void **unused)
{
    (void)unused;
    static const struct stability_report empty = {.loss = NAN,
                                                  .precision = STABILITY_PRECISION_FLOAT64,
                                                  .evaluate = true,
                                                  .seed = 7,
                                                  .blas = "OpenBLAS",
                                                  .blas_threads = 2};
    struct buffer buffer = {0};
    assert_true(report_format(format_find("json"), &empty, NULL, &buffer));
    assert_string_equal(
        buffer.data,
        "{\"verdict\":\"stable\",\"summary\":{\"model\":null,\"loss\":\"NaN\",\"gradient_norm\":0,"
        "\"parameter_count\":0,\"batch_size\":0,\"flops\":0,\"planned_bytes\":0,"
        "\"findings\":{\"error\":0,\"warning\":0,\"info\":0}},\"findings\":[],\"layers\":[],\"analyses\":{},"
        "\"engine\":{\"version\":\"1.0.0\",\"precision\":\"float64\",\"mode\":\"eval\",\"seed\":7,"
        "\"blas\":\"OpenBLAS\",\"blas_threads\":2}}\n");
    buffer_free(&buffer);
}

/* jansson has no integers over 2^63 - 1: the sample's seed would be one. */
static void reads_back(void **unused)
{
    (void)unused;
    struct stability_report report = sample_report;
    report.seed = 7;
    struct buffer buffer = {0};
    assert_true(report_format(format_find("json"), &report, NULL, &buffer));
    json_error_t error;
    json_t *parsed = json_loads(buffer.data, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(parsed);
    json_t *layers = json_object_get(parsed, "layers");
    assert_int_equal(json_array_size(layers), LENGTH(sample_layers));
    json_t *output = json_object_get(json_array_get(layers, 0), "output");
    double std = json_real_value(json_object_get(output, "std"));
    assert_true(std == plain.all.std);
    assert_int_equal(json_object_size(output), 13);
    json_t *poisoned_gradient = json_object_get(json_array_get(layers, 1), "output_gradient");
    assert_int_equal(json_object_size(poisoned_gradient), 14);
    assert_int_equal(json_object_size(json_object_get(poisoned_gradient, "finite")), 13);
    json_decref(parsed);
    buffer_free(&buffer);
}

static void fails_when_memory_ends(void **unused)
{
    (void)unused;
    long failure = 0;
    for (;; failure++) {
        struct buffer buffer = {0};
        reallocations_before_failure = failure;
        bool written = report_format(format_find("json"), &sample_report, NULL, &buffer);
        assert_true(written == !buffer.failed);
        buffer_free(&buffer);
        if (written) {
            break;
        }
    }
    reallocations_before_failure = -1;
    assert_true(failure > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_contract_to_the_byte),
        cmocka_unit_test(writes_an_empty_report),
        cmocka_unit_test(reads_back),
        cmocka_unit_test(fails_when_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
