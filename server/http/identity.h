/* What a request is called: its id, and the trace that it is part of. */
#ifndef SERVER_HTTP_IDENTITY_H
#define SERVER_HTTP_IDENTITY_H

#include "server/http/message.h"

#include <microhttpd.h>

#define TRACE_SIZE 56    /* "00-…-…-01" and the NUL */
#define TRACE_ID_SIZE 33 /* of that, the trace's own part */

/* A request's own id: random. */
void identity_generate(char id[HTTP_ID_SIZE]);

/* Takes over the client's X-Request-Id where it is short and harmless in any log or header. */
void identity_adopt(struct MHD_Connection *connection, char id[HTTP_ID_SIZE]);

/* Copies the client's traceparent (W3C Trace Context, version 00); empty without one that is valid. */
void identity_trace(struct MHD_Connection *connection, char trace[TRACE_SIZE]);
/* The id within a traceparent. */
void identity_trace_id(const char trace[TRACE_SIZE], char id[TRACE_ID_SIZE]);

#endif
