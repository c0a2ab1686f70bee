#include "core/names.h"

#include <stdint.h>
#include <string.h>

struct name_slot {
    const char *name;
    int index;
};

/* FNV-1a */
static uint64_t hash(const char *name)
{
    uint64_t value = 0xcbf29ce484222325u;
    for (; *name; name++)
        value = (value ^ (unsigned char)*name) * 0x100000001b3u;
    return value;
}

/* The slot that holds the name, or the free one where it would go. */
static struct name_slot *find_slot(const struct names *names, const char *name)
{
    uint64_t h = hash(name);
    for (size_t i = (size_t)(h ^ h >> 32);; i++) {
        struct name_slot *slot = &names->slots[i & (names->capacity - 1)];
        if (!slot->name || strcmp(slot->name, name) == 0)
            return slot;
    }
}

bool names_new(struct names *names, size_t count, struct arena *arena)
{
    names->capacity = 8;
    while (names->capacity < 2 * count)
        names->capacity *= 2;
    names->slots = arena_array(arena, names->capacity, sizeof(*names->slots));
    return names->slots != NULL;
}

int names_add(struct names *names, const char *name, int index)
{
    struct name_slot *slot = find_slot(names, name);
    if (slot->name)
        return slot->index;
    *slot = (struct name_slot){name, index};
    return index;
}

int names_find(const struct names *names, const char *name)
{
    struct name_slot *slot = find_slot(names, name);
    return slot->name ? slot->index : -1;
}
