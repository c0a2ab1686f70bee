#include "server/http/framing.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

/* libmicrohttpd parses a header where it lies: it overwrites each colon, CR and LF with a NUL and hands out
 * pointers into that memory, which has no other place for what it skipped. So whoever walks from one field to
 * the next sees by the distances whether a line ended with LF alone, a value held a NUL or a line was folded.
 */
struct framing {
    struct stability_error *error;
    uintptr_t expected; /* address where the next line must begin */
    bool is_http10;
    int host_count;
    int length_count;
    int transfer_count;
};

static bool fail(struct framing *framing, const char *message)
{
    return stability_fail(framing->error, STABILITY_ERROR_FRAMING, NULL, "%s", message);
}

/* token of RFC 9110, section 5.6.2 */
static bool is_token(const char *text, size_t length)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < length; i++) {
        char byte = text[i];
        bool letter =
            (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
        if (!letter && (byte == '\0' || strchr(marks, byte) == NULL)) {
            return false;
        }
    }
    return length > 0;
}

static bool has_control(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if ((byte < ' ' && byte != '\t') || byte == 0x7f) {
            return true;
        }
    }
    return false;
}

static bool check_length(struct framing *framing, const char *value, size_t length)
{
    if (++framing->length_count > 1) {
        return fail(framing, "the header has more than one Content-Length");
    }
    if (length == 0 || strspn(value, "0123456789") != length) {
        return fail(framing, "Content-Length is not a number");
    }
    return true;
}

static bool check_transfer(struct framing *framing, const char *value, size_t length)
{
    if (++framing->transfer_count > 1 || length != 7 || strcasecmp(value, "chunked") != 0) {
        return fail(framing, "the only Transfer-Encoding that is understood is one 'chunked'");
    }
    if (framing->is_http10) {
        return fail(framing, "HTTP/1.0 has no Transfer-Encoding");
    }
    return true;
}

static bool check_host(struct framing *framing, const char *value, size_t length)
{
    if (++framing->host_count > 1) {
        return fail(framing, "the header has more than one Host");
    }
    if (strcspn(value, " \t,/@?#") != length) {
        return fail(framing, "Host is not a host name");
    }
    return true;
}

static const struct {
    const char *name;
    bool (*check)(struct framing *framing, const char *value, size_t length);
} special_fields[] = {
    {MHD_HTTP_HEADER_HOST, check_host},
    {MHD_HTTP_HEADER_CONTENT_LENGTH, check_length},
    {MHD_HTTP_HEADER_TRANSFER_ENCODING, check_transfer},
};

static bool check_special(struct framing *framing, const char *name, const char *value, size_t length)
{
    for (size_t i = 0; i < sizeof(special_fields) / sizeof(special_fields[0]); i++) {
        if (strcasecmp(special_fields[i].name, name) == 0) {
            return special_fields[i].check(framing, value, length);
        }
    }
    return true;
}

static bool check_field(struct framing *framing, const char *name, size_t name_length, const char *value,
                        size_t value_length)
{
    if (!is_token(name, name_length)) {
        return fail(framing,
                    "a header field's name is empty or holds a byte that no name has, like a blank before "
                    "the colon");
    }
    if ((uintptr_t)name != framing->expected) {
        return fail(framing, "a header line is folded, ends with LF alone, or holds a NUL");
    }
    if (has_control(value, value_length)) {
        return fail(framing, "a header field's value holds a control character");
    }
    framing->expected = (uintptr_t)value + value_length + 2;
    return check_special(framing, name, value, value_length);
}

static enum MHD_Result visit_field(void *closure, enum MHD_ValueKind kind, const char *name,
                                   size_t name_length, const char *value, size_t value_length)
{
    (void)kind;
    return check_field(closure, name, name_length, value == NULL ? "" : value, value_length) ? MHD_YES
                                                                                             : MHD_NO;
}

/* "GET /target HTTP/1.1" with one blank between the words and CR LF at the end. */
static bool check_request_line(struct framing *framing, const char *method, const char *target,
                               size_t target_length, const char *version)
{
    if (!is_token(method, strlen(method))) {
        return fail(framing, "the method is not a token");
    }
    if (method + strlen(method) + 1 != target || target + target_length + 1 != version) {
        return fail(framing,
                    "the request line is not a method, a target and a version with one blank between them");
    }
    framing->expected = (uintptr_t)version + strlen(version) + 2;
    return true;
}

/* The blank line that ends the header must lie right behind the last field. */
static bool check_end(struct framing *framing, struct MHD_Connection *connection, const char *method)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (info == NULL || (uintptr_t)method + info->header_size != framing->expected + 2) {
        return fail(framing, "a header line is folded, ends with LF alone, or holds a NUL");
    }
    return true;
}

bool framing_check(struct MHD_Connection *connection, const char *method, const char *target,
                   size_t target_length, const char *version, struct stability_error *error)
{
    struct framing framing = {.error = error, .is_http10 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0};
    if (!check_request_line(&framing, method, target, target_length, version)) {
        return false;
    }
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, visit_field, &framing);
    if (error->code != STABILITY_OK || !check_end(&framing, connection, method)) {
        return false;
    }
    if (framing.host_count == 0 && !framing.is_http10) {
        return fail(&framing, "the header has no Host");
    }
    if (framing.length_count > 0 && framing.transfer_count > 0) {
        return fail(&framing, "the header has both Content-Length and Transfer-Encoding");
    }
    return true;
}
