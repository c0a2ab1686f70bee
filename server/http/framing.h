/* Checks of a request's header that libmicrohttpd 0.9.75 leaves out, and on which another HTTP implementation
 * before this one may disagree about where the request ends (RFC 9112,
 * sections 2.2, 3.2, 5.1, 5.2, 6.1, 6.3, 11.2). */
#ifndef SERVER_HTTP_FRAMING_H
#define SERVER_HTTP_FRAMING_H

#include <stability/error.h>

#include <microhttpd.h>

/* Checks the request in the first callback, before its body. `method` and `version` are that callback's
 * arguments; `target` is where the target stood, undecoded, and `target_length` its length. False with
 * FRAMING: the connection must then be closed. */
bool framing_check(struct MHD_Connection *connection, const char *method, const char *target,
                   size_t target_length, const char *version, struct stability_error *error);

#endif
