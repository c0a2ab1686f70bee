/* Any bytes as a report that others are compared with: they are read or refused with an error. */
#include "server/report_findings.h"
#include "tests/fuzz/fuzz.h"

static void check_json(const char *json, size_t length)
{
    struct report_findings findings = {0};
    struct stability_error error = {0};
    bool done = report_findings_read(&findings, json, length, &error);
    require(done == (error.code == STABILITY_OK) && done == (error.message[0] == '\0'));
    for (size_t i = 0; done && i < findings.count; i++) {
        require(!report_findings_lack(&findings, findings.items[i].fingerprint));
    }
    report_findings_free(&findings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = copy_of(data, size);
    check_json(copy, size);
    free(copy);
    return 0;
}
