/* Requests and responses as handlers see them: no sockets, no libmicrohttpd. */
#ifndef SERVER_HTTP_MESSAGE_H
#define SERVER_HTTP_MESSAGE_H

#include "server/http/stream.h"
#include "server/input/encoding.h"
#include "server/input/position.h"
#include "server/report_choice.h"
#include "server/service.h"
#include "server/store/store.h"

#define HTTP_ID_SIZE 129 /* bytes of a request's id, the NUL included */
#define HTTP_HEADER_COUNT 6
#define HTTP_TIMING_COUNT 8

/* All borrowed, and valid while the handler runs. */
struct http_request {
    struct service *service;
    const char *id;                /* X-Request-Id */
    const char *client;            /* the name of its token; "" where none is needed */
    char *body;                    /* may be changed */
    struct input_arrival *arrival; /* what was read of it already; NULL: nothing */
    size_t body_length;
    const char *boundary;          /* of a body of multipart/form-data; NULL: it is JSON */
    const char *target;            /* path and query as they came */
    char resource[64];             /* what stands for {id} in the route's path, cut off where it is longer */
    struct report_choice choice;   /* routes that give a report: with a format */
    bool format_named;             /* by the query, or by an Accept that does not take just anything */
    const char *save;              /* the name under which the report is to be kept; NULL: it is not */
    const char *baseline;          /* the id of a saved report; NULL: none */
    struct report_query listing;   /* routes that list reports */
    bool async;                    /* it is to become a job */
    enum encoding encoding;        /* of the body, which a job's is left in */
    const char *key;               /* Idempotency-Key of a job; NULL: none */
    double received;               /* clock_seconds() when the body was there */
    double deadline;               /* clock_seconds(), but for: */
    const double *waited;          /* seconds that the work was made to wait, which grow; NULL: none */
    bool guest;                    /* it is a job's work: a guest of the compute pool */
    int64_t most_flops;            /* what takes more is left without an answer; 0: everything is answered */
    struct diagnosis *diagnosis;   /* what it has come to: starts zeroed, goes on in the next call */
    int64_t held;                  /* bytes of the memory budget that the body takes */
    bool (*wanted)(void *context); /* false: the client has gone */
    /* Told how far the work is; may be NULL. */
    void (*progress)(void *context, const char *stage, int64_t done, int64_t total);
    void *context;
};

struct http_header {
    const char *name; /* static */
    char value[192];
};

struct http_timing {
    const char *name; /* a token, static */
    double seconds;
};

/* Starts zeroed; released by http_response_free. */
struct http_response {
    int status;
    const char *media_type; /* static */
    struct buffer body;
    struct http_stream *stream; /* what comes in place of a body, piece by piece; NULL: nothing does */
    enum stability_code code;   /* of the error that it tells; STABILITY_OK: none */
    size_t header_count;
    struct http_header headers[HTTP_HEADER_COUNT];
    size_t timing_count;
    struct http_timing timings[HTTP_TIMING_COUNT]; /* for Server-Timing */
};

/* Adds a header; one too many is a mistake of the program and is dropped. */
void http_response_header(struct http_response *response, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds a phase of the work to Server-Timing. */
void http_response_timing(struct http_response *response, const char *name, double seconds);

/* Makes the response the problem document of `error`, in place of what it was; headers and timings stay. */
void http_response_fail(struct http_response *response, const struct stability_error *error,
                        const struct input_position *position, const char *request_id);

void http_response_free(struct http_response *response);

#endif
