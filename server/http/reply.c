#include "server/http/reply.h"

#include "server/clock.h"
#include "server/http/queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Every header of a response but Content-Length and Connection. */
#define MOST_HEADERS (HTTP_HEADER_COUNT + 8)

#define STREAM_PIECE 4096 /* bytes of a stream that are sent at once */

struct headers {
    size_t count;
    struct {
        const char *name;
        const char *value;
    } items[MOST_HEADERS];
};

/* A page may show what it has in itself, load nothing, send nothing and be framed by nobody. */
static const char page_policy[] =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

/* What browsers are told about anything that comes from here; a handler's own header wins. */
static const struct {
    const char *name;
    const char *value;
    bool page; /* for pages only */
} browser_headers[] = {
    {"X-Content-Type-Options", "nosniff", false},
    {"Content-Security-Policy", page_policy, true},
    {"Referrer-Policy", "no-referrer", true},
    {"X-Frame-Options", "DENY", true},
};

static void add(struct headers *headers, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0' && headers->count < MOST_HEADERS) {
        headers->items[headers->count].name = name;
        headers->items[headers->count++].value = value;
    }
}

static bool has(const struct http_response *response, const char *name)
{
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcmp(response->headers[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_browser_headers(struct headers *headers, const struct http_response *response)
{
    bool page = response->media_type != NULL && strncmp(response->media_type, "text/html", 9) == 0;
    for (size_t i = 0; i < sizeof(browser_headers) / sizeof(browser_headers[0]); i++) {
        if ((page || !browser_headers[i].page) && !has(response, browser_headers[i].name)) {
            add(headers, browser_headers[i].name, browser_headers[i].value);
        }
    }
}

/* Server-Timing: parse;dur=1.234, compute;dur=5.678 (milliseconds) */
static void format_timings(const struct http_response *response, struct buffer *text)
{
    for (size_t i = 0; i < response->timing_count; i++) {
        const struct http_timing *timing = &response->timings[i];
        int64_t microseconds = (int64_t)(timing->seconds * 1e6 + 0.5);
        buffer_format(text, "%s%s;dur=%" PRId64 ".%03d", i == 0 ? "" : ", ", timing->name,
                      microseconds / 1000, (int)(microseconds % 1000));
    }
}

/* Collects the headers; `timings` keeps one of them. */
static void collect(const struct exchange *exchange, struct headers *headers, struct buffer *timings)
{
    const struct http_response *response = &exchange->response;
    format_timings(response, timings);
    add(headers, "X-Request-Id", exchange->id);
    add(headers, "traceparent", exchange->trace);
    add(headers, "Server-Timing", timings->data);
    add(headers, MHD_HTTP_HEADER_CONTENT_TYPE, response->media_type);
    for (size_t i = 0; i < response->header_count; i++) {
        add(headers, response->headers[i].name, response->headers[i].value);
    }
    add_browser_headers(headers, response);
}

/* A body of the wrong or no length must not go out: an empty 500 is all that can be said without memory. */
static bool is_complete(const struct http_response *response)
{
    return !response->body.failed && response->status != 0;
}

static bool add_headers(struct MHD_Response *reply, const struct exchange *exchange, bool close)
{
    struct headers headers = {0};
    struct buffer timings = {0};
    collect(exchange, &headers, &timings);
    bool added = true;
    for (size_t i = 0; i < headers.count && added; i++) {
        added = MHD_add_response_header(reply, headers.items[i].name, headers.items[i].value) == MHD_YES;
    }
    if (close) {
        added = added && MHD_add_response_header(reply, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES;
    }
    buffer_free(&timings);
    return added;
}

static bool sleep_reader(void *context)
{
    const struct exchange *exchange = context;
    return http_server_suspend(exchange->connection->server, exchange->handle);
}

static void wake_reader(void *context)
{
    const struct exchange *exchange = context;
    http_server_resume(exchange->connection->server, exchange->handle);
}

/* A reader that takes what comes may go on for ever. */
static ssize_t read_stream(void *context, uint64_t position, char *bytes, size_t most)
{
    struct exchange *exchange = context;
    struct watch *watch = exchange->connection->server->watch;
    bool end;
    (void)position;
    watch_lock(watch);
    watch_deadline(watch, &exchange->connection->watched, clock_seconds() + HTTP_REPLY_SECONDS);
    watch_unlock(watch);
    size_t count = http_stream_take(exchange->response.stream, bytes, most, &end);
    exchange->sent += (int64_t)count;
    return end ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t)count;
}

/* libmicrohttpd's form of the response's body, which it takes; NULL without memory. */
static struct MHD_Response *create_reply(struct exchange *exchange)
{
    struct buffer *body = &exchange->response.body;
    if (exchange->response.stream != NULL) {
        const struct http_stream_reader reader = {sleep_reader, wake_reader, exchange};
        http_stream_attach(exchange->response.stream, &reader);
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_PIECE, read_stream, exchange, NULL);
    }
    struct MHD_Response *reply =
        MHD_create_response_from_buffer(body->length, body->data, MHD_RESPMEM_MUST_FREE);
    if (reply != NULL) {
        *body = (struct buffer){.length = body->length};
    }
    return reply;
}

enum MHD_Result reply_queue(struct exchange *exchange, bool close)
{
    struct http_response *response = &exchange->response;
    if (!is_complete(response)) {
        http_response_free(response);
        response->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
    struct MHD_Response *reply = create_reply(exchange);
    if (reply == NULL) {
        return MHD_NO;
    }
    enum MHD_Result queued = MHD_NO;
    if (add_headers(reply, exchange, close)) {
        queued = queue_response(exchange->handle, (unsigned)response->status, reply);
    }
    MHD_destroy_response(reply);
    return queued;
}

void reply_send(const struct exchange *exchange)
{
    const struct http_response *response = &exchange->response;
    struct headers headers = {0};
    struct buffer timings = {0};
    struct buffer text = {0};
    collect(exchange, &headers, &timings);
    buffer_format(&text, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\nConnection: close\r\n", response->status,
                  MHD_get_reason_phrase_for((unsigned)response->status), response->body.length);
    for (size_t i = 0; i < headers.count; i++) {
        buffer_format(&text, "%s: %s\r\n", headers.items[i].name, headers.items[i].value);
    }
    buffer_append_text(&text, "\r\n");
    buffer_append(&text, response->body.data, response->body.length);
    if (is_complete(response) && !text.failed) {
        connection_send(exchange->connection, text.data, text.length);
    }
    connection_finish(exchange->connection);
    buffer_free(&timings);
    buffer_free(&text);
}
