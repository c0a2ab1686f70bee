/* Offsets are found by walking through the steps with a list of free gaps, best fit first: what was freed
 * last is reused while it is still in the cache, and the cost is that of the list, which stays short. */
#include "core/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

struct memory_buffer {
    size_t bytes; /* rounded up to ALIGNMENT */
    size_t offset;
    int first;
    int last;
    int next_starting; /* lists of buffers by first and by last step; -1 ends them */
    int next_ending;
};

struct gap {
    size_t offset;
    size_t bytes;
};

struct placement {
    struct gap *gaps; /* by offset, never adjacent; the last one is open-ended */
    int count;
};

size_t memory_size(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

int memory_reserve(struct memory_plan *plan, size_t bytes, int first, int last)
{
    if (plan->count == plan->capacity) {
        int capacity = plan->capacity ? 2 * plan->capacity : 64;
        struct memory_buffer *grown = arena_array(plan->arena, (size_t)capacity, sizeof(*grown));
        if (!grown) {
            plan->failed = true;
            return 0;
        }
        if (plan->count)
            memcpy(grown, plan->buffers, (size_t)plan->count * sizeof(*grown));
        plan->buffers = grown;
        plan->capacity = capacity;
    }
    if (bytes > SIZE_MAX / 4) {
        plan->too_large = true;
        bytes = 0;
    }
    struct memory_buffer *buffer = &plan->buffers[plan->count];
    buffer->bytes = memory_size(bytes);
    buffer->first = first;
    buffer->last = last;
    return plan->count++;
}

void memory_extend(struct memory_plan *plan, int buffer, int step)
{
    if (plan->failed)
        return;
    if (step > plan->buffers[buffer].last)
        plan->buffers[buffer].last = step;
    if (step < plan->buffers[buffer].first)
        plan->buffers[buffer].first = step;
}

static void remove_gap(struct placement *p, int index)
{
    memmove(&p->gaps[index], &p->gaps[index + 1], (size_t)(p->count - index - 1) * sizeof(*p->gaps));
    p->count--;
}

static void take(struct placement *p, struct memory_buffer *buffer)
{
    int best = p->count - 1;
    for (int i = 0; i < p->count - 1; i++)
        if (p->gaps[i].bytes >= buffer->bytes && p->gaps[i].bytes < p->gaps[best].bytes)
            best = i;
    struct gap *gap = &p->gaps[best];
    buffer->offset = gap->offset;
    gap->offset += buffer->bytes;
    gap->bytes -= buffer->bytes;
    if (gap->bytes == 0)
        remove_gap(p, best);
}

static void give_back(struct placement *p, const struct memory_buffer *buffer)
{
    int low = 0, high = p->count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (p->gaps[middle].offset < buffer->offset)
            low = middle + 1;
        else
            high = middle;
    }
    bool joins_before = low > 0 && p->gaps[low - 1].offset + p->gaps[low - 1].bytes == buffer->offset;
    bool joins_after = low < p->count && buffer->offset + buffer->bytes == p->gaps[low].offset;
    if (joins_before && joins_after) {
        p->gaps[low - 1].bytes += buffer->bytes + p->gaps[low].bytes;
        remove_gap(p, low);
    } else if (joins_before) {
        p->gaps[low - 1].bytes += buffer->bytes;
    } else if (joins_after) {
        p->gaps[low].offset -= buffer->bytes;
        p->gaps[low].bytes += buffer->bytes;
    } else {
        memmove(&p->gaps[low + 1], &p->gaps[low], (size_t)(p->count - low) * sizeof(*p->gaps));
        p->gaps[low] = (struct gap){buffer->offset, buffer->bytes};
        p->count++;
    }
}

bool memory_place(struct memory_plan *plan, int step_count)
{
    struct arena scratch = {0};
    size_t steps = (size_t)step_count;
    int *starting = arena_array(&scratch, steps, sizeof(int));
    int *ending = arena_array(&scratch, steps, sizeof(int));
    /* one gap more than there are buffers, and one that is open-ended */
    struct placement p = {.gaps = arena_array(&scratch, (size_t)plan->count + 2, sizeof(struct gap)),
                          .count = 1};
    if (plan->failed || !starting || !ending || !p.gaps) {
        arena_free(&scratch);
        return false;
    }
    p.gaps[0] = (struct gap){0, SIZE_MAX / 2};
    for (size_t s = 0; s < steps; s++)
        starting[s] = ending[s] = -1;
    size_t sum = 0;
    bool fits = !plan->too_large;
    for (int i = plan->count - 1; i >= 0; i--) {
        struct memory_buffer *buffer = &plan->buffers[i];
        fits &= !__builtin_add_overflow(sum, buffer->bytes, &sum) && sum < SIZE_MAX / 4;
        if (buffer->bytes == 0)
            continue;
        buffer->next_starting = starting[buffer->first];
        starting[buffer->first] = i;
        buffer->next_ending = ending[buffer->last];
        ending[buffer->last] = i;
    }
    for (size_t s = 0; fits && s < steps; s++) {
        for (int i = starting[s]; i >= 0; i = plan->buffers[i].next_starting) {
            take(&p, &plan->buffers[i]);
            size_t end = plan->buffers[i].offset + plan->buffers[i].bytes;
            if (end > plan->total)
                plan->total = end;
        }
        for (int i = ending[s]; i >= 0; i = plan->buffers[i].next_ending)
            give_back(&p, &plan->buffers[i]);
    }
    arena_free(&scratch);
    plan->too_large |= !fits;
    return !plan->too_large;
}

size_t memory_offset(const struct memory_plan *plan, int buffer)
{
    return plan->buffers[buffer].offset;
}
