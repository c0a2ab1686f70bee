/* SARIF 2.1.0 (OASIS Standard, 2020), within the limits of GitHub's code scanning. */
#include "server/output/escape.h"
#include "server/output/fixes.h"
#include "server/output/format.h"
#include "server/output/gradcheck_findings.h"
#include "server/output/phrases.h"

#include <stability/stability.h>

#include <ctype.h>
#include <string.h>

/* GitHub keeps that many results of a run, the most severe ones, and that many locations of a result. */
#define LISTED_RESULTS 5000
#define LISTED_LOCATIONS 100

static const char *const levels[] = {
    [STABILITY_INFO] = "note", [STABILITY_WARNING] = "warning", [STABILITY_ERROR_SEVERITY] = "error"};

/* As GitHub names them in a rule's properties. */
static const char *const problem_severities[] = {[STABILITY_INFO] = "recommendation",
                                                 [STABILITY_WARNING] = "warning",
                                                 [STABILITY_ERROR_SEVERITY] = "error"};

struct log {
    struct json_writer json;
    struct buffer text; /* one message at a time */
};

/* Writes what stands in `text` as a message object, or one format of a multiformat message. */
static void member_message(struct log *log, const char *key)
{
    json_key(&log->json, key);
    json_begin_object(&log->json);
    escape_tail(&log->text, ESCAPE_SARIF, 0);
    phrase_member(&log->json, "text", &log->text);
    json_end_object(&log->json);
}

/* "vanishing-gradient" as "Vanishing gradient". */
static void append_title(struct buffer *text, const char *rule)
{
    size_t start = text->length;
    buffer_append_text(text, rule);
    if (text->failed) {
        return;
    }
    text->data[start] = (char)toupper((unsigned char)text->data[start]);
    for (char *dash = text->data + start; (dash = strchr(dash, '-')) != NULL;) {
        *dash = ' ';
    }
}

/* What a rule means: plain, or in Markdown. */
static void append_help(struct buffer *text, const struct stability_rule_type *rule, bool markdown)
{
    const char *paragraph = markdown ? "\n\n" : "\n";
    phrase_sentence(text, rule->documentation);
    for (const struct stability_threshold *row = rule->thresholds; row != NULL && row->name != NULL; row++) {
        buffer_append_text(text, row == rule->thresholds ? paragraph : "\n");
        buffer_format(text, markdown ? "- `%s`, " : "%s, ", row->name);
        phrase_number(text, row->number);
        buffer_format(text, " by default: %s", row->documentation);
    }
    if (rule->source != NULL) {
        buffer_format(text, "%sSource: %s", paragraph, rule->source);
    }
}

static void member_help(struct log *log, const struct stability_rule_type *rule)
{
    json_key(&log->json, "help");
    json_begin_object(&log->json);
    append_help(&log->text, rule, false);
    escape_tail(&log->text, ESCAPE_SARIF, 0);
    phrase_member(&log->json, "text", &log->text);
    append_help(&log->text, rule, true);
    escape_tail(&log->text, ESCAPE_SARIF, 0);
    phrase_member(&log->json, "markdown", &log->text);
    json_end_object(&log->json);
}

static void write_rule(struct log *log, const struct stability_rule_type *rule)
{
    struct json_writer *json = &log->json;
    json_begin_object(json);
    json_member_text(json, "id", rule->name);
    append_title(&log->text, rule->name);
    member_message(log, "shortDescription");
    phrase_sentence(&log->text, rule->criterion);
    member_message(log, "fullDescription");
    member_help(log, rule);
    json_key(json, "defaultConfiguration");
    json_begin_object(json);
    json_member_text(json, "level", levels[rule->severity]);
    json_end_object(json);
    json_key(json, "properties");
    json_begin_object(json);
    json_member_text(json, "problem.severity", problem_severities[rule->severity]);
    json_key(json, "tags");
    json_begin_array(json);
    json_write_text(json, "numerical-stability");
    json_end_array(json);
    json_end_object(json);
    json_end_object(json);
}

static void member_tool(struct log *log, const struct findings *findings)
{
    struct json_writer *json = &log->json;
    json_key(json, "tool");
    json_begin_object(json);
    json_key(json, "driver");
    json_begin_object(json);
    json_member_text(json, "name", "stabilityd");
    json_member_text(json, "semanticVersion", STABILITY_VERSION);
    json_key(json, "rules");
    json_begin_array(json);
    for (size_t i = 0; i < findings->rule_count; i++) {
        write_rule(log, findings->rule_at(i));
    }
    json_end_array(json);
    json_end_object(json);
    json_end_object(json);
}

/* GitHub shows no alert that has no place in a file: every result is in the first line of one that stands for
 * the model. `layer` may be NULL. */
static void write_location(struct json_writer *json, const char *layer)
{
    json_begin_object(json);
    json_key(json, "physicalLocation");
    json_begin_object(json);
    json_key(json, "artifactLocation");
    json_begin_object(json);
    json_member_text(json, "uri", PHRASE_ARTIFACT);
    json_end_object(json);
    json_key(json, "region");
    json_begin_object(json);
    json_member_integer(json, "startLine", 1);
    json_end_object(json);
    json_end_object(json);
    if (layer != NULL) {
        json_key(json, "logicalLocations");
        json_begin_array(json);
        json_begin_object(json);
        json_member_text(json, "name", layer);
        json_member_text(json, "fullyQualifiedName", layer);
        json_member_text(json, "kind", "module");
        json_end_object(json);
        json_end_array(json);
    }
    json_end_object(json);
}

