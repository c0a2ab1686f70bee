/* JUnit's XML, as Jenkins, GitLab and GitHub's actions read it. Every layer is a test case, and every rule;
 * of a gradient check every parameter. Findings that are severe enough, and that no baseline has, are
 * failures of their rule and of what they name; all others stand in the test case's system-out. */
#include "server/output/escape.h"
#include "server/output/format.h"
#include "server/output/gradcheck.h"
#include "server/output/gradcheck_findings.h"
#include "server/output/phrases.h"
#include "server/output/references.h"

#include <string.h>

struct document {
    struct buffer *out;
    const struct findings *findings;
    const void *report;      /* of either kind: its suites and properties know which */
    const void *of_subjects; /* what finds the findings of a layer or a parameter */
    struct buffer indices;   /* size_t each: the findings that the test case at hand tells */
};

/* Test cases of one kind, by index. */
struct suite {
    const char *name;
    size_t count;
    const char *(*test_name)(const struct document *document, size_t index);
    void (*select)(struct document *document, size_t index); /* appends to `indices` */
    bool detailed;                                           /* tells each finding in full */
};

/* What a suite says of the whole report. */
struct property {
    const char *name;
    void (*phrase)(struct buffer *buffer, const void *report);
};

#define PROPERTIES 4

static const char *model_name(const struct document *document)
{
    return document->findings->model != NULL ? document->findings->model : PHRASE_ARTIFACT;
}

static void append_attribute(struct document *document, const char *name, const char *value)
{
    buffer_format(document->out, " %s=\"", name);
    escape_text(document->out, ESCAPE_MARKUP, value);
    buffer_append_text(document->out, "\"");
}

/* The findings of a test case, in the order of the report: the most severe first. */
static const size_t *select_findings(struct document *document, const struct suite *suite, size_t index,
                                     size_t *count)
{
    buffer_truncate(&document->indices, 0);
    suite->select(document, index);
    *count = document->indices.failed ? 0 : document->indices.length / sizeof(size_t);
    return (const size_t *)(const void *)document->indices.data;
}

static bool is_known(const struct document *document, size_t finding)
{
    return !report_findings_lack(document->findings->baseline,
                                 document->findings->items[finding].fingerprint);
}

static bool is_failure(const struct document *document, size_t finding)
{
    return document->findings->items[finding].severity >= document->findings->failing &&
           !is_known(document, finding);
}

/* How many of a test case's findings are failures. */
static size_t count_failing(const struct document *document, const size_t *findings, size_t count)
{
    size_t failing = 0;
    for (size_t i = 0; i < count; i++) {
        failing += is_failure(document, findings[i]);
    }
    return failing;
}

/* How many of a suite's test cases fail. */
static size_t count_failures(struct document *document, const struct suite *suite)
{
    size_t failures = 0;
    for (size_t i = 0; i < suite->count; i++) {
        size_t count;
        const size_t *findings = select_findings(document, suite, i, &count);
        failures += count_failing(document, findings, count) > 0;
    }
    return failures;
}

/* One line a finding, and what explains it on those that follow. */
static void print_finding(struct document *document, const struct suite *suite, size_t index)
{
    const struct stability_finding *finding = &document->findings->items[index];
    struct buffer *out = document->out;
    buffer_format(out, "%s%s: %s: ", is_known(document, index) ? "known " : "",
                  stability_severity_name(finding->severity), finding->rule);
    size_t start = out->length;
    phrase_sentence(out, finding->message);
    if (suite->detailed && finding->cause != NULL) {
        buffer_append_text(out, "\n  cause: ");
        phrase_sentence(out, finding->cause);
    }
    if (suite->detailed && finding->evidence_count > 0) {
        buffer_append_text(out, "\n  evidence: ");
        phrase_evidence(out, finding);
    }
    escape_tail(out, ESCAPE_MARKUP, start);
    buffer_append_text(out, "\n");
}

