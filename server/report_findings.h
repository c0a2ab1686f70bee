/* What a report that was written as JSON found: to gate by one that is kept, and to compare a new one with
 * it.
 */
#ifndef SERVER_REPORT_FINDINGS_H
#define SERVER_REPORT_FINDINGS_H

#include <stability/error.h>
#include <stability/report.h>

struct report_finding {
    enum stability_severity severity;
    char fingerprint[17];
};

/* How many findings a baseline lacks, by severity. */
struct report_news {
    int64_t counts[STABILITY_ERROR_SEVERITY + 1];
    int64_t total;
};

/* Starts zeroed; released by report_findings_free. */
struct report_findings {
    bool gradcheck; /* it is of a gradient check, which has no findings */
    bool failed;    /* and that check failed */
    size_t count;
    struct report_finding *items;
    bool compared;           /* it was made with a baseline, */
    struct report_news news; /* which lacked these */
};

/* Reads a report in format json. False with INVALID_VALUE and a reason ("it is not JSON: …") where the bytes
 * are none. */
bool report_findings_read(struct report_findings *findings, const char *json, size_t length,
                          struct stability_error *error);
void report_findings_free(struct report_findings *findings);

/* Whether a fingerprint is not among those of a baseline; of none (NULL), always. */
bool report_findings_lack(const struct report_findings *baseline, const char *fingerprint);

/* How many findings of a report a baseline lacks; without one (NULL), all. */
struct report_news report_findings_compare(const struct report_findings *baseline,
                                           const struct stability_report *report);

#endif
