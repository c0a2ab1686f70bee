/* JUnit's XML, as Jenkins, GitLab and GitHub's actions read it. Every layer is a test case, and every rule:
 * findings of severity error are failures of their rule and of the layers that they name; all others stand in
 * the test case's system-out. */
#include "server/output/escape.h"
#include "server/output/format.h"
#include "server/output/phrases.h"
#include "server/output/references.h"

#include <stability/registry.h>

#include <inttypes.h>
#include <string.h>

struct document {
    struct buffer *out;
    const struct stability_report *report;
    struct references by_layer;
    struct buffer indices; /* size_t each: the findings that the test case at hand tells */
};

/* Test cases of one kind, by index. */
struct suite {
    const char *name;
    size_t count;
    const char *(*test_name)(const struct document *document, size_t index);
    void (*select)(struct document *document, size_t index); /* appends to `indices` */
    bool detailed;                                           /* tells each finding in full */
};

static const char *model_name(const struct document *document)
{
    return document->report->model != NULL ? document->report->model : PHRASE_ARTIFACT;
}

static void append_attribute(struct document *document, const char *name, const char *value)
{
    buffer_format(document->out, " %s=\"", name);
    escape_text(document->out, ESCAPE_MARKUP, value);
    buffer_append_text(document->out, "\"");
}

static const char *layer_name(const struct document *document, size_t index)
{
    return document->report->layers[index].name;
}

static void select_layer(struct document *document, size_t index)
{
    size_t count;
    const struct reference *references =
        references_of(&document->by_layer, document->report->layers[index].name, &count);
    for (size_t i = 0; i < count; i++) {
        buffer_append(&document->indices, &references[i].finding, sizeof(size_t));
    }
}

static const char *rule_name(const struct document *document, size_t index)
{
    (void)document;
    return stability_rule_type_at(index)->name;
}

static void select_rule(struct document *document, size_t index)
{
    for (size_t i = 0; i < document->report->finding_count; i++) {
        if (strcmp(document->report->findings[i].rule, stability_rule_type_at(index)->name) == 0) {
            buffer_append(&document->indices, &i, sizeof i);
        }
    }
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

static bool is_failure(const struct document *document, size_t finding)
{
    return document->report->findings[finding].severity == STABILITY_ERROR_SEVERITY;
}

static size_t count_failures(struct document *document, const struct suite *suite)
{
    size_t failures = 0;
    for (size_t i = 0; i < suite->count; i++) {
        size_t count;
        const size_t *findings = select_findings(document, suite, i, &count);
        failures += count > 0 && is_failure(document, findings[0]);
    }
    return failures;
}

/* One line a finding, and what explains it on those that follow. */
static void print_finding(struct document *document, const struct suite *suite, size_t index)
{
    const struct stability_finding *finding = &document->report->findings[index];
    struct buffer *out = document->out;
    buffer_format(out, "%s: %s: ", stability_severity_name(finding->severity), finding->rule);
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

static void write_failure(struct document *document, const struct suite *suite, const size_t *findings,
                          size_t count)
{
    const struct stability_finding *first = &document->report->findings[findings[0]];
    buffer_append_text(document->out, "<failure message=\"");
    size_t start = document->out->length;
    phrase_sentence(document->out, first->message);
    escape_tail(document->out, ESCAPE_MARKUP, start);
    buffer_append_text(document->out, "\"");
    append_attribute(document, "type", first->rule);
    buffer_append_text(document->out, ">");
    for (size_t i = 0; i < count; i++) {
        print_finding(document, suite, findings[i]);
    }
    buffer_append_text(document->out, "</failure>\n");
}

static void write_test(struct document *document, const struct suite *suite, size_t index)
{
    size_t count;
    const size_t *findings = select_findings(document, suite, index, &count);
    size_t failures = 0;
    while (failures < count && is_failure(document, findings[failures])) {
        failures++;
    }
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
        write_failure(document, suite, findings, failures);
    }
    if (failures < count) {
        buffer_append_text(document->out, "<system-out>");
        for (size_t i = failures; i < count; i++) {
            print_finding(document, suite, findings[i]);
        }
        buffer_append_text(document->out, "</system-out>\n");
    }
    buffer_append_text(document->out, "</testcase>\n");
}

static void write_property(struct document *document, const char *name,
                           void (*phrase)(struct buffer *, const struct stability_report *))
{
    buffer_format(document->out, "<property name=\"%s\" value=\"", name);
    size_t start = document->out->length;
    phrase(document->out, document->report);
    escape_tail(document->out, ESCAPE_MARKUP, start);
    buffer_append_text(document->out, "\"/>\n");
}

static void phrase_verdict(struct buffer *buffer, const struct stability_report *report)
{
    buffer_append_text(buffer, stability_verdict_name(report->verdict));
}

static void phrase_loss(struct buffer *buffer, const struct stability_report *report)
{
    phrase_number(buffer, report->loss);
}

static void phrase_gradient_norm(struct buffer *buffer, const struct stability_report *report)
{
    phrase_number(buffer, report->gradient_norm);
}

static void write_suite(struct document *document, const struct suite *suite, size_t failures)
{
    buffer_format(document->out,
                  "<testsuite name=\"%s\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"0\">\n",
                  suite->name, suite->count, failures);
    buffer_append_text(document->out, "<properties>\n");
    write_property(document, "verdict", phrase_verdict);
    write_property(document, "loss", phrase_loss);
    write_property(document, "gradient_norm", phrase_gradient_norm);
    write_property(document, "engine", phrase_engine);
    buffer_append_text(document->out, "</properties>\n");
    for (size_t i = 0; i < suite->count; i++) {
        write_test(document, suite, i);
    }
    buffer_append_text(document->out, "</testsuite>\n");
}

void report_junit(const struct stability_report *report, struct buffer *buffer)
{
    struct document document = {.out = buffer, .report = report};
    references_collect(&document.by_layer, report);
    const struct suite suites[] = {
        {"layers", report->layer_count, layer_name, select_layer, false},
        {"rules", stability_rule_type_count(), rule_name, select_rule, true},
    };
    size_t failures[] = {count_failures(&document, &suites[0]), count_failures(&document, &suites[1])};
    buffer_append_text(buffer, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
    append_attribute(&document, "name", model_name(&document));
    buffer_format(buffer, " tests=\"%zu\" failures=\"%zu\" errors=\"0\">\n",
                  suites[0].count + suites[1].count, failures[0] + failures[1]);
    write_suite(&document, &suites[0], failures[0]);
    write_suite(&document, &suites[1], failures[1]);
    buffer_append_text(buffer, "</testsuites>\n");
    buffer->failed = buffer->failed || document.indices.failed || document.by_layer.storage.failed;
    buffer_free(&document.indices);
    buffer_free(&document.by_layer.storage);
}
