#define _GNU_SOURCE /* strcasestr */

#include "server/http/exchange.h"

#include "server/clock.h"
#include "server/http/admission.h"
#include "server/http/body.h"
#include "server/http/framing.h"
#include "server/http/record.h"
#include "server/http/reply.h"
#include "server/http/work.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LARGE_BODY (1 << 18)

static struct watch *watch_of(const struct exchange *exchange)
{
    return exchange->connection->server->watch;
}

static double timeout_of(const struct exchange *exchange)
{
    return exchange->request.service->config->timeout;
}

/* All that a client sent that has closed its side is here: libmicrohttpd need but read it. */
void exchange_enter(struct exchange *exchange, enum exchange_phase phase, double deadline)
{
    exchange->phase = phase;
    if (phase <= EXCHANGE_BODY && exchange->connection->half_closed) {
        deadline = fmin(deadline, clock_seconds() + HTTP_LINGER_SECONDS);
    }
    watch_deadline(watch_of(exchange), &exchange->connection->watched, deadline);
}

/* The same, unless a response was sent past libmicrohttpd already; then false. */
static bool advance(struct exchange *exchange, enum exchange_phase phase, double deadline)
{
    watch_lock(watch_of(exchange));
    bool alive = exchange->phase != EXCHANGE_LINGER;
    if (alive) {
        exchange_enter(exchange, phase, deadline);
    }
    watch_unlock(watch_of(exchange));
    return alive;
}

void exchange_fail(struct exchange *exchange)
{
    http_response_fail(&exchange->response, &exchange->error, NULL, exchange->id);
}

/* What is refused for lack of room, a client may try again. */
static void add_retry_after(struct exchange *exchange)
{
    if (exchange->response.status == MHD_HTTP_SERVICE_UNAVAILABLE) {
        http_response_header(&exchange->response, MHD_HTTP_HEADER_RETRY_AFTER, "%d",
                             pool_retry_after(exchange->request.service->pool));
    }
}

/* Answers while the request is still arriving. The watch is locked. */
static void answer_early(struct exchange *exchange)
{
    exchange_enter(exchange, EXCHANGE_LINGER, clock_seconds() + HTTP_LINGER_SECONDS);
    exchange_fail(exchange);
    add_retry_after(exchange);
    exchange->sent = (int64_t)exchange->response.body.length;
    reply_send(exchange);
}

struct exchange *exchange_new(struct connection *connection, struct MHD_Connection *handle)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));
    if (exchange != NULL) {
        exchange->connection = connection;
        exchange->handle = handle;
        exchange->started = clock_seconds();
        exchange->request.service = connection->server->service;
        exchange->request.id = exchange->id;
        exchange->request.client = exchange->token;
        exchange->request.diagnosis = &exchange->diagnosis;
        exchange->body.memory = &connection->server->service->memory;
        identity_generate(exchange->id);
    }
    return exchange;
}

void *exchange_open(void *closure, const char *target, struct MHD_Connection *handle)
{
    struct http_server *server = closure;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *connection = info == NULL ? NULL : info->socket_context;
    if (connection == NULL) {
        return NULL;
    }
    struct exchange *exchange = exchange_new(connection, handle);
    if (exchange == NULL) {
        connection->goes_on = false;
        return NULL;
    }
    exchange->target = target;
    exchange->target_length = strlen(target);
    metrics_add_in_progress(server->service->metrics, 1);
    exchange->parsed = http_target_new(target, &exchange->error);
    snprintf(exchange->summary, sizeof(exchange->summary), "%s", target);
    watch_lock(server->watch);
    connection->exchange = exchange;
    connection->fresh = false;
    exchange_enter(exchange, EXCHANGE_HEADER, exchange->started + http_header_seconds(server));
    watch_unlock(server->watch);
    return exchange;
}

/* Whether libmicrohttpd would read another request after this response. */
static bool may_go_on(const struct exchange *exchange)
{
    const char *wish =
        MHD_lookup_connection_value(exchange->handle, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONNECTION);
    return !exchange->is_http10 && (wish == NULL || strcasestr(wish, "close") == NULL);
}

/* Queues the response. */
static enum MHD_Result reply(struct exchange *exchange, bool close)
{
    double now = clock_seconds();
    if (!advance(exchange, EXCHANGE_REPLY, now + HTTP_REPLY_SECONDS)) {
        return MHD_NO;
    }
    http_response_timing(&exchange->response, "total", now - exchange->started);
    add_retry_after(exchange);
    close = close || atomic_load(&exchange->request.service->draining);
    exchange->goes_on = !close && exchange->complete > 0 && may_go_on(exchange);
    enum MHD_Result queued = reply_queue(exchange, close);
    exchange->sent = (int64_t)exchange->response.body.length;
    return queued;
}

