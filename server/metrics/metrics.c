#include "server/metrics/metrics.h"

#include "server/metrics/process.h"

#include <stability/stability.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MOST_STATUS 600
#define SEVERITY_COUNT 3

/* What else clients send is counted together, or they could make the table grow as they like. */
static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "other"};

#define METHOD_COUNT (sizeof(methods) / sizeof(methods[0]))

struct route_metrics {
    _Atomic uint64_t requests[METHOD_COUNT][MOST_STATUS];
    struct histogram seconds;
};

struct metrics {
    _Atomic int64_t in_progress;
    _Atomic uint64_t received;
    _Atomic uint64_t sent;
    struct histogram wait;
    struct histogram work;
    _Atomic uint64_t operations;
    size_t rule_count;
    _Atomic uint64_t *findings; /* (rule, severity) */
    size_t route_count;
    struct route_metrics routes[]; /* the last one: requests without a route */
};

struct metrics *metrics_new(size_t routes, struct stability_error *error)
{
    struct metrics *metrics = calloc(1, sizeof(*metrics) + (routes + 1) * sizeof(metrics->routes[0]));
    size_t rules = stability_rule_type_count();
    if (metrics != NULL) {
        metrics->route_count = routes;
        metrics->rule_count = rules;
        metrics->findings = calloc(rules * SEVERITY_COUNT, sizeof(metrics->findings[0]));
    }
    if (metrics == NULL || metrics->findings == NULL) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory to count requests");
        free(metrics);
        return NULL;
    }
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics != NULL) {
        free(metrics->findings);
        free(metrics);
    }
}

static size_t method_index(const char *method)
{
    size_t index = 0;
    while (index < METHOD_COUNT - 1 && strcmp(methods[index], method) != 0) {
        index++;
    }
    return index;
}

void metrics_count_request(struct metrics *metrics, const struct metrics_request *request)
{
    size_t index = request->route < metrics->route_count ? request->route : metrics->route_count;
    int status = request->status >= 0 && request->status < MOST_STATUS ? request->status : 0;
    struct route_metrics *route = &metrics->routes[index];
    atomic_fetch_add(&route->requests[method_index(request->method)][status], 1);
    histogram_count(&route->seconds, request->seconds);
    atomic_fetch_add(&metrics->received, (uint64_t)request->received);
    atomic_fetch_add(&metrics->sent, (uint64_t)request->sent);
}

void metrics_add_in_progress(struct metrics *metrics, int change)
{
    atomic_fetch_add(&metrics->in_progress, change);
}

void metrics_count_wait(struct metrics *metrics, double seconds)
{
    histogram_count(&metrics->wait, seconds);
}

void metrics_count_report(struct metrics *metrics, const struct stability_report *report, double seconds)
{
    if (metrics == NULL) {
        return;
    }
    histogram_count(&metrics->work, seconds);
    atomic_fetch_add(&metrics->operations, report->flops > 0 ? (uint64_t)report->flops : 0);
    for (size_t i = 0; i < report->finding_count; i++) {
        const struct stability_finding *finding = &report->findings[i];
        for (size_t rule = 0; rule < metrics->rule_count; rule++) {
            if (strcmp(stability_rule_type_at(rule)->name, finding->rule) == 0) {
                atomic_fetch_add(&metrics->findings[rule * SEVERITY_COUNT + (size_t)finding->severity], 1);
            }
        }
    }
}

static void write_head(struct buffer *text, const char *name, const char *type, const char *documentation)
{
    buffer_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, documentation, name, type);
}

static const struct metrics_route *name_at(const struct metrics *metrics, const struct metrics_route *routes,
                                           size_t index)
{
    static const struct metrics_route other = {"other", "other"};
    return index < metrics->route_count ? &routes[index] : &other;
}

static void write_requests(const struct metrics *metrics, const struct metrics_route *routes,
                           struct buffer *text)
{
    static const char name[] = "stabilityd_http_requests_total";
    write_head(text, name, "counter",
               "Requests that are over; status 0: the client left before there was one.");
    for (size_t route = 0; route <= metrics->route_count; route++) {
        for (size_t method = 0; method < METHOD_COUNT; method++) {
            for (int status = 0; status < MOST_STATUS; status++) {
                uint64_t count = atomic_load(&metrics->routes[route].requests[method][status]);
                if (count > 0) {
                    buffer_format(text, "%s{route=\"%s\",method=\"%s\",status=\"%d\"} %" PRIu64 "\n", name,
                                  name_at(metrics, routes, route)->path, methods[method], status, count);
                }
            }
        }
    }
}