/* Those of a test case's findings that are failures, or those that are not. */
static void print_findings(struct document *document, const struct suite *suite, const size_t *findings,
                           size_t count, bool failures)
{
    for (size_t i = 0; i < count; i++) {
        if (is_failure(document, findings[i]) == failures) {
            print_finding(document, suite, findings[i]);
        }
    }
}

static void write_failure(struct document *document, const struct suite *suite, const size_t *findings,
                          size_t count)
{
    size_t worst = 0;
    while (!is_failure(document, findings[worst])) {
        worst++;
    }
    const struct stability_finding *first = &document->findings->items[findings[worst]];
    buffer_append_text(document->out, "<failure message=\"");
    size_t start = document->out->length;
    phrase_sentence(document->out, first->message);
    escape_tail(document->out, ESCAPE_MARKUP, start);
    buffer_append_text(document->out, "\"");
    append_attribute(document, "type", first->rule);
    buffer_append_text(document->out, ">");
    print_findings(document, suite, findings, count, true);
    buffer_append_text(document->out, "</failure>\n");
}

static void write_test(struct document *document, const struct suite *suite, size_t index)
{
    size_t count;
    const size_t *findings = select_findings(document, suite, index, &count);
    size_t failures = count_failing(document, findings, count);
    buffer_append_text(document->out, "<testcase classname=\"");
    escape_text(document->out, ESCAPE_MARKUP, model_name(document));
    buffer_format(document->out, ".%s\"", suite->name);
    append_attribute(document, "name", suite->test_name(document, index));
    if (count == 0) {
        buffer_append_text(document->out, "/>\n");
        return;
    }
    buffer_append_text(document->out, ">\n");
    if (failures > 0) {
        write_failure(document, suite, findings, count);
    }
    if (failures < count) {
        buffer_append_text(document->out, "<system-out>");
        print_findings(document, suite, findings, count, false);
        buffer_append_text(document->out, "</system-out>\n");
    }
    buffer_append_text(document->out, "</testcase>\n");
}

static void write_property(struct document *document, const struct property *property)
{
    buffer_format(document->out, "<property name=\"%s\" value=\"", property->name);
    size_t start = document->out->length;
    property->phrase(document->out, document->report);
    escape_tail(document->out, ESCAPE_MARKUP, start);
    buffer_append_text(document->out, "\"/>\n");
}

static void write_suite(struct document *document, const struct suite *suite,
                        const struct property properties[PROPERTIES], size_t failures)
{
    buffer_format(document->out,
                  "<testsuite name=\"%s\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"0\">\n",
                  suite->name, suite->count, failures);
    buffer_append_text(document->out, "<properties>\n");
    for (size_t i = 0; i < PROPERTIES; i++) {
        write_property(document, &properties[i]);
    }
    buffer_append_text(document->out, "</properties>\n");
    for (size_t i = 0; i < suite->count; i++) {
        write_test(document, suite, i);
    }
    buffer_append_text(document->out, "</testsuite>\n");
}