/* The first callback: the header is there. */
static enum MHD_Result begin(struct exchange *exchange, const char *method, const char *version)
{
    exchange->begun = true;
    exchange->is_http10 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
    snprintf(exchange->method, sizeof(exchange->method), "%s", method);
    identity_adopt(exchange->handle, exchange->id);
    identity_trace(exchange->handle, exchange->trace);
    if (!advance(exchange, EXCHANGE_BODY, exchange->started + timeout_of(exchange))) {
        return MHD_NO;
    }
    http_server_enter(exchange->connection->server);
    exchange->accepted = true;
    struct stability_error framing = {0};
    if (!framing_check(exchange->handle, method, exchange->target, exchange->target_length, version,
                       &framing)) {
        exchange->error = framing;
        exchange_fail(exchange);
        return reply(exchange, true);
    }
    if (admission_check(exchange, method)) {
        if (exchange->body_length >= LARGE_BODY) {
            connection_expect(exchange->connection);
        }
        if (exchange->route->traits & ROUTE_HEAVY) {
            http_server_begin_work(exchange->connection->server);
            exchange->counted = true;
        }
        return MHD_YES;
    }
    /* libmicrohttpd closes a connection whose request is answered here, which a request without a body need
     * not suffer: `complete` answers that one. */
    exchange_fail(exchange);
    bool malformed = exchange->error.code == STABILITY_ERROR_FRAMING;
    return exchange->body_length == 0 && !malformed ? MHD_YES : reply(exchange, malformed);
}

static enum exchange_phase phase_of(struct exchange *exchange)
{
    watch_lock(watch_of(exchange));
    enum exchange_phase phase = exchange->phase;
    watch_unlock(watch_of(exchange));
    return phase;
}

/* A callback with bytes of the body. */
static void collect(struct exchange *exchange, const char *bytes, size_t count)
{
    bool taken = phase_of(exchange) != EXCHANGE_LINGER && body_take(exchange, bytes, count);
    if (taken) {
        return;
    }
    body_release(exchange);
    watch_lock(watch_of(exchange));
    if (exchange->phase != EXCHANGE_LINGER) {
        answer_early(exchange);
    }
    watch_unlock(watch_of(exchange));
}

/* Whether there is a response now; there is none yet where the work is for others. */
static bool answer_at_once(struct exchange *exchange)
{
    if (exchange->response.code != STABILITY_OK) {
        return true;
    }
    if (exchange->route->traits & (ROUTE_HEAVY | ROUTE_STORE)) {
        return work_try(exchange);
    }
    work_run(exchange);
    return true;
}

/* The body is there. Where there is none, libmicrohttpd may not take an answer yet: it calls once more while
 * it is still at the header, if that had an Expect and other bytes follow it. */
static enum MHD_Result complete(struct exchange *exchange)
{
    exchange->complete = clock_seconds();
    if (!advance(exchange, EXCHANGE_COMPLETE, INFINITY)) {
        return MHD_NO;
    }
    if (exchange->response.code == STABILITY_OK) {
        http_response_timing(&exchange->response, "body", exchange->complete - exchange->started);
    }
    return exchange->body_length != 0 && answer_at_once(exchange) ? reply(exchange, false) : MHD_YES;
}

/* It was left without an answer, and libmicrohttpd asks again. */
static enum MHD_Result proceed(struct exchange *exchange)
{
    if (exchange->body_length == 0 && answer_at_once(exchange)) {
        return reply(exchange, false);
    }
    return work_submit(exchange) ? MHD_YES : reply(exchange, true);
}

/* A callback without bytes: once when the request is complete, and again whenever it was left unanswered or
 * resumed. A request that takes time is put aside in the second of these, not in the first: libmicrohttpd
 * still wants to read in the first one, would read on when resumed, and would drop a client that has closed
 * its sending side. */
static enum MHD_Result finish(struct exchange *exchange)
{
    switch (phase_of(exchange)) {
    case EXCHANGE_BODY:
        return complete(exchange);
    case EXCHANGE_COMPLETE:
        return proceed(exchange);
    case EXCHANGE_REPLY:
        return atomic_load(&exchange->abandoned) ? MHD_NO : reply(exchange, false);
    default:
        return MHD_NO;
    }
}

enum MHD_Result exchange_continue(void *closure, struct MHD_Connection *handle, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context)
{
    struct exchange *exchange = *context;
    (void)closure;
    (void)handle;
    (void)url;
    if (exchange == NULL) {
        return MHD_NO;
    }
    if (!exchange->begun) {
        return begin(exchange, method, version);
    }
    if (*upload_size > 0) {
        collect(exchange, upload, *upload_size);
        *upload_size = 0;
        return phase_of(exchange) == EXCHANGE_LINGER ? MHD_NO : MHD_YES;
    }
    return finish(exchange);
}

