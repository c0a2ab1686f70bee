/* Refusals of what is no request: it ends, or cannot be read, before there is an exchange for it, or while
 * libmicrohttpd reads on without asking. */
#ifndef SERVER_HTTP_REFUSAL_H
#define SERVER_HTTP_REFUSAL_H

#include "server/http/connection.h"

/* Sends a problem document past libmicrohttpd over a connection without an exchange, says that nothing more
 * comes, and writes the log. The watch is locked. */
void refusal_send(struct connection *connection, const struct stability_error *error);

/* Sends a problem document in place of the page that libmicrohttpd is about to queue with `status`, and says
 * that nothing more comes, so that the page is lost. */
void refusal_answer(struct MHD_Connection *handle, unsigned status);

#endif
