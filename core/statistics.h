/* Statistics of a tensor in one pass over memory. */
#ifndef CORE_STATISTICS_H
#define CORE_STATISTICS_H

#include <stability/report.h>

/* Fills `statistics` from `count` elements of a variant's precision (float or double). Everything accumulates
 * in float64, block by block, so that a large mean does not cancel the variance; norms neither overflow nor
 * underflow before the result itself does. An empty tensor has count 0, mean, variance, min and max NaN, norm
 * 0. */
typedef void statistics_function(const void *data, int64_t count, struct stability_statistics *statistics);

#endif
