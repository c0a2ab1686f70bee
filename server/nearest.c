#include "server/nearest.h"

#include <stability/error.h>

#include <stdio.h>

void nearest_offer(struct nearest *nearest, const char *name)
{
    if (nearest->count < NEAREST_NAMES) {
        nearest->names[nearest->count++] = name;
    }
}

const char *nearest_hint(const struct nearest *nearest, const char *word, char hint[NEAREST_HINT])
{
    const char *name = stability_nearest(word, nearest->names);
    hint[0] = '\0';
    if (name != NULL) {
        snprintf(hint, NEAREST_HINT, ": did you mean '%s'?", name);
    }
    return hint;
}
