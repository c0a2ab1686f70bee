/* Responses on their way out: through libmicrohttpd, or past it. */
#ifndef SERVER_HTTP_REPLY_H
#define SERVER_HTTP_REPLY_H

#include "server/http/exchange.h"

/* Queues the response, and takes its body. `close` ends the connection after it. MHD_NO where that is not
 * possible: the connection is then to be dropped. */
enum MHD_Result reply_queue(struct exchange *exchange, bool close);

/* Writes the response to the connection right away, as far as the socket takes it, and closes that direction.
 * For when libmicrohttpd takes no response: while a body is arriving. */
void reply_send(const struct exchange *exchange);

#endif
