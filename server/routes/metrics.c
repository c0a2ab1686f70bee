#include "server/jobs/jobs.h"
#include "server/routes/routes.h"

#include <stdlib.h>

static bool write_metrics(const struct service *service, struct buffer *body)
{
    size_t count = route_count();
    struct metrics_route *routes = calloc(count, sizeof(routes[0]));
    const struct metrics_gauge gauges[] = {
        {"queue_depth", "Pieces of work that wait for a thread of the compute pool.",
         pool_waiting(service->pool)},
        {"queue_capacity", "Pieces of work that may wait.", pool_capacity(service->pool)},
        {"work_in_progress", "Pieces of work that are being computed.", pool_running(service->pool)},
        {"compute_threads", "Threads of the compute pool.", pool_threads(service->pool)},
        {"memory_reserved_bytes", "Bytes reserved for bodies, tensors and computations.",
         (double)atomic_load(&service->memory.reserved)},
        {"memory_limit_bytes", "Bytes that may be reserved.", (double)service->memory.total},
        {"jobs_queued", "Jobs that wait in the store, of all servers that share it.",
         (double)jobs_queued(service->jobs)},
        {"jobs_running", "Jobs that this server works on.", jobs_running(service->jobs)},
        {"draining", "1 from SIGTERM on, else 0.", atomic_load(&service->draining)},
    };
    if (routes == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        routes[i] = (struct metrics_route){route_at(i)->method, route_at(i)->path};
    }
    metrics_write(service->metrics, routes, gauges, sizeof(gauges) / sizeof(gauges[0]), body);
    free(routes);
    return !body->failed;
}

void route_metrics(const struct http_request *request, struct http_response *response)
{
    response->status = 200;
    response->media_type = "text/plain; version=0.0.4; charset=utf-8";
    if (!write_metrics(request->service, &response->body)) {
        struct stability_error error = {0};
        stability_fail(&error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory to write metrics");
        http_response_fail(response, &error, NULL, request->id);
    }
}
