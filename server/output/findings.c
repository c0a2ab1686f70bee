#include "server/output/findings.h"

struct findings findings_of(const struct stability_report *report, const struct report_findings *baseline)
{
    return (struct findings){
        .model = report->model,
        .count = report->finding_count,
        .items = report->findings,
        .rule_count = stability_rule_type_count(),
        .rule_at = stability_rule_type_at,
        .failing = STABILITY_ERROR_SEVERITY,
        .baseline = baseline,
    };
}
