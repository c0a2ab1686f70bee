/* Owns whatever a request's parts point to, so that one call frees it all. */
#ifndef SERVER_INPUT_OWNER_H
#define SERVER_INPUT_OWNER_H

#include "server/jobs/budget.h"

#include <stability/error.h>

#include <stddef.h>

/* Zeroed it owns nothing. */
struct owner {
    struct owned *latest;
    struct claim *claim; /* that pays for it; NULL: none */
};

/* Zeroed memory for `count` items of `size` bytes, aligned for any type; never NULL for 0 items. NULL with
 * an error where there is no memory. */
void *owner_allocate(struct owner *owner, size_t count, size_t size, struct stability_error *error);
/* A NUL-terminated copy of `length` bytes, or NULL with an error. */
char *owner_text(struct owner *owner, const char *text, size_t length, struct stability_error *error);
/* Frees all of it; the owner may then be used again. */
void owner_free(struct owner *owner);

/* Records that memory does not suffice; returns false. */
bool owner_out_of_memory(struct stability_error *error);

#endif
