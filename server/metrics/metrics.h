/* What the running service counts, for GET /metrics. */
#ifndef SERVER_METRICS_METRICS_H
#define SERVER_METRICS_METRICS_H

#include "server/buffer.h"
#include "server/metrics/histogram.h"

#include <stability/report.h>

/* All functions but metrics_new and metrics_free may be called from several threads. */
struct metrics;

/* Counts for `routes` routes, known by their index. NULL on error. */
struct metrics *metrics_new(size_t routes, struct stability_error *error);
void metrics_free(struct metrics *metrics);

/* A request that is over. */
struct metrics_request {
    size_t route; /* any other number: it had none */
    const char *method;
    int status;
    double seconds;
    int64_t received; /* bytes of body */
    int64_t sent;
};
void metrics_count_request(struct metrics *metrics, const struct metrics_request *request);

/* Requests that are under way: +1, -1. */
void metrics_add_in_progress(struct metrics *metrics, int change);

/* A piece of work left the queue after `seconds`. */
void metrics_count_wait(struct metrics *metrics, double seconds);

/* A diagnosis that took `seconds`, its findings and operations. `metrics` may be NULL. */
void metrics_count_report(struct metrics *metrics, const struct stability_report *report, double seconds);

/* What others know at the moment that metrics are asked for. */
struct metrics_gauge {
    const char *name; /* without the prefix "stabilityd_" */
    const char *documentation;
    double value;
};

/* How a route is called. */
struct metrics_route {
    const char *method;
    const char *path;
};

/* Appends everything in the Prometheus text format 0.0.4. `routes` has as many as metrics_new was told. */
void metrics_write(const struct metrics *metrics, const struct metrics_route *routes,
                   const struct metrics_gauge *gauges, size_t gauge_count, struct buffer *text);

#endif
