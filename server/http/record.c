#include "server/http/record.h"

#include "server/clock.h"
#include "server/log.h"

#include <math.h>
#include <stdio.h>

static double round_to_microseconds(double seconds)
{
    return round(seconds * 1e6) / 1e6;
}

/* "queue_seconds", "parse_seconds" … as Server-Timing has them. */
static void write_timings(struct json_writer *json, const struct http_response *response)
{
    for (size_t i = 0; i < response->timing_count; i++) {
        char name[48];
        snprintf(name, sizeof(name), "%s_seconds", response->timings[i].name);
        json_member_double(json, name, round_to_microseconds(response->timings[i].seconds));
    }
}

static void write_names(struct json_writer *json, const struct exchange *exchange)
{
    char trace_id[TRACE_ID_SIZE];
    json_member_text(json, "request_id", exchange->id);
    if (exchange->trace[0] != '\0') {
        identity_trace_id(exchange->trace, trace_id);
        json_member_text(json, "trace_id", trace_id);
    }
    json_member_text(json, "client", exchange->connection->address);
    if (exchange->token[0] != '\0') {
        json_member_text(json, "token", exchange->token);
    }
    json_member_text(json, "method", exchange->method);
    if (exchange->route != NULL) {
        json_member_text(json, "route", exchange->route->path);
    }
    json_member_text(json, "target", exchange->summary);
}

static void log_exchange(const struct exchange *exchange, int status, double seconds)
{
    struct log_line line;
    if (!log_begin(&line, LOG_info, "request")) {
        return;
    }
    write_names(&line.json, exchange);
    json_member_integer(&line.json, "status", status);
    if (exchange->response.code != STABILITY_OK) {
        json_member_text(&line.json, "code", stability_code_name(exchange->response.code));
    }
    json_member_integer(&line.json, "received", exchange->received);
    json_member_integer(&line.json, "sent", exchange->sent);
    json_member_double(&line.json, "seconds", round_to_microseconds(seconds));
    write_timings(&line.json, &exchange->response);
    log_end(&line);
}

void record_exchange(const struct exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        exchange->handle == NULL ? NULL
                                 : MHD_get_connection_info(exchange->handle, MHD_CONNECTION_INFO_HTTP_STATUS);
    int status = info != NULL ? (int)info->http_status : exchange->response.status;
    double seconds = clock_seconds() - exchange->started;
    metrics_count_request(exchange->request.service->metrics,
                          &(struct metrics_request){.route = route_index(exchange->route),
                                                    .method = exchange->method,
                                                    .status = status,
                                                    .seconds = seconds,
                                                    .received = exchange->received,
                                                    .sent = exchange->sent});
    log_exchange(exchange, status, seconds);
}
