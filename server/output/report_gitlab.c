/* GitLab's code quality report: https://docs.gitlab.com/ci/testing/code_quality/ */
#include "server/output/format.h"
#include "server/output/gradcheck_findings.h"
#include "server/output/phrases.h"

static const char *const severities[] = {
    [STABILITY_INFO] = "info", [STABILITY_WARNING] = "major", [STABILITY_ERROR_SEVERITY] = "critical"};

static void member_location(struct json_writer *json)
{
    json_key(json, "location");
    json_begin_object(json);
    json_member_text(json, "path", PHRASE_ARTIFACT);
    json_key(json, "lines");
    json_begin_object(json);
    json_member_integer(json, "begin", 1);
    json_end_object(json);
    json_end_object(json);
}

static void write_issues(const struct findings *findings, struct buffer *buffer)
{
    struct json_writer json = {.buffer = buffer};
    struct buffer text = {0};
    json_begin_array(&json);
    for (size_t i = 0; i < findings->count; i++) {
        const struct stability_finding *finding = &findings->items[i];
        json_begin_object(&json);
        phrase_finding(&text, finding);
        phrase_member(&json, "description", &text);
        json_member_text(&json, "check_name", finding->rule);
        json_member_text(&json, "fingerprint", finding->fingerprint);
        json_member_text(&json, "severity", severities[finding->severity]);
        member_location(&json);
        json_end_object(&json);
    }
    json_end_array(&json);
    buffer_append(buffer, "\n", 1);
    buffer_free(&text);
}

void report_gitlab(const struct stability_report *report, const struct report_findings *baseline,
                   struct buffer *buffer)
{
    struct findings findings = findings_of(report, baseline);
    write_issues(&findings, buffer);
}

void gradcheck_gitlab(const struct stability_gradcheck_report *report, struct buffer *buffer)
{
    gradcheck_findings_write(report, write_issues, buffer);
}
