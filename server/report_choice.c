#include "server/report_choice.h"

#include "server/nearest.h"

#include <string.h>

static void list_formats(struct buffer *text, struct nearest *nearest)
{
    for (size_t i = 0; i < format_count(); i++) {
        buffer_append_text(text, i == 0 ? "" : ", ");
        buffer_append_text(text, format_at(i)->name);
        nearest_offer(nearest, format_at(i)->name);
    }
}

bool report_choose_format(struct report_choice *choice, const char *name, struct stability_error *error)
{
    choice->format = format_find(name);
    if (choice->format != NULL) {
        return true;
    }
    char hint[NEAREST_HINT];
    struct nearest nearest = {0};
    struct buffer known = {0};
    list_formats(&known, &nearest);
    stability_fail(error, STABILITY_ERROR_NOT_ACCEPTABLE, NULL, "there is no format '%s'%s (there are %s)",
                   name, nearest_hint(&nearest, name, hint), known.failed ? "others" : known.data);
    buffer_free(&known);
    return false;
}

bool report_choose_fail_on(struct report_choice *choice, const char *name, struct stability_error *error)
{
    for (int severity = STABILITY_INFO; severity <= STABILITY_ERROR_SEVERITY; severity++) {
        if (strcmp(stability_severity_name((enum stability_severity)severity), name) == 0) {
            choice->gated = true;
            choice->fail_on = (enum stability_severity)severity;
            return true;
        }
    }
    return stability_fail(error, STABILITY_ERROR_PARAMETER, NULL,
                          "fail_on must be error, warning or info, not '%s'", name);
}

/* Whether there are findings whose severity fails. */
static bool fail_by(const struct report_choice *choice, const struct report_news *news)
{
    int64_t count = 0;
    for (int severity = (int)choice->fail_on; severity <= STABILITY_ERROR_SEVERITY; severity++) {
        count += news->counts[severity];
    }
    return choice->gated && count > 0;
}

bool report_fails(const struct report_choice *choice, const struct stability_report *report)
{
    struct report_news news = report_findings_compare(choice->baseline, report);
    return fail_by(choice, &news);
}

bool report_findings_fail(const struct report_choice *choice, const struct report_findings *findings)
{
    bool fails = findings->failed;
    if (choice->compared && findings->compared) {
        return fail_by(choice, &findings->news);
    }
    for (size_t i = 0; i < findings->count; i++) {
        const struct report_finding *finding = &findings->items[i];
        fails = fails || (finding->severity >= choice->fail_on &&
                          report_findings_lack(choice->baseline, finding->fingerprint));
    }
    return choice->gated && fails;
}
