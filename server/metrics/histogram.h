/* A histogram of durations, as Prometheus knows it. */
#ifndef SERVER_METRICS_HISTOGRAM_H
#define SERVER_METRICS_HISTOGRAM_H

#include "server/buffer.h"

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS 16 /* bounds; what is over the last counts in all the same */

/* Zeroed it is empty. */
struct histogram {
    _Atomic uint64_t counts[HISTOGRAM_BUCKETS + 1]; /* not cumulative */
    _Atomic uint64_t nanoseconds;                   /* sum */
};

void histogram_count(struct histogram *histogram, double seconds);
uint64_t histogram_total(const struct histogram *histogram);

/* Appends the series of `name`; `labels` ("route=\"/livez\"") may be empty. */
void histogram_write(const struct histogram *histogram, const char *name, const char *labels,
                     struct buffer *text);

#endif
