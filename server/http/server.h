/* The HTTP server: listens, serves, drains. */
#ifndef SERVER_HTTP_SERVER_H
#define SERVER_HTTP_SERVER_H

#include "server/service.h"

struct http_server;

/* Listens as the service's configuration says and starts to serve. `service` is borrowed. NULL on error. */
struct http_server *http_server_new(struct service *service, struct stability_error *error);

/* Reads the certificate and the key again; plain HTTP has none. Where that fails, those of before stay in
 * force. */
bool http_server_reload(struct http_server *server, struct stability_error *error);

/* Writes "http://127.0.0.1:8080", with the port that the kernel chose, into `url` and returns it. */
#define HTTP_URL_SIZE 80
const char *http_server_url(const struct http_server *server, char url[HTTP_URL_SIZE]);

/* Waits until the work that was accepted is answered, for the grace time at most; then accepts no further
 * connections, stops what is still running, and frees the server. Until then it goes on to answer: that it
 * drains, to whoever asks for work or for its readiness. The service must be draining already. False where
 * work had to be stopped. NULL is fine. */
bool http_server_drain(struct http_server *server);

#endif
