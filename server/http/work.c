#include "server/http/work.h"

#include "server/clock.h"
#include "server/http/body.h"
#include "server/input/arrival.h"

#include <math.h>

/* A request of less is read and computed within about a millisecond. */
#define QUICK_BYTES (512 << 10)
#define QUICK_STRUCTURE_BYTES (16 << 10)
#define QUICK_FLOPS (20LL << 20)

static struct watch *watch_of(const struct exchange *exchange)
{
    return exchange->connection->server->watch;
}

static double timeout_of(const struct exchange *exchange)
{
    return exchange->request.service->config->timeout;
}

static bool is_wanted(void *context)
{
    struct exchange *exchange = context;
    return !atomic_load(&exchange->abandoned) && !atomic_load(&exchange->request.service->stopping);
}

/* A body that came encoded is decoded here, by the thread that does the work; one of a job stays as it is. */
static bool decode(struct exchange *exchange)
{
    if (exchange->encoding == ENCODING_IDENTITY || exchange->request.async) {
        exchange->request.encoding = exchange->encoding;
        return true;
    }
    double started = clock_seconds();
    bool done = held_decode(&exchange->body, exchange->encoding, exchange->request.service->config->max_body,
                            &exchange->error);
    http_response_timing(&exchange->response, "decode", clock_seconds() - started);
    return done;
}

void work_run(struct exchange *exchange)
{
    static char empty[1];
    if (decode(exchange)) {
        const struct buffer *body = &exchange->body.buffer;
        exchange->request.body = body->data == NULL ? empty : body->data;
        exchange->request.body_length = body->length;
        exchange->request.arrival = exchange->arrival;
        exchange->request.boundary = exchange->boundary[0] != '\0' ? exchange->boundary : NULL;
        exchange->request.received = exchange->complete;
        exchange->request.deadline = exchange->complete + timeout_of(exchange);
        exchange->request.held = exchange->body.reserved;
        exchange->request.wanted = is_wanted;
        exchange->request.context = exchange;
        exchange->request.async ? route_submit(&exchange->request, &exchange->response)
                                : exchange->route->handle(&exchange->request, &exchange->response);
    } else {
        exchange_fail(exchange);
    }
    if (exchange->response.status != 0) {
        body_release(exchange);
    }
}

/* What reads or writes the store may wait for it. */
static bool may_be_quick(const struct exchange *exchange)
{
    const struct http_request *request = &exchange->request;
    return (exchange->route->traits & ROUTE_HEAVY) && !request->async && request->save == NULL &&
           request->baseline == NULL && exchange->arrival != NULL && exchange->body_length <= QUICK_BYTES &&
           input_arrival_structure(exchange->arrival) <= QUICK_STRUCTURE_BYTES;
}

bool work_try(struct exchange *exchange)
{
    struct pool *pool = exchange->request.service->pool;
    if (!may_be_quick(exchange) || !pool_help(pool, false)) {
        return false;
    }
    size_t timings = exchange->response.timing_count;
    http_response_timing(&exchange->response, "queue", 0);
    exchange->request.most_flops = QUICK_FLOPS;
    work_run(exchange);
    exchange->request.most_flops = 0;
    pool_help_no_more(pool, false);
    if (exchange->response.status == 0) {
        exchange->response.timing_count = timings;
        return false;
    }
    metrics_count_wait(exchange->request.service->metrics, 0);
    return true;
}

/* What waits for the store has threads of its own: they mostly wait, and those that compute have no time. */
static bool waits_for_store(const struct exchange *exchange)
{
    return (exchange->route->traits & ROUTE_STORE) || exchange->request.async;
}

static struct pool *pool_of(const struct exchange *exchange)
{
    struct service *service = exchange->request.service;
    return waits_for_store(exchange) ? service->store_pool : service->pool;
}

/* Hands the connection back to libmicrohttpd, whose thread may free the exchange as soon as the watch, which
 * is locked, is not any more. */
static void resume(struct exchange *exchange)
{
    exchange_enter(exchange, EXCHANGE_REPLY, INFINITY);
    http_server_resume(exchange->connection->server, exchange->handle);
}

static void finish_work(struct exchange *exchange)
{
    struct watch *watch = watch_of(exchange);
    watch_lock(watch);
    resume(exchange);
    watch_unlock(watch);
}

static void run_job(struct job *job)
{
    struct exchange *exchange = (struct exchange *)job;
    double waited = clock_seconds() - exchange->submitted;
    if (!waits_for_store(exchange)) {
        metrics_count_wait(exchange->request.service->metrics, waited);
    }
    http_response_timing(&exchange->response, "queue", waited);
    work_run(exchange);
    finish_work(exchange);
}

bool work_submit(struct exchange *exchange)
{
    struct pool *pool = pool_of(exchange);
    if (!http_server_suspend(exchange->connection->server, exchange->handle)) {
        stability_fail(&exchange->error, STABILITY_ERROR_DRAINING, NULL, "the server is shutting down");
        exchange_fail(exchange);
        return false;
    }
    exchange->job.run = run_job;
    exchange->submitted = clock_seconds();
    watch_lock(watch_of(exchange));
    exchange_enter(exchange, EXCHANGE_WORK, exchange->complete + timeout_of(exchange));
    if (exchange->connection->half_closed) { /* which means something else now */
        watch_again(watch_of(exchange), &exchange->connection->watched);
    }
    watch_unlock(watch_of(exchange));
    if (pool_submit(pool, &exchange->job)) {
        return true;
    }
    stability_fail(&exchange->error, STABILITY_ERROR_QUEUE_FULL, NULL, "the queue of requests is full");
    exchange_fail(exchange);
    body_release(exchange);
    finish_work(exchange);
    return true;
}

void work_withdraw(struct exchange *exchange, enum stability_code code, const char *message)
{
    if (pool_withdraw(pool_of(exchange), &exchange->job)) {
        stability_fail(&exchange->error, code, NULL, "%s", message);
        exchange_fail(exchange);
        body_release(exchange);
        resume(exchange);
    }
}
