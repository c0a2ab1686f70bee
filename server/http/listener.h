/* The socket that is listened on, and a thread that hands its connections to libmicrohttpd. */
#ifndef SERVER_HTTP_LISTENER_H
#define SERVER_HTTP_LISTENER_H

#include "server/config.h"

#include <stability/error.h>

#include <sys/socket.h>

/* Whether `address` (a number or a name) is one that only this machine reaches. False with an error where it
 * is no address. */
bool http_is_loopback(const char *address, bool *loopback, struct stability_error *error);

struct listener;

/* Listens as the configuration says. At most `limit` connections are there at a time: further ones wait in
 * the kernel's queue. NULL on error. */
struct listener *listener_new(const struct config *config, unsigned limit, struct stability_error *error);

/* Takes a connection, whose descriptor is its own from then on; called by the listener's thread. False where
 * it failed, the descriptor closed. */
typedef bool listener_take(void *closure, int descriptor, const struct sockaddr *address, socklen_t length);

/* Starts to accept connections. */
bool listener_start(struct listener *listener, listener_take *take, void *closure,
                    struct stability_error *error);

/* A connection that was taken has come to the thread that serves it. */
void listener_begun(struct listener *listener);

/* A connection that was taken is closed: another one may come. */
void listener_closed(struct listener *listener);

/* "127.0.0.1", "8080" */
void listener_address(const struct listener *listener, char *host, socklen_t host_size, char *port,
                      socklen_t port_size);

/* Accepts no further connections, and refuses those that wait in the kernel; what was taken comes to its
 * thread first. */
void listener_stop(struct listener *listener);

/* Stops, and frees. NULL is fine. */
void listener_free(struct listener *listener);

#endif
