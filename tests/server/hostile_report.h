/* Reports that try to break out of a format: names that mean something in each of them, and more findings
 * than anyone wants to read. */
#ifndef TESTS_HOSTILE_REPORT_H
#define TESTS_HOSTILE_REPORT_H

#include "failing_buffer.h"
#include "sample_report.h"
#include "server/output/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define SIXTEEN(text) text text text text text text text text text text text text text text text text
/* 128 characters of four bytes each. */
#define LONGEST_NAME                                                           \
    SIXTEEN("\xF0\x9F\x98\x80\xF0\x9D\x92\x9C\xF0\x9F\x98\x80\xF0\x9D\x92\x9C" \
            "\xF0\x9F\x98\x80\xF0\x9D\x92\x9C\xF0\x9F\x98\x80\xF0\x9D\x92\x9C")

#define SCRIPT "<script>alert(1)</script>"
#define QUOTES "it's \"quoted\" & &amp; ]]> --> <!--"
#define PIPES "a\\|b | `c` *d* _e_ ~f~ #g $h$ @team {0} [i](http://example.com)"
#define CONTROLS "\x01\x1b[31m\x7f\n\t\r\xE2\x80\x8B\xC2\x80\xEF\xBF\xBE\xFF"

/* clang-format off */
static const char *const hostile_names[] = {SCRIPT, QUOTES, PIPES, CONTROLS, LONGEST_NAME};

#define HOSTILE_LAYER(text) \
    {.name = text, .type = text, .output_count = 1, .outputs = &(const struct stability_output_report){ \
         .name = "", .shape = {2, {32, 64}}, .value = &plain, .gradient = &poisoned}, \
     .parameter_count = 1, .parameters = &(const struct stability_parameter_report){ \
         .name = text, .shape = {1, {64}}, .shared_with = text, .value = &infinite, .gradient = &tiny}, \
     .is_activation = true, .dead_fraction = 0.5, .saturated_fraction = 1}

static const struct stability_layer_report hostile_layers[] = {
    HOSTILE_LAYER(SCRIPT), HOSTILE_LAYER(QUOTES), HOSTILE_LAYER(PIPES), HOSTILE_LAYER(CONTROLS),
    HOSTILE_LAYER(LONGEST_NAME),
};

static const struct stability_finding hostile_findings[] = {
    {.rule = "non-finite", .severity = STABILITY_ERROR_SEVERITY, .layer_count = LENGTH(hostile_names),
     .layers = hostile_names, .message = "in " SCRIPT QUOTES PIPES CONTROLS, .cause = "of " CONTROLS PIPES QUOTES SCRIPT,
     .evidence_count = 1, .evidence = (const struct stability_evidence[]){{"value", NAN}},
     .fingerprint = "0123456789abcdef"},
    {.rule = "dead-units", .severity = STABILITY_INFO, .message = "no layer at all", .fingerprint = "fedcba9876543210"},
};

#define HOSTILE_RESULT(words, following) \
    {.kind = STABILITY_RESULT_OBJECT, .name = "", .next = following, \
     .children = &(const struct stability_result){.kind = STABILITY_RESULT_TEXT, .name = "layer", .text = words, \
         .next = &(const struct stability_result){.kind = STABILITY_RESULT_NUMBER, .name = "ratio", .number = NAN}}}

static const struct stability_result hostile_results[] = {
    HOSTILE_RESULT(SCRIPT, &hostile_results[1]), HOSTILE_RESULT(QUOTES, &hostile_results[2]),
    HOSTILE_RESULT(PIPES, &hostile_results[3]), HOSTILE_RESULT(CONTROLS, &hostile_results[4]),
    HOSTILE_RESULT(LONGEST_NAME, NULL),
};

static const struct stability_result hostile_analyses = {
    .kind = STABILITY_RESULT_OBJECT, .name = "", .children = &(const struct stability_result){
        .kind = STABILITY_RESULT_OBJECT, .name = "training", .children = &(const struct stability_result){
            .kind = STABILITY_RESULT_TEXT, .name = "message", .text = "in " SCRIPT QUOTES PIPES CONTROLS,
            .next = &(const struct stability_result){
                .kind = STABILITY_RESULT_LIST, .name = "layers", .children = hostile_results}}}};