void exchange_refuse(struct exchange *exchange, const struct stability_error *error)
{
    if (exchange->phase == EXCHANGE_LINGER) {
        return;
    }
    if (!exchange->begun) {
        identity_adopt(exchange->handle, exchange->id);
        identity_trace(exchange->handle, exchange->trace);
    }
    exchange->error = *error;
    answer_early(exchange);
}

static void fail_incomplete(const struct exchange *exchange, struct stability_error *error)
{
    stability_fail(error, STABILITY_ERROR_FRAMING, NULL,
                   "the client closed its side before the %s was complete",
                   exchange->phase == EXCHANGE_HEADER ? "header" : "body");
}

/* Whoever was too slow already has less time. */
static double linger_of(const struct exchange *exchange)
{
    bool slow = exchange->response.code == STABILITY_ERROR_BODY_TIMEOUT;
    return exchange->complete > 0 ? 0 : slow ? HTTP_LINGER_SECONDS : HTTP_UPLOAD_SECONDS;
}

void exchange_close(void *closure, struct MHD_Connection *handle, void **context,
                    enum MHD_RequestTerminationCode code)
{
    struct http_server *server = closure;
    struct exchange *exchange = *context;
    (void)handle;
    if (exchange == NULL) {
        return;
    }
    watch_lock(server->watch);
    if (code == MHD_REQUEST_TERMINATED_CLIENT_ABORT && exchange->phase <= EXCHANGE_BODY) {
        struct stability_error incomplete = {0}; /* whose client may still read */
        fail_incomplete(exchange, &incomplete);
        exchange_refuse(exchange, &incomplete);
    }
    exchange->connection->exchange = NULL;
    exchange->connection->goes_on = exchange->goes_on && code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
    exchange->connection->linger = linger_of(exchange);
    connection_idle(exchange->connection);
    watch_unlock(server->watch);
    record_exchange(exchange);
    metrics_add_in_progress(server->service->metrics, -1);
    diagnosis_free(&exchange->diagnosis);
    body_release(exchange);
    http_response_free(&exchange->response);
    free(exchange->parsed);
    if (exchange->accepted) {
        http_server_leave(server, exchange->counted);
    }
    free(exchange);
    *context = NULL;
}

void exchange_expired(struct watched *watched)
{
    struct exchange *exchange = ((struct connection *)watched)->exchange;
    if (exchange != NULL && exchange->phase == EXCHANGE_WORK) {
        work_withdraw(exchange, STABILITY_ERROR_DEADLINE,
                      "the deadline passed while the request waited for others");
        return;
    }
    if (exchange == NULL) {
        connection_expired((struct connection *)watched);
        return;
    }
    if (exchange->phase >= EXCHANGE_REPLY) {
        shutdown(watched->descriptor, SHUT_RDWR);
        return;
    }
    if (exchange->connection->half_closed) {
        fail_incomplete(exchange, &exchange->error);
    }
    stability_fail(&exchange->error, STABILITY_ERROR_BODY_TIMEOUT, NULL,
                   exchange->phase == EXCHANGE_HEADER ? "the header did not arrive within %g seconds"
                                                      : "the body did not arrive within %g seconds",
                   exchange->phase == EXCHANGE_HEADER ? http_header_seconds(exchange->connection->server)
                                                      : timeout_of(exchange));
    answer_early(exchange);
}

/* A peer that closed its side may still wait for the response, or be gone: what it gets sent tells, for one
 * that is gone resets the connection. Any HTTP/1.1 client copes with a 100 that it did not ask for. */
void exchange_left(struct watched *watched, bool reset)
{
    static const char probe[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct connection *connection = (struct connection *)watched;
    struct exchange *exchange = connection->exchange;
    bool known = connection->half_closed;
    connection->half_closed = true;
    if (exchange == NULL && !known) {
        connection_idle(connection);
    }
    if (exchange != NULL && exchange->phase <= EXCHANGE_BODY) {
        exchange_enter(exchange, exchange->phase, watched->deadline);
    }
    if (exchange == NULL || exchange->phase != EXCHANGE_WORK) {
        return;
    }
    if (reset) {
        atomic_store(&exchange->abandoned, true);
        work_withdraw(exchange, STABILITY_ERROR_CANCELLED, "the client went away");
    } else if (!exchange->is_http10) {
        connection_send(connection, probe, sizeof(probe) - 1);
    }
}
