/* Connections, and what they share. */
#ifndef SERVER_HTTP_CONNECTION_H
#define SERVER_HTTP_CONNECTION_H

#include "server/http/linger.h"
#include "server/http/listener.h"
#include "server/http/watch.h"
#include "server/service.h"

#include <microhttpd.h>
#include <pthread.h>

/* Seconds. The body's and the work's are the service's --timeout. */
#define HTTP_HEADER_SECONDS 10  /* for a header to arrive, once its first line or the connection is there */
#define HTTP_IDLE_SECONDS 60    /* between two requests */
#define HTTP_REPLY_SECONDS 60   /* for a peer to read its response */
#define HTTP_LINGER_SECONDS 2   /* for what is still on its way when one side has closed */
#define HTTP_TELL_SECONDS 0.002 /* for libmicrohttpd to read that a client has closed its side; doubles */
#define HTTP_UPLOAD_SECONDS 30  /* for a client that sends all before it reads that it was refused */

#define HTTP_HEADER_BYTES 65536 /* memory of a connection, for a header and a piece of its body */

struct exchange;

/* The daemon and what its callbacks need. */
struct http_server {
    struct service *service;
    struct watch *watch;
    struct lingerers *linger;
    struct listener *listener;
    struct MHD_Daemon *daemon;
    pthread_mutex_t mutex;
    pthread_cond_t ended; /* one of the numbers below became less */
    int in_flight;        /* requests whose header was accepted and whose response is not yet sent */
    int working;          /* of these, those of heavy routes */
    int suspended;        /* connections that libmicrohttpd has put aside */
    bool closing;         /* none is put aside any more */
};

struct connection {
    struct watched watched; /* first: the watch's events lead back here */
    struct http_server *server;
    /* Guarded by the watch's lock, as the exchange is, which is NULL between two requests. */
    struct exchange *exchange;
    bool fresh;        /* there was no exchange yet */
    bool half_closed;  /* the client sends nothing more */
    double tell_after; /* seconds until libmicrohttpd is told once more that it does not */
    bool goes_on;      /* a request may follow: nobody has been told that none may */
    double linger; /* seconds for what is not read yet to come, once the connection is closed; 0: all is */
    char address[48];
    void *session; /* of TLS; NULL: plain HTTP */
};

/* Seconds for a header to arrive: HTTP_HEADER_SECONDS, or --timeout where that is less. */
double http_header_seconds(const struct http_server *server);

/* Sends past libmicrohttpd, as far as the socket takes it; and says that nothing more comes. */
void connection_send(const struct connection *connection, const void *bytes, size_t count);
void connection_finish(const struct connection *connection);

/* Counts requests in flight, and those that are work. */
void http_server_enter(struct http_server *server);
void http_server_begin_work(struct http_server *server);
void http_server_leave(struct http_server *server, bool work);

/* Puts a connection aside, in one of libmicrohttpd's callbacks. False once the server closes: libmicrohttpd
 * ends the process where it is stopped while a connection is put aside. */
bool http_server_suspend(struct http_server *server, struct MHD_Connection *handle);
void http_server_resume(struct http_server *server, struct MHD_Connection *handle);

/* A connection without a request has waited long enough. The watch is locked. */
void connection_expired(struct connection *connection);

/* The request that there was is answered, or the client has closed its side while there is none. The watch is
 * locked. */
void connection_idle(struct connection *connection);

/* A large body comes: lets the kernel receive much of it while a piece is read. Its own buffer begins with 64
 * kB and grows by what was read in a round trip: on loopback, a body took 1.6 times as long. */
void connection_expect(const struct connection *connection);

/* libmicrohttpd's callback; `closure` is a struct http_server. */
void connection_notify(void *closure, struct MHD_Connection *handle, void **socket_context,
                       enum MHD_ConnectionNotificationCode code);

#endif
