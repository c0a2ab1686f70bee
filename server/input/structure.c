#include "server/input/structure.h"

#include <stdbool.h>
#include <stdlib.h>

static _Thread_local bool allocation_failed;

static void *allocate(size_t size)
{
    void *memory = malloc(size);
    allocation_failed = allocation_failed || memory == NULL;
    return memory;
}

void structure_initialize(void)
{
    json_set_alloc_funcs(allocate, free);
    json_object_seed(0);
}

json_t *structure_load(const char *text, size_t length, json_error_t *problem)
{
    allocation_failed = false;
    json_t *structure = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, problem);
    if (allocation_failed) {
        json_decref(structure);
        return NULL;
    }
    return structure;
}
