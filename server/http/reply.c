#include "server/http/reply.h"

#include <stdio.h>

/* Server-Timing: parse;dur=1.234, compute;dur=5.678 (milliseconds) */
static void format_timings(const struct http_response *response, struct buffer *text)
{
    for (size_t i = 0; i < response->timing_count; i++) {
        const struct http_timing *timing = &response->timings[i];
        buffer_format(text, "%s%s;dur=%.3f", i == 0 ? "" : ", ", timing->name, timing->seconds * 1000);
    }
}

/* A body of the wrong or no length must not go out: an empty 500 is all that can be said without memory. */
static bool is_complete(const struct http_response *response)
{
    return !response->body.failed && response->status != 0;
}

static bool add_headers(struct MHD_Response *reply, const struct http_response *response, const char *id,
                        bool close)
{
    struct buffer timings = {0};
    format_timings(response, &timings);
    bool added = MHD_add_response_header(reply, "X-Request-Id", id) == MHD_YES;
    if (timings.length > 0) {
        added = added && MHD_add_response_header(reply, "Server-Timing", timings.data) == MHD_YES;
    }
    if (response->media_type != NULL) {
        added = added &&
                MHD_add_response_header(reply, MHD_HTTP_HEADER_CONTENT_TYPE, response->media_type) == MHD_YES;
    }
    for (size_t i = 0; i < response->header_count; i++) {
        const struct http_header *header = &response->headers[i];
        added = added && MHD_add_response_header(reply, header->name, header->value) == MHD_YES;
    }
    if (close) {
        added = added && MHD_add_response_header(reply, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES;
    }
    buffer_free(&timings);
    return added;
}

enum MHD_Result reply_queue(struct MHD_Connection *connection, struct http_response *response, const char *id,
                            bool close)
{
    if (!is_complete(response)) {
        http_response_free(response);
        response->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
    struct buffer *body = &response->body;
    struct MHD_Response *reply =
        MHD_create_response_from_buffer(body->length, body->data, MHD_RESPMEM_MUST_FREE);
    if (reply == NULL) {
        return MHD_NO;
    }
    *body = (struct buffer){.length = body->length};
    enum MHD_Result queued = MHD_NO;
    if (add_headers(reply, response, id, close)) {
        queued = MHD_queue_response(connection, (unsigned)response->status, reply);
    }
    MHD_destroy_response(reply);
    return queued;
}

void reply_send(const struct connection *connection, const struct http_response *response, const char *id)
{
    struct buffer text = {0};
    buffer_format(&text, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n",
                  response->status, MHD_get_reason_phrase_for((unsigned)response->status),
                  response->media_type, response->body.length);
    for (size_t i = 0; i < response->header_count; i++) {
        buffer_format(&text, "%s: %s\r\n", response->headers[i].name, response->headers[i].value);
    }
    buffer_format(&text, "X-Request-Id: %s\r\n\r\n", id);
    buffer_append(&text, response->body.data, response->body.length);
    if (is_complete(response) && !text.failed) {
        connection_send(connection, text.data, text.length);
    }
    connection_finish(connection);
    buffer_free(&text);
}