static void write_durations(const struct metrics *metrics, const struct metrics_route *routes,
                            struct buffer *text)
{
    static const char name[] = "stabilityd_http_request_duration_seconds";
    write_head(text, name, "histogram", "From a request's first line to the last byte of its response.");
    for (size_t route = 0; route <= metrics->route_count; route++) {
        struct buffer labels = {0};
        const struct metrics_route *called = name_at(metrics, routes, route);
        buffer_format(&labels, "route=\"%s\",method=\"%s\"", called->path, called->method);
        if (histogram_total(&metrics->routes[route].seconds) > 0 && !labels.failed) {
            histogram_write(&metrics->routes[route].seconds, name, labels.data, text);
        }
        buffer_free(&labels);
    }
}

static void write_findings(const struct metrics *metrics, struct buffer *text)
{
    static const char name[] = "stabilityd_findings_total";
    write_head(text, name, "counter", "Findings in reports of POST /v1/diagnose.");
    for (size_t rule = 0; rule < metrics->rule_count; rule++) {
        for (size_t severity = 0; severity < SEVERITY_COUNT; severity++) {
            uint64_t count = atomic_load(&metrics->findings[rule * SEVERITY_COUNT + severity]);
            if (count > 0) {
                buffer_format(text, "%s{rule=\"%s\",severity=\"%s\"} %" PRIu64 "\n", name,
                              stability_rule_type_at(rule)->name,
                              stability_severity_name((enum stability_severity)severity), count);
            }
        }
    }
}

static void write_counter(struct buffer *text, const char *name, const char *documentation, uint64_t count)
{
    write_head(text, name, "counter", documentation);
    buffer_format(text, "%s %" PRIu64 "\n", name, count);
}

static void write_histogram(struct buffer *text, const char *name, const char *documentation,
                            const struct histogram *histogram)
{
    write_head(text, name, "histogram", documentation);
    histogram_write(histogram, name, "", text);
}

static void write_gauges(const struct metrics_gauge *gauges, size_t count, struct buffer *text)
{
    for (size_t i = 0; i < count; i++) {
        char name[128] = "stabilityd_";
        strncat(name, gauges[i].name, sizeof(name) - strlen(name) - 1);
        write_head(text, name, "gauge", gauges[i].documentation);
        buffer_format(text, "%s %.0f\n", name, gauges[i].value);
    }
}

void metrics_write(const struct metrics *metrics, const struct metrics_route *routes,
                   const struct metrics_gauge *gauges, size_t gauge_count, struct buffer *text)
{
    write_head(text, "stabilityd_build_info", "gauge", "Always 1; the label tells the version.");
    buffer_format(text, "stabilityd_build_info{version=\"%s\"} 1\n", STABILITY_VERSION);
    write_requests(metrics, routes, text);
    write_durations(metrics, routes, text);
    write_head(text, "stabilityd_http_requests_in_progress", "gauge",
               "Requests that have begun and are not over.");
    buffer_format(text, "stabilityd_http_requests_in_progress %" PRId64 "\n",
                  atomic_load(&metrics->in_progress));
    write_counter(text, "stabilityd_http_request_body_bytes_total", "Bytes of bodies that came in.",
                  atomic_load(&metrics->received));
    write_counter(text, "stabilityd_http_response_body_bytes_total", "Bytes of bodies that went out.",
                  atomic_load(&metrics->sent));
    write_histogram(text, "stabilityd_queue_wait_seconds",
                    "What work waited for a thread of the compute pool.", &metrics->wait);
    write_histogram(text, "stabilityd_diagnosis_duration_seconds",
                    "What diagnoses computed for, reading and writing not counted.", &metrics->work);
    write_counter(text, "stabilityd_work_operations_total",
                  "Floating-point operations of diagnoses, predicted from the models.",
                  atomic_load(&metrics->operations));
    write_findings(metrics, text);
    write_gauges(gauges, gauge_count, text);
    process_write(text);
}
