/* The buffer, with a realloc that fails when told to. It stands in for the library's: include it in one file
 * of an executable. */
#ifndef TESTS_FAILING_BUFFER_H
#define TESTS_FAILING_BUFFER_H

#include <stdlib.h>

/* That many reallocations succeed, the next one fails, later ones succeed; -1: none fails. */
static long reallocations_before_failure = -1;

__attribute__((noinline)) static void *failing_realloc(void *pointer, size_t size)
{
    if (reallocations_before_failure == 0) {
        reallocations_before_failure = -1;
        return NULL;
    }
    if (reallocations_before_failure > 0) {
        reallocations_before_failure--;
    }
    return realloc(pointer, size);
}

#define realloc failing_realloc
#include "server/buffer.c" // NOLINT(bugprone-suspicious-include)
#undef realloc

#endif
