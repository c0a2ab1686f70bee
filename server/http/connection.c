#define _GNU_SOURCE /* POLLRDHUP */

#include "server/http/connection.h"

#include "server/clock.h"
#include "server/http/refusal.h"
#include "server/http/tls.h"

#include <linux/tcp.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#define RECEIVE_BYTES (1 << 22)

double http_header_seconds(const struct http_server *server)
{
    return fmin(HTTP_HEADER_SECONDS, server->service->config->timeout);
}

void http_server_enter(struct http_server *server)
{
    pthread_mutex_lock(&server->mutex);
    server->in_flight++;
    pthread_mutex_unlock(&server->mutex);
}

void http_server_begin_work(struct http_server *server)
{
    pthread_mutex_lock(&server->mutex);
    server->working++;
    pthread_mutex_unlock(&server->mutex);
}

void http_server_leave(struct http_server *server, bool work)
{
    pthread_mutex_lock(&server->mutex);
    server->in_flight--;
    server->working -= work;
    pthread_cond_broadcast(&server->ended);
    pthread_mutex_unlock(&server->mutex);
}

bool http_server_suspend(struct http_server *server, struct MHD_Connection *handle)
{
    pthread_mutex_lock(&server->mutex);
    bool open = !server->closing;
    if (open) {
        server->suspended++;
        MHD_suspend_connection(handle);
    }
    pthread_mutex_unlock(&server->mutex);
    return open;
}

void http_server_resume(struct http_server *server, struct MHD_Connection *handle)
{
    pthread_mutex_lock(&server->mutex);
    MHD_resume_connection(handle);
    server->suspended--;
    pthread_cond_broadcast(&server->ended);
    pthread_mutex_unlock(&server->mutex);
}

static void note_address(struct connection *connection, struct MHD_Connection *handle)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info == NULL ? NULL : info->client_addr;
    socklen_t length = sizeof(struct sockaddr_in);
    if (address == NULL) {
        return;
    }
    if (address->sa_family == AF_INET6) {
        length = sizeof(struct sockaddr_in6);
    }
    getnameinfo(address, length, connection->address, sizeof(connection->address), NULL, 0, NI_NUMERICHOST);
}

void connection_send(const struct connection *connection, const void *bytes, size_t count)
{
    if (connection->session != NULL) {
        tls_send(connection->session, bytes, count);
        return;
    }
    ssize_t sent = send(connection->watched.descriptor, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent;
}

void connection_finish(const struct connection *connection)
{
    if (connection->session != NULL) {
        tls_finish(connection->session);
    }
    shutdown(connection->watched.descriptor, SHUT_WR);
}

static void *session_of(struct MHD_Connection *handle)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return info == NULL ? NULL : info->tls_session;
}

/* Without memory the connection stays unknown, and exchange_open refuses what comes over it. */
static struct connection *connection_new(struct http_server *server, struct MHD_Connection *handle)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL || info == NULL) {
        free(connection);
        return NULL;
    }
    connection->server = server;
    connection->fresh = true;
    connection->goes_on = true;
    connection->linger = HTTP_LINGER_SECONDS;
    note_address(connection, handle);
    connection->session = server->service->config->tls_cert == NULL ? NULL : session_of(handle);
    watch_lock(server->watch);
    if (!watch_add(server->watch, &connection->watched, info->connect_fd)) {
        watch_unlock(server->watch);
        free(connection);
        return NULL;
    }
    watch_deadline(server->watch, &connection->watched, clock_seconds() + http_header_seconds(server));
    watch_unlock(server->watch);
    return connection;
}

/* Whether anything came over a connection that had no request yet. */
static bool has_received(const struct connection *connection)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    return connection->fresh && connection->session == NULL &&
           getsockopt(connection->watched.descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
           info.tcpi_bytes_received > 0;
}

/* libmicrohttpd's epoll tells once, and may have told it together with bytes that were all it read. */
static void tell(struct connection *connection, double now)
{
    shutdown(connection->watched.descriptor, SHUT_RD);
    watch_deadline(connection->server->watch, &connection->watched, now + connection->tell_after);
    connection->tell_after *= 2;
}

void connection_idle(struct connection *connection)
{
    double now = clock_seconds();
    if (connection->half_closed) {
        connection->tell_after = HTTP_TELL_SECONDS;
        tell(connection, now);
    } else {
        watch_deadline(connection->server->watch, &connection->watched, now + HTTP_IDLE_SECONDS);
    }
}

void connection_expired(struct connection *connection)
{
    struct stability_error error = {0};
    double now = clock_seconds();
    if (connection->half_closed && connection->tell_after < HTTP_LINGER_SECONDS) {
        tell(connection, now);
        return;
    }
    if (!connection->goes_on || !has_received(connection)) {
        connection->goes_on = false;
        shutdown(connection->watched.descriptor, SHUT_RDWR);
        return;
    }
    stability_fail(&error, STABILITY_ERROR_BODY_TIMEOUT, NULL,
                   "the request line did not arrive within %g seconds",
                   http_header_seconds(connection->server));
    refusal_send(connection, &error);
    watch_deadline(connection->server->watch, &connection->watched, now + HTTP_LINGER_SECONDS);
}

static bool is_there(const struct connection *connection)
{
    struct pollfd peer = {.fd = connection->watched.descriptor, .events = POLLRDHUP};
    return poll(&peer, 1, 0) == 0;
}

/* libmicrohttpd closes without a word where the first line has no blank. (Over TLS the session is gone by
 * now.) */
static void answer_nonsense(struct connection *connection)
{
    struct stability_error error = {0};
    if (connection->goes_on && connection->session == NULL && is_there(connection)) {
        stability_fail(
            &error, STABILITY_ERROR_FRAMING, NULL,
            "the request line is not a method, a target and a version with one blank between them");
        refusal_send(connection, &error);
    }
}

/* The descriptor is open still: libmicrohttpd closes it next. */
static void connection_free(struct connection *connection)
{
    struct watch *watch = connection->server->watch;
    watch_lock(watch);
    answer_nonsense(connection);
    watch_remove(watch, &connection->watched);
    watch_unlock(watch);
    if (connection->linger > 0 && is_there(connection)) {
        linger_take(connection->server->linger, connection->watched.descriptor, connection->linger);
    }
    free(connection);
}

/* What is to be there before the kernel wakes a reader, it makes room for (tcp_set_rcvlowat), and unlike
 * SO_RCVBUF that leaves the buffer free to grow further. */
void connection_expect(const struct connection *connection)
{
    int descriptor = connection->watched.descriptor;
    int room = RECEIVE_BYTES;
    int any = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_RCVLOWAT, &room, sizeof(room));
    setsockopt(descriptor, SOL_SOCKET, SO_RCVLOWAT, &any, sizeof(any));
}

void connection_notify(void *closure, struct MHD_Connection *handle, void **socket_context,
                       enum MHD_ConnectionNotificationCode code)
{
    struct http_server *server = closure;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        listener_begun(server->listener);
        *socket_context = connection_new(server, handle);
        return;
    }
    if (*socket_context != NULL) {
        connection_free(*socket_context);
        *socket_context = NULL;
    }
    listener_closed(server->listener);
}
