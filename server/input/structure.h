/* jansson, made to tell when memory fails, and with memory that is given back all at once. */
#ifndef SERVER_INPUT_STRUCTURE_H
#define SERVER_INPUT_STRUCTURE_H

#include "server/jobs/budget.h"

#include <jansson.h>
#include <stdbool.h>

struct structure_block;

/* What was loaded: read it, and keep no references. Starts zeroed but for its claim. */
struct structure {
    json_t *root;        /* NULL: nothing */
    struct claim *claim; /* that pays for it, and is not paid back; NULL: none */
    struct structure_block *blocks;
};

/* Seeds jansson's hash tables and takes over its allocations. Call once, before other threads start. */
void structure_initialize(void);

/* json_loadb with JSON_REJECT_DUPLICATES and JSON_DECODE_ANY. False, with nothing loaded; where memory fails,
 * with `error` filled in and *problem as it was, also where an allocation failed that jansson passes over:
 * 2.14 then gives a text that lacks a character. */
bool structure_load(struct structure *structure, const char *text, size_t length, json_error_t *problem,
                    struct stability_error *error);

void structure_free(struct structure *structure);

#endif
