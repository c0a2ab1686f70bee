/* A chart in HTML: positive numbers on a logarithmic axis, one column a layer or a parameter. */
#ifndef SERVER_OUTPUT_HTML_CHART_H
#define SERVER_OUTPUT_HTML_CHART_H

#include "server/buffer.h"

#define CHART_SERIES 2

struct chart_series {
    const char *name;
    /* False where there is no such number. */
    bool (*number)(const void *context, size_t index, double *number);
};

/* Between two numbers, cut at the ends of the axis. */
struct chart_band {
    double low; /* 0: no lower end */
    double high;
    const char *class;
    const char *label; /* harmless as it is */
};

struct chart {
    const char *id; /* unique in the page */
    const char *title;
    const void *context;
    size_t count;
    const char *(*name)(const void *context, size_t index);
    const char *noun; /* "layer" */
    size_t series_count;
    struct chart_series series[CHART_SERIES];
    size_t band_count;
    const struct chart_band *bands;
    /* Whether a number is outside of what is accepted; NULL: nothing is. */
    bool (*outside)(const void *context, size_t index, double number);
    double low, high; /* that the axis reaches in any case; 0: none */
};

/* A <figure>; nothing where there is no number. */
void html_chart(struct buffer *out, const struct chart *chart);

#endif
