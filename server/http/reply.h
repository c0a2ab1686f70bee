/* Responses on their way out: through libmicrohttpd, or past it. */
#ifndef SERVER_HTTP_REPLY_H
#define SERVER_HTTP_REPLY_H

#include "server/http/connection.h"
#include "server/http/message.h"

#include <microhttpd.h>

/* Queues the response, and takes its body. `close` ends the connection after it. MHD_NO where that is not
 * possible: the connection is then to be dropped. */
enum MHD_Result reply_queue(struct MHD_Connection *connection, struct http_response *response, const char *id,
                            bool close);

/* Writes the response to a connection right away, as far as the socket takes it, and closes that direction.
 * For when libmicrohttpd takes no response: while a body is arriving. */
void reply_send(const struct connection *connection, const struct http_response *response, const char *id);

#endif
