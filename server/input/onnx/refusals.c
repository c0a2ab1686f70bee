/* What is not supported: collected while a file is translated, told all at once. */
#include "server/input/onnx/import.h"
#include "server/input/onnx/wiring.h"

#include <stdio.h>
#include <string.h>

/* `reason` NULL: the operator is not known at all. */
static bool add(struct onnx_import *import, const char *reason)
{
    struct onnx_refusal *grown = onnx_append(import, import->refusals, &import->refusal_count,
                                             &import->refusal_capacity, sizeof *grown);
    if (grown != NULL) {
        import->refusals = grown;
        grown[import->refusal_count - 1] = (struct onnx_refusal){import->node, reason};
    }
    return false;
}

bool onnx_refuse(struct onnx_import *import, const char *format, ...)
{
    char what[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    const char *reason = onnx_format(&import->memory, "%s", what);
    return reason != NULL && add(import, reason);
}

bool onnx_refuse_operator(struct onnx_import *import)
{
    return add(import, NULL);
}

#define NAMES_TOLD 3

/* Nodes with an operator that is not known at all are told together. */
static bool is_told_before(const struct onnx_import *import, size_t which)
{
    const struct onnx_refusal *refusals = import->refusals;
    for (size_t i = 0; i < which && refusals[which].reason == NULL; i++) {
        if (refusals[i].reason == NULL && strcmp(refusals[i].node->type, refusals[which].node->type) == 0) {
            return true;
        }
    }
    return false;
}

/* "Det ('a', 'b' and 3 more)", or "Pad ('c': why it is refused)". */
static void describe_refusal(const struct onnx_import *import, size_t which, char *text, size_t size)
{
    const struct onnx_refusal *refusal = &import->refusals[which];
    size_t more = 0;
    size_t names = 1;
    int used = snprintf(text, size, "%.48s ('%.64s'%s%.200s", refusal->node->type, wiring_name(refusal->node),
                        refusal->reason != NULL ? ": " : "", refusal->reason != NULL ? refusal->reason : "");
    for (size_t i = which + 1; i < import->refusal_count && refusal->reason == NULL; i++) {
        const struct onnx_refusal *other = &import->refusals[i];
        if (other->reason != NULL || strcmp(other->node->type, refusal->node->type) != 0) {
            continue;
        }
        if (names++ < NAMES_TOLD) {
            used += snprintf(text + used, size - (size_t)used, ", '%.64s'", wiring_name(other->node));
        } else {
            more++;
        }
    }
    if (more > 0) {
        used += snprintf(text + used, size - (size_t)used, " and %zu more", more);
    }
    snprintf(text + used, size - (size_t)used, ")");
}

bool onnx_fail_refused(struct onnx_import *import)
{
    char message[540] = "";
    char pointer[64];
    size_t used = 0;
    size_t left_out = 0;
    for (size_t i = 0; i < import->refusal_count; i++) {
        char one[480];
        if (is_told_before(import, i)) {
            continue;
        }
        describe_refusal(import, i, one, sizeof one);
        if (used + strlen(one) + 3 > sizeof message) {
            left_out++;
        } else {
            used +=
                (size_t)snprintf(message + used, sizeof message - used, "%s%s", used > 0 ? "; " : "", one);
        }
    }
    char more[48] = "";
    if (left_out > 0) {
        snprintf(more, sizeof more, "; and %zu more", left_out);
    }
    wiring_pointer(import, import->refusals[0].node, pointer, sizeof pointer);
    return stability_fail(import->error, STABILITY_ERROR_ONNX_UNSUPPORTED, pointer, "not supported: %s%s",
                          message, more);
}
