/* Findings and the rules that they come from: what formats tell that list them one by one, whether they are
 * of a diagnosis or of a gradient check. */
#ifndef SERVER_OUTPUT_FINDINGS_H
#define SERVER_OUTPUT_FINDINGS_H

#include "server/report_findings.h"

#include <stability/registry.h>

struct findings {
    const char *model; /* NULL: it has no name */
    size_t count;
    const struct stability_finding *items; /* the most severe first */
    size_t rule_count;
    const struct stability_rule_type *(*rule_at)(size_t index);
    enum stability_severity failing;        /* the least that a test of a pipeline fails with */
    const struct report_findings *baseline; /* NULL: there is none to compare with */
};

/* Those of a diagnosis; borrowed from the report and its baseline, which may be NULL. */
struct findings findings_of(const struct stability_report *report, const struct report_findings *baseline);

#endif
