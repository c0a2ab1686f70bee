/* Time that never goes back. */
#ifndef SERVER_CLOCK_H
#define SERVER_CLOCK_H

/* Seconds since some moment in the past (CLOCK_MONOTONIC). */
double clock_seconds(void);

#endif
