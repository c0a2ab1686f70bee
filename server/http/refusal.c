#include "server/http/refusal.h"

#include "server/http/exchange.h"
#include "server/http/record.h"
#include "server/http/reply.h"

#include <stdlib.h>
#include <string.h>

/* What libmicrohttpd refuses by itself. `body` where it differs once the header was read. */
static const struct {
    unsigned status;
    enum stability_code code;
    const char *header;
    const char *body;
} refusals[] = {
    {MHD_HTTP_BAD_REQUEST, STABILITY_ERROR_FRAMING, "the request line or a header field is malformed",
     "a chunk of the body, or a field behind the last one, is malformed"},
    {MHD_HTTP_CONTENT_TOO_LARGE, STABILITY_ERROR_BODY_TOO_LARGE,
     "Content-Length is 18446744073709551616 or more", "the size of a chunk is 18446744073709551616 or more"},
    {MHD_HTTP_URI_TOO_LONG, STABILITY_ERROR_TARGET_TOO_LONG, "the request line does not fit", NULL},
    {MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, STABILITY_ERROR_HEADER_TOO_LARGE, "the header does not fit",
     "the fields behind the last chunk do not fit"},
    {MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED, STABILITY_ERROR_HTTP_VERSION,
     "the server speaks HTTP/1.1 and HTTP/1.0", NULL},
};

#define REFUSAL_COUNT (sizeof(refusals) / sizeof(refusals[0]))

/* The bounds that a refusal tells, appended to its message. */
static void describe(struct stability_error *error, enum stability_code code, const char *message,
                     const struct config *config)
{
    if (code == STABILITY_ERROR_BODY_TOO_LARGE) {
        stability_fail(error, code, NULL, "%s, and the limit is %lld bytes", message,
                       (long long)config->max_body);
    } else if (code == STABILITY_ERROR_TARGET_TOO_LONG || code == STABILITY_ERROR_HEADER_TOO_LARGE) {
        stability_fail(error, code, NULL, "%s into the %d bytes that there are for a header", message,
                       HTTP_HEADER_BYTES);
    } else {
        stability_fail(error, code, NULL, "%s", message);
    }
}

/* Content-Length is the field that libmicrohttpd itself looks at. */
static const char *find_fault(struct MHD_Connection *handle, const char *otherwise)
{
    const char *length = MHD_lookup_connection_value(handle, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    bool number = length == NULL || (length[0] != '\0' && length[strspn(length, "0123456789")] == '\0');
    return number ? otherwise : "Content-Length is not a number";
}

static void explain(struct stability_error *error, const struct connection *connection,
                    struct MHD_Connection *handle, unsigned status)
{
    bool begun = connection->exchange != NULL && connection->exchange->begun;
    size_t i = 0;
    while (i < REFUSAL_COUNT && refusals[i].status != status) {
        i++;
    }
    if (i == REFUSAL_COUNT) {
        stability_fail(error, STABILITY_ERROR_INTERNAL, NULL, "the request could not be read");
        return;
    }
    const char *message = begun && refusals[i].body != NULL ? refusals[i].body : refusals[i].header;
    if (status == MHD_HTTP_BAD_REQUEST && !begun) {
        message = find_fault(handle, message);
    }
    describe(error, refusals[i].code, message, connection->server->service->config);
}

void refusal_send(struct connection *connection, const struct stability_error *error)
{
    struct exchange *exchange = exchange_new(connection, NULL);
    connection->goes_on = false;
    connection->linger =
        error->code == STABILITY_ERROR_BODY_TIMEOUT ? HTTP_LINGER_SECONDS : HTTP_UPLOAD_SECONDS;
    if (exchange == NULL) {
        return;
    }
    http_response_fail(&exchange->response, error, NULL, exchange->id);
    exchange->sent = (int64_t)exchange->response.body.length;
    reply_send(exchange);
    record_exchange(exchange);
    http_response_free(&exchange->response);
    free(exchange);
}

void refusal_answer(struct MHD_Connection *handle, unsigned status)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *connection = info == NULL ? NULL : info->socket_context;
    if (connection == NULL) {
        return;
    }
    struct stability_error error = {0};
    explain(&error, connection, handle, status);
    watch_lock(connection->server->watch);
    if (connection->exchange != NULL) {
        exchange_refuse(connection->exchange, &error);
    } else if (connection->goes_on) {
        refusal_send(connection, &error);
    }
    watch_unlock(connection->server->watch);
}
