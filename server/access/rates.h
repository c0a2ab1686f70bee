/* How often clients may ask: requests a minute, counted for each key (an address, a token). */
#ifndef SERVER_ACCESS_RATES_H
#define SERVER_ACCESS_RATES_H

#include <stdbool.h>
#include <stddef.h>

#define RATES_KEY_SIZE 32

struct rates;

/* A table of a fixed size: where more keys come than it has places for, those that asked least recently are
 * forgotten. NULL where there is no memory. */
struct rates *rates_new(void);
void rates_free(struct rates *rates);

/* Counts a request of `key` (RATES_KEY_SIZE bytes) at `now` (clock_seconds()), of which there may be `limit`
 * at once and again over each minute. Returns 0, or, where that is one too many and is not counted, the
 * seconds after which it would be accepted. May be called from several threads. */
double rates_take(struct rates *rates, const unsigned char *key, double limit, double now);

#endif
