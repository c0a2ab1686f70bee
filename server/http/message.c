#include "server/http/message.h"

#include "server/problem.h"

#include <stdio.h>

void http_response_header(struct http_response *response, const char *name, const char *format, ...)
{
    if (response->header_count == HTTP_HEADER_COUNT) {
        return;
    }
    struct http_header *header = &response->headers[response->header_count++];
    va_list arguments;
    va_start(arguments, format);
    header->name = name;
    vsnprintf(header->value, sizeof(header->value), format, arguments);
    va_end(arguments);
}

void http_response_timing(struct http_response *response, const char *name, double seconds)
{
    if (response->timing_count < HTTP_TIMING_COUNT) {
        response->timings[response->timing_count++] = (struct http_timing){name, seconds};
    }
}

void http_response_fail(struct http_response *response, const struct stability_error *error,
                        const struct input_position *position, const char *request_id)
{
    buffer_free(&response->body);
    response->status = stability_code_status(error->code);
    response->code = error->code;
    response->media_type = PROBLEM_MEDIA_TYPE;
    problem_write(error, position, request_id, &response->body);
}

void http_response_free(struct http_response *response)
{
    buffer_free(&response->body);
    http_stream_leave(response->stream);
    *response = (struct http_response){0};
}
