/* Memory that is planned before it is taken: buffers with a size and a lifetime in steps get offsets into one
 * block, so that those whose lifetimes do not meet share it. */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

#include "core/arena.h"

#include <stdbool.h>
#include <stddef.h>

struct memory_plan {
    struct arena *arena;
    struct memory_buffer *buffers;
    int count;
    int capacity;
    size_t total;   /* bytes of the block, once placed */
    bool failed;    /* no memory for the plan itself */
    bool too_large; /* the sizes overflow */
};

/* Reserves `bytes` from step `first` to step `last`, both included. Returns the buffer's index; what fails
 * here is told by memory_place. */
int memory_reserve(struct memory_plan *plan, size_t bytes, int first, int last);
/* The bytes that a buffer of `bytes` takes in the block. */
size_t memory_size(size_t bytes);
/* Lengthens a buffer's lifetime to take in `step`. */
void memory_extend(struct memory_plan *plan, int buffer, int step);
/* Gives every buffer its offset, for steps 0 to step_count - 1. False where memory ran out or the total
 * overflows. */
bool memory_place(struct memory_plan *plan, int step_count);
/* Offset of a buffer into the block; a multiple of 64. */
size_t memory_offset(const struct memory_plan *plan, int buffer);

#endif
