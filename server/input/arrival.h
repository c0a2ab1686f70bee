/* A JSON body that is read while it arrives, so that not much is left to do when all of it is there. */
#ifndef SERVER_INPUT_ARRIVAL_H
#define SERVER_INPUT_ARRIVAL_H

#include "server/input/scan.h"

/* Used by one thread at a time. */
struct input_arrival;

/* Begins with a body of `length` bytes, which will stand at `body` and stay there. The memory that numbers
 * need is taken from the budget. NULL without memory: such a body is read when it is there. */
struct input_arrival *input_arrival_new(const char *body, size_t length,
                                        const struct stability_limits *limits, struct budget *memory);
void input_arrival_free(struct input_arrival *arrival);

/* The first `count` bytes are there now. A body with an error is not read any further: whoever wants to know
 * it reads the body from its beginning, as input_arrival_finish will tell. */
void input_arrival_read(struct input_arrival *arrival, size_t count);

/* Bytes of what was read so far, without tensors and what of strings is long: a general parser reads them
 * again. */
size_t input_arrival_structure(const struct input_arrival *arrival);

/* All bytes are there: reads what was left, and moves the scan, and what it took of the budget, into *scan,
 * which was zeroed but for its claim. False, and *scan as it was, where there is an error in the body or no
 * memory. */
bool input_arrival_finish(struct input_arrival *arrival, struct scan *scan);

#endif
