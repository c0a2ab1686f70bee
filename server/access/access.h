/* Who may use the server, and how often. */
#ifndef SERVER_ACCESS_ACCESS_H
#define SERVER_ACCESS_ACCESS_H

#include "server/access/tokens.h"

struct sockaddr;

struct access;

/* `tokens`, a file, is borrowed; NULL: no token is needed. `limit`: requests a minute of one address; 0: any
 * number. NULL on error. */
struct access *access_new(const char *tokens, double limit, struct stability_error *error);
void access_free(struct access *access);

/* Reads the file again. Where that fails, what was read before stays in force. */
bool access_reload(struct access *access, struct stability_error *error);

/* What a client shows, and what came of it. */
struct access_claim {
    const struct sockaddr *address; /* NULL: not known */
    const char *authorization;      /* the header's value; NULL: none */
    char name[TOKEN_NAME_SIZE];     /* of the token; "" without one */
    int retry_after;                /* seconds; where the error is TOO_MANY_REQUESTS */
};

/* Counts a request and says whether it is let in: else UNAUTHORIZED or TOO_MANY_REQUESTS. Addresses of
 * version 6 count by their first 64 bits. May be called from several threads. */
bool access_check(struct access *access, struct access_claim *claim, struct stability_error *error);

#endif
