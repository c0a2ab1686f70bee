/* "Did you mean": the known name that an unknown one was probably meant to be. */
#ifndef SERVER_NEAREST_H
#define SERVER_NEAREST_H

#include <stddef.h>

#define NEAREST_NAMES 48 /* how many names can be offered */
#define NEAREST_HINT 192 /* bytes that suffice for a hint */

/* Known names, borrowed. Starts zeroed; more than NEAREST_NAMES are left out. */
struct nearest {
    size_t count;
    const char *names[NEAREST_NAMES + 1]; /* a NULL after the last */
};

void nearest_offer(struct nearest *nearest, const char *name);

/* Writes ": did you mean 'NAME'?" into `hint` for the name that `word` was meant to be, or nothing where none
 * is near, and returns `hint`. */
const char *nearest_hint(const struct nearest *nearest, const char *word, char hint[NEAREST_HINT]);

#endif
