/* How far the work has come, on one line of a terminal that is written over. */
#ifndef SERVER_PROGRESS_LINE_H
#define SERVER_PROGRESS_LINE_H

#include <stdbool.h>
#include <stdint.h>

/* Starts zeroed but for `enabled`. */
struct progress_line {
    bool enabled; /* standard error is a terminal that is not dumb */
    bool shown;
    double next; /* clock_seconds() before which the line is left as it is */
};

/* The progress of struct diagnosis_call; `line` is a struct progress_line. */
void progress_line_show(void *line, const char *stage, int64_t done, int64_t total);

/* Removes the line, so that what follows starts at its place. */
void progress_line_clear(struct progress_line *line);

#endif
