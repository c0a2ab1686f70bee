/* What a caller chooses about a report: its format, and from which findings on it counts as a failure. The
 * query of a URL and the command line say the same things with the same words. */
#ifndef SERVER_REPORT_CHOICE_H
#define SERVER_REPORT_CHOICE_H

#include "server/output/format.h"
#include "server/report_findings.h"

#include <stability/error.h>

/* Starts zeroed: no format yet, nothing fails. */
struct report_choice {
    const struct format *format; /* NULL: not chosen */
    bool gated;                  /* findings of `fail_on` or more severe ones fail */
    enum stability_severity fail_on;
    const struct report_findings *baseline; /* findings that it has do not fail; NULL: none */
    bool compared; /* nor do those of a kept report that were known when it was made, by its own baseline */
};

/* Read a format's or a severity's name. False with a message that names the known ones. */
bool report_choose_format(struct report_choice *choice, const char *name, struct stability_error *error);
bool report_choose_fail_on(struct report_choice *choice, const char *name, struct stability_error *error);

/* Whether the report has findings that fail by this choice. */
bool report_fails(const struct report_choice *choice, const struct stability_report *report);
/* The same for a report, or a gradient check, that is kept. */
bool report_findings_fail(const struct report_choice *choice, const struct report_findings *findings);

#endif
