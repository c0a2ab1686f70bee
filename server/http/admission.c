#include "server/http/admission.h"

#include "server/output/format.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MOST_KEY 255 /* bytes of an Idempotency-Key */

/* A header field, and how often it comes: libmicrohttpd looks up the first one alone. */
struct field {
    const char *name;
    const char *value; /* NULL: it does not come */
    int count;
};

static enum MHD_Result visit_field(void *closure, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    struct field *field = closure;
    (void)kind;
    if (strcasecmp(field->name, name) == 0 && field->count++ == 0) {
        field->value = value == NULL ? "" : value;
    }
    return MHD_YES;
}

static struct field find_field(const struct exchange *exchange, const char *name)
{
    struct field field = {.name = name};
    MHD_get_connection_values(exchange->handle, MHD_HEADER_KIND, visit_field, &field);
    return field;
}

static const char *find_header(const struct exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->handle, MHD_HEADER_KIND, name);
}

/* curl names the form's type for any --data unless it is told otherwise: what it sends is JSON all the same.
 */
static const struct {
    const char *name;
    bool multipart;
} media_types[] = {
    {"application/json", false},
    {"application/x-www-form-urlencoded", false},
    {"multipart/form-data", true},
};

static bool check_media_type(struct exchange *exchange)
{
    struct field field = find_field(exchange, MHD_HTTP_HEADER_CONTENT_TYPE);
    if (field.count == 0) {
        return true;
    }
    if (field.count > 1) {
        return stability_fail(&exchange->error, STABILITY_ERROR_FRAMING, NULL,
                              "the header has more than one Content-Type");
    }
    size_t length = strcspn(field.value, "; \t");
    for (size_t i = 0; i < sizeof(media_types) / sizeof(media_types[0]); i++) {
        const char *name = media_types[i].name;
        if (strlen(name) == length && strncasecmp(field.value, name, length) == 0) {
            return !media_types[i].multipart ||
                   multipart_boundary(field.value, exchange->boundary, &exchange->error);
        }
    }
    return stability_fail(&exchange->error, STABILITY_ERROR_UNSUPPORTED_MEDIA_TYPE, NULL,
                          "%s takes application/json and multipart/form-data, not %.128s",
                          exchange->route->path, field.value);
}

static bool check_encoding(struct exchange *exchange)
{
    struct field field = find_field(exchange, MHD_HTTP_HEADER_CONTENT_ENCODING);
    if (field.count == 0 || (field.count == 1 && encoding_find(field.value, &exchange->encoding))) {
        return true;
    }
    http_response_header(&exchange->response, MHD_HTTP_HEADER_ACCEPT_ENCODING, ENCODING_NAMES);
    return stability_fail(&exchange->error, STABILITY_ERROR_UNSUPPORTED_MEDIA_TYPE, NULL,
                          "a body may have one Content-Encoding of " ENCODING_NAMES ", not %s%.128s",
                          field.count > 1 ? "several that begin with " : "", field.value);
}

