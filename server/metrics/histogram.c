#include "server/metrics/histogram.h"

#include <inttypes.h>

/* Seconds, as they are printed. */
static const struct {
    double bound;
    const char *text;
} bounds[HISTOGRAM_BUCKETS] = {
    {0.0005, "0.0005"}, {0.001, "0.001"}, {0.0025, "0.0025"}, {0.005, "0.005"},
    {0.01, "0.01"},     {0.025, "0.025"}, {0.05, "0.05"},     {0.1, "0.1"},
    {0.25, "0.25"},     {0.5, "0.5"},     {1, "1.0"},         {2.5, "2.5"},
    {5, "5.0"},         {10, "10.0"},     {30, "30.0"},       {60, "60.0"},
};

void histogram_count(struct histogram *histogram, double seconds)
{
    size_t bucket = 0;
    seconds = seconds > 0 ? seconds : 0;
    while (bucket < HISTOGRAM_BUCKETS && seconds > bounds[bucket].bound) {
        bucket++;
    }
    atomic_fetch_add(&histogram->counts[bucket], 1);
    atomic_fetch_add(&histogram->nanoseconds, (uint64_t)(seconds * 1e9));
}

uint64_t histogram_total(const struct histogram *histogram)
{
    uint64_t total = 0;
    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++) {
        total += atomic_load(&histogram->counts[i]);
    }
    return total;
}

void histogram_write(const struct histogram *histogram, const char *name, const char *labels,
                     struct buffer *text)
{
    const char *comma = labels[0] == '\0' ? "" : ",";
    const char *open = labels[0] == '\0' ? "" : "{";
    const char *close = labels[0] == '\0' ? "" : "}";
    uint64_t total = 0;
    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++) {
        total += atomic_load(&histogram->counts[i]);
        buffer_format(text, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, labels, comma,
                      i < HISTOGRAM_BUCKETS ? bounds[i].text : "+Inf", total);
    }
    uint64_t nanoseconds = atomic_load(&histogram->nanoseconds);
    buffer_format(text, "%s_sum%s%s%s %" PRIu64 ".%09" PRIu64 "\n", name, open, labels, close,
                  nanoseconds / 1000000000, nanoseconds % 1000000000);
    buffer_format(text, "%s_count%s%s%s %" PRIu64 "\n", name, open, labels, close, total);
}
