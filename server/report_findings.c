#include "server/report_findings.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_severity(const char *name, enum stability_severity *severity)
{
    for (int i = STABILITY_INFO; name != NULL && i <= STABILITY_ERROR_SEVERITY; i++) {
        if (strcmp(stability_severity_name((enum stability_severity)i), name) == 0) {
            *severity = (enum stability_severity)i;
            return true;
        }
    }
    return false;
}

static bool read_finding(const json_t *given, struct report_finding *finding)
{
    const char *fingerprint = json_string_value(json_object_get(given, "fingerprint"));
    if (fingerprint == NULL || strlen(fingerprint) >= sizeof(finding->fingerprint)) {
        return false;
    }
    snprintf(finding->fingerprint, sizeof(finding->fingerprint), "%s", fingerprint);
    return read_severity(json_string_value(json_object_get(given, "severity")), &finding->severity);
}

static bool read_findings(struct report_findings *findings, const json_t *given,
                          struct stability_error *error)
{
    size_t count = json_array_size(given);
    findings->items = calloc(count + 1, sizeof(findings->items[0]));
    if (findings->items == NULL) {
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                              "there is no memory for the findings of a report");
    }
    for (; findings->count < count; findings->count++) {
        if (!read_finding(json_array_get(given, findings->count), &findings->items[findings->count])) {
            return stability_fail(error, STABILITY_ERROR_INVALID_VALUE, NULL,
                                  "its finding number %zu has no severity and fingerprint",
                                  findings->count + 1);
        }
    }
    return true;
}

static void read_comparison(struct report_findings *findings, const json_t *given)
{
    findings->compared = given != NULL;
    for (int i = STABILITY_INFO; i <= STABILITY_ERROR_SEVERITY; i++) {
        const char *name = stability_severity_name((enum stability_severity)i);
        findings->news.counts[i] = json_integer_value(json_object_get(json_object_get(given, "new"), name));
        findings->news.total += findings->news.counts[i];
    }
}

static bool read_report(struct report_findings *findings, const json_t *report, struct stability_error *error)
{
    const char *verdict = json_string_value(json_object_get(report, "verdict"));
    const json_t *given = json_object_get(report, "findings");
    findings->gradcheck = verdict != NULL && json_is_array(json_object_get(report, "parameters"));
    findings->failed = findings->gradcheck && strcmp(verdict, "fail") == 0;
    if (findings->gradcheck) {
        return true;
    }
    if (verdict == NULL || !json_is_array(given)) {
        return stability_fail(error, STABILITY_ERROR_INVALID_VALUE, NULL,
                              "it is not a report in format json: it has no verdict and findings");
    }
    read_comparison(findings, json_object_get(report, "baseline"));
    return read_findings(findings, given, error);
}

bool report_findings_read(struct report_findings *findings, const char *json, size_t length,
                          struct stability_error *error)
{
    json_error_t failure;
    json_t *report = json_loadb(json == NULL ? "" : json, length, JSON_REJECT_DUPLICATES, &failure);
    if (report == NULL && json_error_code(&failure) == json_error_out_of_memory) {
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory for a report");
    }
    if (report == NULL) {
        return stability_fail(error, STABILITY_ERROR_INVALID_VALUE, NULL,
                              "it is not JSON: %s (line %d, column %d)", failure.text, failure.line,
                              failure.column);
    }
    bool done = read_report(findings, report, error);
    json_decref(report);
    return done;
}

void report_findings_free(struct report_findings *findings)
{
    free(findings->items);
    *findings = (struct report_findings){0};
}

bool report_findings_lack(const struct report_findings *baseline, const char *fingerprint)
{
    for (size_t i = 0; baseline != NULL && i < baseline->count; i++) {
        if (strcmp(baseline->items[i].fingerprint, fingerprint) == 0) {
            return false;
        }
    }
    return true;
}

struct report_news report_findings_compare(const struct report_findings *baseline,
                                           const struct stability_report *report)
{
    struct report_news news = {0};
    for (size_t i = 0; i < report->finding_count; i++) {
        const struct stability_finding *finding = &report->findings[i];
        bool lacks = report_findings_lack(baseline, finding->fingerprint);
        news.counts[finding->severity] += lacks;
        news.total += lacks;
    }
    return news;
}
