/* One request and its response, from the first line to the last byte sent. */
#ifndef SERVER_HTTP_EXCHANGE_H
#define SERVER_HTTP_EXCHANGE_H

#include "server/diagnosis.h"
#include "server/http/connection.h"
#include "server/http/identity.h"
#include "server/http/message.h"
#include "server/input/held.h"
#include "server/input/multipart.h"
#include "server/jobs/pool.h"
#include "server/routes/routes.h"

#include <microhttpd.h>

/* Guarded by the watch's lock, for deadlines pass and peers leave in every phase. */
enum exchange_phase {
    EXCHANGE_HEADER,   /* the first line is there */
    EXCHANGE_BODY,     /* the header is there, and good */
    EXCHANGE_COMPLETE, /* the body is there */
    EXCHANGE_WORK,     /* the compute pool has it; libmicrohttpd has put the connection aside */
    EXCHANGE_REPLY,    /* the response is made */
    EXCHANGE_LINGER    /* the response was sent past libmicrohttpd; what still comes is thrown away */
};

struct exchange {
    struct job job;
    struct connection *connection;
    struct MHD_Connection *handle; /* NULL: it is answered past libmicrohttpd alone */
    enum exchange_phase phase;
    const char *target; /* where the target stood; compared, never read */
    size_t target_length;
    struct http_target *parsed; /* NULL: its error is in `error` */
    const struct route *route;
    bool begun;    /* the first callback has been */
    bool accepted; /* counted as in flight */
    bool counted;  /* counted as work */
    bool goes_on;  /* another request may follow it */
    bool is_http10;
    atomic_bool abandoned; /* the client has gone */
    struct stability_error error;
    enum encoding encoding;
    char boundary[MULTIPART_BOUNDARY_SIZE]; /* of a multipart body; else empty */
    int64_t body_length;                    /* announced; -1: chunked */
    int64_t received;                       /* bytes of body so far */
    struct held_bytes body;
    struct input_arrival *arrival; /* of a body that can be read while it arrives; else NULL */
    struct http_request request;
    struct diagnosis diagnosis; /* of the request; guarded as the work is */
    struct http_response response;
    int64_t sent; /* bytes of the response's body */
    double started;
    double complete;  /* when the body was there */
    double submitted; /* when the pool got it */
    char id[HTTP_ID_SIZE];
    char trace[TRACE_SIZE];      /* traceparent; else empty */
    char token[TOKEN_NAME_SIZE]; /* the name of the client's token; else empty */
    char method[16];             /* for the log, shortened */
    char summary[160];           /* the target, for the log, shortened */
};

/* An exchange without a request yet: freed by exchange_close, or by free() where it was never opened. NULL
 * without memory. */
struct exchange *exchange_new(struct connection *connection, struct MHD_Connection *handle);

/* libmicrohttpd's callbacks; `closure` is a struct http_server. */
void *exchange_open(void *closure, const char *target, struct MHD_Connection *handle);
enum MHD_Result exchange_continue(void *closure, struct MHD_Connection *handle, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context);
void exchange_close(void *closure, struct MHD_Connection *handle, void **context,
                    enum MHD_RequestTerminationCode code);

/* Moves on to a phase, and its deadline. The watch is locked. */
void exchange_enter(struct exchange *exchange, enum exchange_phase phase, double deadline);

/* Turns the response into the problem document of the exchange's error. */
void exchange_fail(struct exchange *exchange);

/* Sends a refusal past libmicrohttpd, unless the request was answered already. The watch is locked. */
void exchange_refuse(struct exchange *exchange, const struct stability_error *error);

/* The watch's events on the connection of an exchange, NULL between two exchanges. */
void exchange_expired(struct watched *watched);
void exchange_left(struct watched *watched, bool reset);

#endif
