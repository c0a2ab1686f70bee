/* Bytes of a body, held in memory that the budget allows. */
#ifndef SERVER_INPUT_HELD_H
#define SERVER_INPUT_HELD_H

#include "server/buffer.h"
#include "server/input/encoding.h"
#include "server/jobs/budget.h"

/* Starts with `memory` alone; released by held_release. */
struct held_bytes {
    struct budget *memory; /* borrowed */
    struct buffer buffer;
    int64_t reserved; /* bytes taken from the budget */
};

/* Appends `count` bytes, of `most` that will come in all; -1: unknown. False without memory. */
bool held_append(struct held_bytes *held, const char *bytes, size_t count, int64_t most,
                 struct stability_error *error);

/* Puts the decoded bytes in place of ones that came encoded. False where they are broken, or decoded exceed
 * the limit or the memory. */
bool held_decode(struct held_bytes *held, enum encoding encoding, int64_t limit,
                 struct stability_error *error);

/* Frees the bytes and gives their memory back to the budget. */
void held_release(struct held_bytes *held);

#endif
