#include <stability/report.h>

#include <string.h>

const struct stability_result *stability_result_member(const struct stability_result *object,
                                                       const char *name)
{
    const struct stability_result *member =
        object && object->kind == STABILITY_RESULT_OBJECT ? object->children : NULL;
    while (member && strcmp(member->name, name) != 0)
        member = member->next;
    return member;
}

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