/* The indices of the document are freed. */
static void write_document(struct document *document, const struct suite *suites, size_t suite_count,
                           const struct property properties[PROPERTIES])
{
    size_t tests = 0, failures = 0;
    for (size_t i = 0; i < suite_count; i++) {
        tests += suites[i].count;
        failures += count_failures(document, &suites[i]);
    }
    buffer_append_text(document->out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
    append_attribute(document, "name", model_name(document));
    buffer_format(document->out, " tests=\"%zu\" failures=\"%zu\" errors=\"0\">\n", tests, failures);
    for (size_t i = 0; i < suite_count; i++) {
        write_suite(document, &suites[i], properties, count_failures(document, &suites[i]));
    }
    buffer_append_text(document->out, "</testsuites>\n");
    document->out->failed = document->out->failed || document->indices.failed;
    buffer_free(&document->indices);
}

/* ---- diagnoses ---- */

static const char *layer_name(const struct document *document, size_t index)
{
    const struct stability_report *report = document->report;
    return report->layers[index].name;
}

static void select_layer(struct document *document, size_t index)
{
    size_t count;
    const struct reference *references =
        references_of(document->of_subjects, layer_name(document, index), &count);
    for (size_t i = 0; i < count; i++) {
        buffer_append(&document->indices, &references[i].finding, sizeof(size_t));
    }
}

static const char *rule_name(const struct document *document, size_t index)
{
    return document->findings->rule_at(index)->name;
}

static void select_rule(struct document *document, size_t index)
{
    for (size_t i = 0; i < document->findings->count; i++) {
        if (strcmp(document->findings->items[i].rule, rule_name(document, index)) == 0) {
            buffer_append(&document->indices, &i, sizeof i);
        }
    }
}

static void phrase_verdict(struct buffer *buffer, const void *report)
{
    const struct stability_report *diagnosis = report;
    buffer_append_text(buffer, stability_verdict_name(diagnosis->verdict));
}

static void phrase_loss(struct buffer *buffer, const void *report)
{
    const struct stability_report *diagnosis = report;
    phrase_number(buffer, diagnosis->loss);
}

static void phrase_gradient_norm(struct buffer *buffer, const void *report)
{
    const struct stability_report *diagnosis = report;
    phrase_number(buffer, diagnosis->gradient_norm);
}

static void phrase_versions(struct buffer *buffer, const void *report)
{
    phrase_engine(buffer, report);
}

void report_junit(const struct stability_report *report, const struct report_findings *baseline,
                  struct buffer *buffer)
{
    static const struct property properties[PROPERTIES] = {{"verdict", phrase_verdict},
                                                           {"loss", phrase_loss},
                                                           {"gradient_norm", phrase_gradient_norm},
                                                           {"engine", phrase_versions}};
    struct findings findings = findings_of(report, baseline);
    const struct suite suites[] = {
        {"layers", report->layer_count, layer_name, select_layer, false},
        {"rules", findings.rule_count, rule_name, select_rule, true},
    };
    struct references references = {0};
    references_collect(&references, report);
    struct document document = {
        .out = buffer, .findings = &findings, .report = report, .of_subjects = &references};
    write_document(&document, suites, sizeof suites / sizeof suites[0], properties);
    buffer->failed = buffer->failed || references.storage.failed;
    buffer_free(&references.storage);
}

/* ---- gradient checks ---- */

static const char *parameter_name(const struct document *document, size_t index)
{
    const struct stability_gradcheck_report *report = document->report;
    return report->parameters[index].name;
}

static void select_parameter(struct document *document, size_t index)
{
    for (size_t i = 0; i < document->findings->count; i++) {
        if (gradcheck_findings_parameter(document->of_subjects, i) == index) {
            buffer_append(&document->indices, &i, sizeof i);
        }
    }
}

static void phrase_check(struct buffer *buffer, const void *report)
{
    gradcheck_phrase_verdict(buffer, report);
}

static void phrase_check_loss(struct buffer *buffer, const void *report)
{
    const struct stability_gradcheck_report *check = report;
    phrase_number(buffer, check->loss);
}

static void phrase_check_suspects(struct buffer *buffer, const void *report)
{
    gradcheck_phrase_suspects(buffer, report);
}

static void phrase_check_engine(struct buffer *buffer, const void *report)
{
    gradcheck_phrase_engine(buffer, report);
}

void gradcheck_junit(const struct stability_gradcheck_report *report, struct buffer *buffer)
{
    static const struct property properties[PROPERTIES] = {{"verdict", phrase_check},
                                                           {"loss", phrase_check_loss},
                                                           {"suspect_layers", phrase_check_suspects},
                                                           {"engine", phrase_check_engine}};
    const struct suite suite = {"gradients", report->parameter_count, parameter_name, select_parameter, true};
    struct gradcheck_findings findings = {0};
    if (!gradcheck_findings_make(&findings, report)) {
        buffer->failed = true;
        return;
    }
    struct document document = {
        .out = buffer, .findings = &findings.list, .report = report, .of_subjects = &findings};
    write_document(&document, &suite, 1, properties);
    gradcheck_findings_free(&findings);
}
