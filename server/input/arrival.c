#define _GNU_SOURCE /* memrchr */

#include "server/input/arrival.h"

#include "server/input/scanner.h"

#include <stdlib.h>
#include <string.h>

struct input_arrival {
    struct scanner scanner;
    struct scan scan;
    struct claim claim;
    struct stability_error error;
    bool failed;
};

struct input_arrival *input_arrival_new(const char *body, size_t length,
                                        const struct stability_limits *limits, struct budget *memory)
{
    struct input_arrival *arrival = calloc(1, sizeof *arrival);
    if (arrival != NULL) {
        arrival->claim.budget = memory;
        arrival->scan.claim = &arrival->claim;
        arrival->scanner = scanner_new(body, length, limits, &arrival->scan, &arrival->error);
    }
    return arrival;
}

void input_arrival_free(struct input_arrival *arrival)
{
    if (arrival != NULL) {
        scan_free(&arrival->scan);
        claim_release(&arrival->claim);
        free(arrival);
    }
}

/* Arrays are read up to a comma, behind which there may be part of an item. */
static void find_comma(struct scanner *scanner, const char *before)
{
    const char *comma = memrchr(before, ',', (size_t)(scanner->end - before));
    if (comma != NULL) {
        scanner->comma = comma + 1;
    }
}

static void read_to(struct input_arrival *arrival, const char *end)
{
    struct scanner *scanner = &arrival->scanner;
    const char *before = scanner->end;
    scanner->end = end;
    if (arrival->failed) {
        return;
    }
    find_comma(scanner, before);
    arrival->failed = !scanner_read(scanner);
    if (arrival->failed) {
        scan_free(&arrival->scan);
        claim_release(&arrival->claim);
    }
}

void input_arrival_read(struct input_arrival *arrival, size_t count)
{
    read_to(arrival, arrival->scanner.body + count);
}

size_t input_arrival_structure(const struct input_arrival *arrival)
{
    return arrival->scan.structure.length;
}

bool input_arrival_finish(struct input_arrival *arrival, struct scan *scan)
{
    struct claim *claim = scan->claim;
    read_to(arrival, arrival->scanner.limit);
    if (arrival->failed) {
        return false;
    }
    scan_trim(&arrival->scan);
    *scan = arrival->scan;
    scan->claim = claim;
    if (claim != NULL) {
        claim->bytes += arrival->claim.bytes;
        arrival->claim.bytes = 0;
    }
    arrival->scan = (struct scan){0};
    return true;
}