static const struct stability_report hostile_report = {
    .verdict = STABILITY_UNSTABLE, .model = PIPES SCRIPT CONTROLS QUOTES, .loss = NAN, .gradient_norm = -INFINITY,
    .findings_by_severity = {1, 0, 1}, .finding_count = LENGTH(hostile_findings), .findings = hostile_findings,
    .layer_count = LENGTH(hostile_layers), .layers = hostile_layers, .blas = SCRIPT PIPES,
    .analyses = &hostile_analyses, .asked_count = 1, .asked = (const char *const[]){"training"},
};

static const struct stability_report empty_report = {
    .loss = 0.5, .precision = STABILITY_PRECISION_FLOAT64, .evaluate = true, .seed = 7};
/* clang-format on */

static inline struct buffer write_report(const char *format, const struct stability_report *report)
{
    struct buffer buffer = {0};
    assert_true(report_format(format_find(format), report, NULL, &buffer));
    assert_int_equal(strlen(buffer.data), buffer.length);
    return buffer;
}

/* `count` layers, and a finding of the rule dead-units in each, which is an error in every third. */
struct many {
    struct stability_report report;
    struct stability_layer_report *layers;
    struct stability_finding *findings;
    char (*names)[32];
    const char **pointers;
};

static inline struct many make_many(size_t count)
{
    static const struct stability_output_report output = {
        .name = "", .shape = {2, {32, 64}}, .value = &plain, .gradient = &tiny};
    struct many many = {.layers = calloc(count, sizeof *many.layers),
                        .findings = calloc(count, sizeof *many.findings),
                        .names = calloc(count, sizeof *many.names),
                        .pointers = calloc(count, sizeof *many.pointers)};
    assert_true(many.layers && many.findings && many.names && many.pointers);
    for (size_t i = 0; i < count; i++) {
        snprintf(many.names[i], sizeof many.names[i], "block.%zu.linear", i);
        many.pointers[i] = many.names[i];
        many.layers[i] = (struct stability_layer_report){
            .name = many.names[i], .type = "Linear", .output_count = 1, .outputs = &output};
        many.findings[i] = (struct stability_finding){.rule = "dead-units",
                                                      .severity = i < count / 3 ? STABILITY_ERROR_SEVERITY
                                                                                : STABILITY_WARNING,
                                                      .layer_count = i == 0 ? count : 1,
                                                      .layers = many.pointers + i,
                                                      .message = "90 % of the units are dead",
                                                      .fingerprint = "0123456789abcdef"};
    }
    many.report = sample_report;
    many.report.layer_count = many.report.finding_count = count;
    many.report.layers = many.layers;
    many.report.findings = many.findings;
    return many;
}

static inline void free_many(struct many *many)
{
    free(many->layers);
    free(many->findings);
    free(many->names);
    free(many->pointers);
}

/* Twelve findings, errors all of them, in the sample's first layer. */
static inline struct stability_report make_repeated(struct stability_finding findings[12])
{
    static const char *const names[] = {"fc1"};
    for (size_t i = 0; i < 12; i++) {
        findings[i] = sample_findings[0];
        findings[i].layer_count = 1;
        findings[i].layers = names;
    }
    struct stability_report report = sample_report;
    report.findings = findings;
    report.finding_count = 12;
    return report;
}

/* Lets each reallocation of a report fail in turn: the writer must say so, and leave nothing behind. */
static inline void check_allocation_failures(const char *format, const struct stability_report *report)
{
    long failure = 0;
    for (;; failure++) {
        struct buffer buffer = {0};
        reallocations_before_failure = failure;
        bool written = report_format(format_find(format), report, NULL, &buffer);
        bool all_succeeded = reallocations_before_failure >= 0;
        reallocations_before_failure = -1;
        assert_int_equal(written, all_succeeded);
        assert_int_equal(buffer.failed, !written);
        buffer_free(&buffer);
        if (written) {
            break;
        }
    }
    assert_true(failure > 3);
}

#endif