/* The digits were checked with the framing. */
static int64_t announced_length(const struct exchange *exchange)
{
    const char *given = find_header(exchange, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (given != NULL) {
        return strtoll(given, NULL, 10);
    }
    return find_header(exchange, MHD_HTTP_HEADER_TRANSFER_ENCODING) == NULL ? 0 : -1;
}

static bool check_length(struct exchange *exchange)
{
    int64_t limit = exchange->request.service->config->max_body;
    if (exchange->body_length > limit) {
        return stability_fail(&exchange->error, STABILITY_ERROR_BODY_TOO_LARGE, NULL,
                              "the body has %lld bytes, and the limit is %lld",
                              (long long)exchange->body_length, (long long)limit);
    }
    return true;
}

/* Whether there is memory for the body now. It is taken as the body arrives: whoever only announces one keeps
 * nothing from others. */
static bool check_memory(struct exchange *exchange)
{
    int64_t length = exchange->body_length;
    if (length <= 0 || !(exchange->route->traits & ROUTE_BODY)) {
        return true;
    }
    struct claim claim = {.budget = &exchange->request.service->memory};
    bool fits = claim_take(&claim, length, &exchange->error);
    claim_release(&claim);
    return fits;
}

static bool choose_format(struct exchange *exchange)
{
    struct report_choice *choice = &exchange->request.choice;
    const char *accept = find_header(exchange, MHD_HTTP_HEADER_ACCEPT);
    exchange->request.format_named =
        choice->format != NULL || (accept != NULL && strcmp(accept, "*/*") != 0 && accept[0] != '\0');
    if (choice->format == NULL) {
        choice->format = format_accept(accept);
    }
    return choice->format != NULL ||
           stability_fail(&exchange->error, STABILITY_ERROR_NOT_ACCEPTABLE, NULL,
                          "no report can be given as Accept asks (%.256s); ?format= names one by its name",
                          accept);
}

static bool check_access(struct exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->handle, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct field authorization = find_field(exchange, MHD_HTTP_HEADER_AUTHORIZATION);
    struct access_claim claim = {.address = info == NULL ? NULL : info->client_addr,
                                 .authorization = authorization.count == 1 ? authorization.value : NULL};
    struct stability_error *error = &exchange->error;
    if ((exchange->route->traits & ROUTE_OPEN) ||
        access_check(exchange->request.service->access, &claim, error)) {
        memcpy(exchange->token, claim.name, sizeof(exchange->token));
        return true;
    }
    if (error->code == STABILITY_ERROR_UNAUTHORIZED) {
        http_response_header(&exchange->response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                             "Bearer realm=\"stabilityd\"%s",
                             authorization.count > 0 ? ", error=\"invalid_token\"" : "");
    } else {
        http_response_header(&exchange->response, MHD_HTTP_HEADER_RETRY_AFTER, "%d", claim.retry_after);
    }
    return false;
}

/* One of the preferences that Prefer lists (RFC 7240): "respond-async, wait=10". */
static enum MHD_Result visit_preference(void *closure, enum MHD_ValueKind kind, const char *name,
                                        const char *value)
{
    static const char word[] = "respond-async";
    bool *async = closure;
    (void)kind;
    if (value == NULL || strcasecmp(name, "Prefer") != 0) {
        return MHD_YES;
    }
    while (*value != '\0') {
        value += strspn(value, " \t,");
        size_t length = strcspn(value, " \t,;");
        *async = *async || (length == sizeof(word) - 1 && strncasecmp(value, word, length) == 0);
        value += strcspn(value, ",");
    }
    return MHD_YES;
}

static bool check_preference(struct exchange *exchange)
{
    struct http_request *request = &exchange->request;
    struct field key = find_field(exchange, "Idempotency-Key");
    MHD_get_connection_values(exchange->handle, MHD_HEADER_KIND, visit_preference, &request->async);
    if (!request->async || key.count == 0) {
        return true;
    }
    request->key = key.value;
    return (key.count == 1 && key.value[0] != '\0' && strlen(key.value) <= MOST_KEY) ||
           stability_fail(&exchange->error, STABILITY_ERROR_PARAMETER, NULL,
                          "a request may have one Idempotency-Key, of 1 to %d bytes", MOST_KEY);
}

static bool check_draining(struct exchange *exchange)
{
    if (!(exchange->route->traits & ROUTE_HEAVY) || !atomic_load(&exchange->request.service->draining)) {
        return true;
    }
    return stability_fail(&exchange->error, STABILITY_ERROR_DRAINING, NULL,
                          "the server is shutting down and accepts no new work");
}

bool admission_check(struct exchange *exchange, const char *method)
{
    exchange->body_length = announced_length(exchange);
    if (exchange->parsed == NULL) {
        return false;
    }
    exchange->route = route_find(method, exchange->parsed->path, &exchange->response, &exchange->error);
    if (exchange->route == NULL || !check_access(exchange) || !check_draining(exchange) ||
        !route_parameters(exchange->route, exchange->parsed, &exchange->request, &exchange->error)) {
        return false;
    }
    if ((exchange->route->traits & ROUTE_REPORT) && !choose_format(exchange)) {
        return false;
    }
    if ((exchange->route->traits & ROUTE_SAVE) && !check_preference(exchange)) {
        return false;
    }
    if ((exchange->route->traits & ROUTE_BODY) &&
        (!check_media_type(exchange) || !check_encoding(exchange))) {
        return false;
    }
    return check_length(exchange) && check_memory(exchange);
}
