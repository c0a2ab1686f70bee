#include <stability/report.h>

const char *stability_severity_name(enum stability_severity severity)
{
    static const char *const names[] = {
        [STABILITY_INFO] = "info",
        [STABILITY_WARNING] = "warning",
        [STABILITY_ERROR_SEVERITY] = "error",
    };
    return names[severity];
}

const char *stability_verdict_name(enum stability_verdict verdict)
{
    static const char *const names[] = {
        [STABILITY_STABLE] = "stable",
        [STABILITY_WARN] = "warning",
        [STABILITY_UNSTABLE] = "unstable",
    };
    return names[verdict];
}
