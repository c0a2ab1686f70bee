/* A hash table from names to indices, sized once. */
#ifndef CORE_NAMES_H
#define CORE_NAMES_H

#include "core/arena.h"

#include <stdbool.h>
#include <stddef.h>

struct names {
    size_t capacity; /* a power of two */
    struct name_slot *slots;
};

/* Room for `count` names, in the arena. False where there is no memory. */
bool names_new(struct names *names, size_t count, struct arena *arena);
/* Adds a name, which must outlive the table. Returns `index`, or the index that the name already has. */
int names_add(struct names *names, const char *name, int index);
/* The index of a name, or -1. */
int names_find(const struct names *names, const char *name);

#endif
