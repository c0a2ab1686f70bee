/* A report made by hand that holds one of everything: what is not finite, what does not exist, names that
 * have to be escaped or cut. */
#ifndef TESTS_SAMPLE_REPORT_H
#define TESTS_SAMPLE_REPORT_H

#include <stability/report.h>

#include <math.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

/* clang-format off */
static const struct stability_statistics plain = {
    .all = {.count = 4, .mean = 0.25, .variance = 1.25, .std = 1.118033988749895, .min = -1, .max = 2, .abs_max = 2,
            .norm = 2.29128784747792, .rms = 1.14564392373896},
    .finite = {.count = 4, .mean = 0.25, .variance = 1.25, .std = 1.118033988749895, .min = -1, .max = 2, .abs_max = 2,
               .norm = 2.29128784747792, .rms = 1.14564392373896},
    .zero_count = 1,
};
static const struct stability_statistics tiny = {
    .all = {.count = 4, .mean = 1e-7, .variance = 1e-14, .std = 1e-7, .min = 0, .max = 2e-7, .abs_max = 2e-7,
            .norm = 1.7e-9, .rms = 8.5e-10},
    .finite = {.count = 4, .mean = 1e-7, .variance = 1e-14, .std = 1e-7, .min = 0, .max = 2e-7, .abs_max = 2e-7,
               .norm = 1.7e-9, .rms = 8.5e-10},
    .zero_count = 3,
    .subnormal_count = 1,
};
static const struct stability_statistics poisoned = {
    .all = {.count = 4, .mean = NAN, .variance = NAN, .std = NAN, .min = NAN, .max = NAN, .abs_max = NAN,
            .norm = NAN, .rms = NAN},
    .finite = {.count = 2, .mean = 1e+21, .variance = 0, .std = 0, .min = -0.0, .max = 1e+21, .abs_max = 1e+21,
               .norm = 1e+21, .rms = 1e+21},
    .zero_count = 1,
    .nan_count = 1,
    .inf_count = 1,
};
static const struct stability_statistics infinite = {
    .all = {.count = 1, .mean = INFINITY, .variance = NAN, .std = NAN, .min = -INFINITY, .max = INFINITY,
            .abs_max = INFINITY, .norm = INFINITY, .rms = INFINITY},
    .finite = {.count = 0, .mean = NAN, .variance = NAN, .std = NAN, .min = NAN, .max = NAN, .abs_max = NAN, .norm = 0,
               .rms = NAN},
    .inf_count = 1,
};

static const struct stability_layer_report sample_layers[] = {
    {.name = "fc1", .type = "Linear", .input_count = 1, .inputs = (const char *const[]){"input"}, .output_count = 1,
     .outputs = &(const struct stability_output_report){
         .name = "", .shape = {2, {32, 64}}, .value = &plain, .gradient = &tiny},
     .parameter_count = 2,
     .parameters = (const struct stability_parameter_report[]){
         {.name = "weight", .shape = {2, {64, 16}}, .value = &plain, .gradient = &tiny, .update_ratio = 1e-4},
         {.name = "bias", .shape = {1, {64}}, .initialized = true, .shared_with = "fc0", .value = &plain,
          .update_ratio = NAN}},
     .dead_fraction = NAN, .saturated_fraction = NAN,
     .flag_count = 1, .flags = (const char *const[]){"vanishing-gradient"}},
    {.name = "act", .type = "ReLU", .input_count = 1, .inputs = (const char *const[]){"fc1"}, .output_count = 1,
     .outputs = &(const struct stability_output_report){
         .name = "", .shape = {2, {32, 64}}, .value = &infinite, .gradient = &poisoned},
     .is_activation = true, .dead_fraction = 0.25, .saturated_fraction = NAN,
     .flag_count = 2, .flags = (const char *const[]){"vanishing-gradient", "dead-units"}},
    {.name = "lstm", .type = "LSTM", .output_count = 2,
     .outputs = (const struct stability_output_report[]){
         {.name = "", .shape = {3, {32, 2, 8}}, .value = &plain, .gradient = &plain, .step_count = 2,
          .steps = (const double[]){0.5, NAN}},
         {.name = "h_n", .shape = {3, {1, 32, 8}}, .value = &plain}},
     .parameter_count = 1,
     .parameters = (const struct stability_parameter_report[]){
         {.name = "steps", .shape = {0}, .buffer = true, .update_ratio = NAN}}},
    {.name = "encoder.\"layers\".\n\x1b[31m.self_attention.out_projection.\xC3\xA9\xFF",
     .type = "TransformerEncoderLayer", .output_count = 1,
     .outputs = &(const struct stability_output_report){.name = "", .shape = {0}, .integer = true}},
};

static const struct stability_finding sample_findings[] = {
    {.rule = "vanishing-gradient", .severity = STABILITY_ERROR_SEVERITY,
     .layer_count = 2, .layers = (const char *const[]){"fc1", "act"},
     .message = "The gradient's norm is 1.7e-09, below 1e-06, in 2 layers.",
     .cause = "The derivative of a sigmoid is at most 1/4, so each of the sixteen layers between the loss and 'fc1' "
              "makes the gradient at least four times smaller.",
     .evidence_count = 2,
     .evidence = (const struct stability_evidence[]){{"gradient_norm", 1.7e-9}, {"threshold", 1e-6}},
     .fingerprint = "0123456789abcdef"},
    {.rule = "dead-units", .severity = STABILITY_WARNING, .layer_count = 1, .layers = (const char *const[]){"act"},
     .message = "A quarter of the units is dead.", .evidence_count = 1,
     .evidence = (const struct stability_evidence[]){{"dead_units", INFINITY}}, .fingerprint = "fedcba9876543210"},
};

static const struct stability_report sample_report = {
    .verdict = STABILITY_UNSTABLE,
    .model = "digits-mlp",
    .loss = 2.31,
    .gradient_norm = INFINITY,
    .parameter_count = 3466,
    .batch_size = 32,
    .flops = 665472,
    .planned_bytes = 75776,
    .findings_by_severity = {0, 1, 1},
    .finding_count = LENGTH(sample_findings),
    .findings = sample_findings,
    .layer_count = LENGTH(sample_layers),
    .layers = sample_layers,
    .precision = STABILITY_PRECISION_FLOAT32,
    .seed = UINT64_MAX,
    .blas = "OpenBLAS 0.3.21 SkylakeX",
    .blas_threads = 1,
};
/* clang-format on */

#endif