static void member_locations(struct json_writer *json, const struct stability_finding *finding)
{
    json_key(json, "locations");
    json_begin_array(json);
    for (size_t i = 0; i < finding->layer_count && i < LISTED_LOCATIONS; i++) {
        write_location(json, finding->layers[i]);
    }
    if (finding->layer_count == 0) {
        write_location(json, NULL);
    }
    json_end_array(json);
}

/* GitHub matches alerts by primaryLocationLineHash alone. */
static void member_fingerprints(struct log *log, const struct stability_finding *finding)
{
    json_key(&log->json, "partialFingerprints");
    json_begin_object(&log->json);
    json_member_text(&log->json, "stabilityd/v1", finding->fingerprint);
    buffer_format(&log->text, "%s:1", finding->fingerprint);
    phrase_member(&log->json, "primaryLocationLineHash", &log->text);
    json_end_object(&log->json);
}

static void member_rule(struct json_writer *json, const struct findings *findings, const char *name)
{
    json_member_text(json, "ruleId", name);
    for (size_t i = 0; i < findings->rule_count; i++) {
        if (strcmp(findings->rule_at(i)->name, name) == 0) {
            json_member_unsigned(json, "ruleIndex", i);
        }
    }
}

/* SARIF's own fixes replace regions of files, and a request is none: the best one is told, and all of them
 * stand among the properties. */
static void append_first_fix(struct buffer *text, const struct stability_finding *finding)
{
    if (finding->fix_count > 0) {
        buffer_append_text(text, " Fix: ");
        phrase_fix(text, &finding->fixes[0]);
    }
}

static void write_result(struct log *log, const struct findings *findings, size_t index)
{
    const struct stability_finding *finding = &findings->items[index];
    struct json_writer *json = &log->json;
    json_begin_object(json);
    member_rule(json, findings, finding->rule);
    json_member_text(json, "level", levels[finding->severity]);
    phrase_finding(&log->text, finding);
    append_first_fix(&log->text, finding);
    member_message(log, "message");
    member_locations(json, finding);
    member_fingerprints(log, finding);
    if (findings->baseline != NULL) {
        json_member_text(json, "baselineState",
                         report_findings_lack(findings->baseline, finding->fingerprint) ? "new"
                                                                                        : "unchanged");
    }
    json_key(json, "properties");
    json_begin_object(json);
    json_key(json, "evidence");
    json_begin_object(json);
    for (size_t i = 0; i < finding->evidence_count; i++) {
        json_member_double(json, finding->evidence[i].name, finding->evidence[i].value);
    }
    json_end_object(json);
    if (finding->fix_count > 0) {
        fixes_member_json(json, finding);
    }
    json_end_object(json);
    json_end_object(json);
}

static void member_results(struct log *log, const struct findings *findings)
{
    json_key(&log->json, "results");
    json_begin_array(&log->json);
    for (size_t i = 0; i < findings->count && i < LISTED_RESULTS; i++) {
        write_result(log, findings, i);
    }
    json_end_array(&log->json);
}

/* Says so where findings had to be left out. */
static void member_invocations(struct log *log, const struct findings *findings)
{
    struct json_writer *json = &log->json;
    json_key(json, "invocations");
    json_begin_array(json);
    json_begin_object(json);
    json_member_boolean(json, "executionSuccessful", true);
    if (findings->count > LISTED_RESULTS) {
        json_key(json, "toolExecutionNotifications");
        json_begin_array(json);
        json_begin_object(json);
        json_member_text(json, "level", "note");
        buffer_format(&log->text, "The %d most severe of %zu findings are listed.", LISTED_RESULTS,
                      findings->count);
        member_message(log, "message");
        json_end_object(json);
        json_end_array(json);
    }
    json_end_object(json);
    json_end_array(json);
}

/* The category in which GitHub keeps the results: those of one model do not replace another's. */
static void member_automation(struct log *log, const struct findings *findings)
{
    json_key(&log->json, "automationDetails");
    json_begin_object(&log->json);
    buffer_append_text(&log->text, "stabilityd/");
    if (findings->model != NULL) {
        escape_text(&log->text, ESCAPE_SARIF, findings->model);
        buffer_append_text(&log->text, "/");
    }
    phrase_member(&log->json, "id", &log->text);
    json_end_object(&log->json);
}

static void write_log(const struct findings *findings, struct buffer *buffer)
{
    struct log log = {.json = {.buffer = buffer}};
    struct json_writer *json = &log.json;
    json_begin_object(json);
    json_member_text(json, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
    json_member_text(json, "version", "2.1.0");
    json_key(json, "runs");
    json_begin_array(json);
    json_begin_object(json);
    member_tool(&log, findings);
    member_automation(&log, findings);
    member_invocations(&log, findings);
    member_results(&log, findings);
    json_end_object(json);
    json_end_array(json);
    json_end_object(json);
    buffer_append(buffer, "\n", 1);
    buffer_free(&log.text);
}

void report_sarif(const struct stability_report *report, const struct report_findings *baseline,
                  struct buffer *buffer)
{
    struct findings findings = findings_of(report, baseline);
    write_log(&findings, buffer);
}

void gradcheck_sarif(const struct stability_gradcheck_report *report, struct buffer *buffer)
{
    gradcheck_findings_write(report, write_log, buffer);
}
