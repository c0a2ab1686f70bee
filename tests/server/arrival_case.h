/* A body that arrives in pieces is scanned as one that is there. */
#ifndef TESTS_SERVER_ARRIVAL_CASE_H
#define TESTS_SERVER_ARRIVAL_CASE_H

#include "server/input/arrival.h"

#include <string.h>

static bool same_scan(const struct scan *one, const struct scan *other)
{
    bool same = one->structure.length == other->structure.length && one->slab_count == other->slab_count &&
                one->number_count == other->number_count;
    same = same && (one->structure.length == 0 ||
                    memcmp(one->structure.data, other->structure.data, one->structure.length) == 0);
    same = same && (one->number_count == 0 ||
                    memcmp(one->numbers, other->numbers, one->number_count * sizeof *one->numbers) == 0);
    for (size_t i = 0; same && i < one->slab_count; i++) {
        const struct slab *a = &one->slabs[i];
        const struct slab *b = &other->slabs[i];
        same = a->kind == b->kind && a->integers == b->integers && a->words == b->words &&
               a->start == b->start && a->count == b->count && a->shape.rank == b->shape.rank &&
               memcmp(a->shape.sizes, b->shape.sizes, sizeof a->shape.sizes) == 0;
    }
    return same;
}

/* The first `first` bytes, then more in pieces of `step`. */
static bool arrives_alike(const char *body, size_t length, const struct stability_limits *limits,
                          size_t first, size_t step)
{
    struct budget budget = {.total = INT64_MAX};
    struct stability_error error = {0};
    struct scan whole = {0};
    struct scan pieces = {0};
    size_t offset;
    bool read = scan_body(body, length, limits, &whole, &offset, &error);
    struct input_arrival *arrival = input_arrival_new(body, length, limits, &budget);
    for (size_t there = first; arrival != NULL && there < length; there += step) {
        input_arrival_read(arrival, there);
    }
    bool alike = arrival != NULL && input_arrival_finish(arrival, &pieces) == read;
    alike = alike && (!read || same_scan(&whole, &pieces));
    scan_free(&pieces);
    input_arrival_free(arrival);
    scan_free(&whole);
    return alike && budget.reserved == 0;
}

#endif
