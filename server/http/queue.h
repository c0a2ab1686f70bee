/* Responses, on their way to libmicrohttpd. */
#ifndef SERVER_HTTP_QUEUE_H
#define SERVER_HTTP_QUEUE_H

#include <microhttpd.h>

/* What MHD_queue_response is elsewhere. In this program that name is taken: see queue.c. */
enum MHD_Result queue_response(struct MHD_Connection *handle, unsigned status, struct MHD_Response *response);

#endif
